import type { Program } from "../../../test/support/process-cluster.ts";
import mufakat from "../../../package.json" with { type: "json" };

/** Ours, with the commit and what was run. */
export function ourVersion(program: Program): string {
  const commit = versionOf(["git", "describe", "--always", "--dirty"], /(\S+)/);
  return `${mufakat.version} (${commit}, ${program.length === 1 ? "executable" : "sources"})`;
}

/** What a program says of itself. */
export function versionOf(command: string[], pattern: RegExp): string {
  const { stdout } = Bun.spawnSync(command, { cwd: import.meta.dir, stderr: "ignore" });
  return pattern.exec(stdout.toString())?.[1] ?? "unknown";
}
