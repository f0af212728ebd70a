import { cpus, release, totalmem } from "node:os";

/** What the figures were measured on. */
export function machineFacts(): Record<string, string | number> {
  const processors = cpus();
  return {
    processors: processors.length,
    model: processors[0]?.model.trim() ?? "unknown",
    memory_gib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    bun: Bun.version,
    setting: "nodes and client on one machine: loopback, shared cores, one disk",
  };
}

/** CPU seconds (user and system) and resident bytes of a process, from /proc; undefined elsewhere. */
export async function processUsage(pid: number): Promise<{ cpuSeconds: number; rssBytes: number } | undefined> {
  try {
    const stat = await Bun.file(`/proc/${pid}/stat`).text();
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    return { cpuSeconds: ticks / 100, rssBytes: Number(fields[21]) * 4096 };
  } catch {
    return undefined;
  }
}
