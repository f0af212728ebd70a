import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { self, startOf, sweepNamespaces } from "../support/namespace-network.ts";

const NODES = "mufakat-torture-nodes-";

/**
 * A folder for the nodes, which carries our process in its name, and one for the history, which outlives us.
 *
 * @param keep the history's folder, or undefined for a new one
 */
export function runFolders(keep: string | undefined, seed: number): { nodes: string; history: string } {
  const nodes = mkdtempSync(join(tmpdir(), `${NODES}${self()}-`));
  if (keep !== undefined) mkdirSync(keep, { recursive: true });
  return { nodes, history: keep ?? mkdtempSync(join(tmpdir(), `mufakat-torture-${seed}-`)) };
}

/** Ends the nodes, and removes the folders and namespaces, of runs that were killed. @returns what there was, in words */
export function sweepLeftovers(): string[] {
  const folders = readdirSync(tmpdir()).filter((name) => {
    const [, pid, start] = new RegExp(`^${NODES}(\\d+)-(\\d+)-`).exec(name) ?? [];
    return pid !== undefined && startOf(pid) !== start;
  });
  for (const folder of folders) {
    const path = join(tmpdir(), folder);
    for (const pid of processesOf(path)) process.kill(pid, "SIGKILL");
    rmSync(path, { recursive: true, force: true });
  }
  return [...folders, ...sweepNamespaces()];
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
