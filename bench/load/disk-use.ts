import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** Bytes that the files below a directory take on the disk. What goes meanwhile counts as gone. */
export function diskUseBytes(directory: string): number {
  let bytes = 0;
  for (const entry of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
    try {
      const found = statSync(join(directory, entry));
      if (found.isFile()) bytes += found.blocks * 512;
    } catch {
      // A segment or a snapshot that was deleted between the two calls.
    }
  }
  return bytes;
}
