import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { self, startOf, sweepNamespaces } from "../support/namespace-network.ts";

const RUN = "mufakat-torture-run-";

/** A folder for all that a run makes; it carries our process in its name, and goes with the run. */
export function runFolder(): string {
  return mkdtempSync(join(tmpdir(), `${RUN}${self()}-`));
}

/** A new folder for what outlives a run. */
export function keptFolder(seed: number): string {
  return mkdtempSync(join(tmpdir(), `mufakat-torture-seed-${seed}-`));
}

/** Ends the nodes, and removes the folders and namespaces, of runs that were killed. @returns what there was, in words */
export function sweepLeftovers(): string[] {
  const folders = readdirSync(tmpdir()).filter((name) => {
    const [, pid, start] = new RegExp(`^${RUN}(\\d+)-(\\d+)-`).exec(name) ?? [];
    return pid !== undefined && startOf(pid) !== start;
  });
  for (const folder of folders) {
    const path = join(tmpdir(), folder);
    for (const pid of processesOf(path)) process.kill(pid, "SIGKILL");
    for (const disk of disksIn(path)) spawnSync("umount", ["-l", disk]);
    rmSync(path, { recursive: true, force: true });
  }
  return [...folders, ...sweepNamespaces()];
}

/** File systems that are mounted in the folder. */
function disksIn(folder: string): string[] {
  if (process.platform !== "linux") return [];
  const mounts = readFileSync("/proc/mounts", "utf8").split("\n");
  return mounts.flatMap((line) => line.split(" ").slice(1, 2)).filter((path) => path.startsWith(`${folder}/`));
}

/** Nodes whose data directory is in the folder. */
function processesOf(folder: string): number[] {
  const pids = process.platform === "linux" ? readdirSync("/proc").filter((name) => /^\d+$/.test(name)) : [];
  return pids.filter((pid) => commandOf(pid).some((word) => word.startsWith(`${folder}/`))).map(Number);
}

function commandOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}
