import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Every file below the folder and a hash of what it holds, but for what a lock leaves. */
export function folderDigest(path: string): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const name of readdirSync(path, { recursive: true, encoding: "utf8" }).sort()) {
    if (["lock", "lock-journal", "pid"].includes(name)) continue;
    try {
      files.set(name, Bun.hash(readFileSync(join(path, name))).toString(16));
    } catch {
      files.set(name, "folder");
    }
  }
  return files;
}
