import { eventually } from "../../test/support/eventually.ts";
import { ProcessCluster, type Program } from "../../test/support/process-cluster.ts";
import { diskUseBytes } from "./disk-use.ts";
import { drive, holdLocks, LOADERS } from "./held-locks.ts";
import { showLoopFigures } from "./loop-figures.ts";
import { show, type Summary, summarize } from "./samples.ts";

/**
 * A cluster with very many held locks: how long turns of the loop get under load beside them, and how long a node that restarts
 * needs until it serves.
 */
export async function benchRestart(options: {
  program: Program;
  size: number;
  holds: number;
  /** Of load beside the held locks. */
  operations: number;
  restarts: number;
}): Promise<Record<string, Summary>> {
  await using cluster = await ProcessCluster.start({ size: options.size, program: options.program });
  await holdLocks(cluster, options.holds);
  await drive(cluster, options.operations / 2, async (connection, i) => {
    const path = `/lock/load-${i % LOADERS}?owner=client-${i % LOADERS}`;
    await connection.request("POST", `${path}&ttl=60&timeout=0`);
    await connection.request("DELETE", path);
  });
  await showLoopFigures(cluster);
  const readyMs: number[] = [];
  for (let round = 0; round < options.restarts; round++) {
    const id = cluster.ids[round % cluster.ids.length] ?? "";
    await cluster.kill(id);
    const begun = performance.now();
    cluster.startNode(id);
    await eventually(async () => await isReady(cluster.url(id)), {
      deadlineMs: 60_000,
      intervalMs: 5,
      what: `${id} serves`,
    });
    readyMs.push(performance.now() - begun);
  }
  const ready = summarize(readyMs);
  const disk = summarize(cluster.nodes.map(({ dataDirectory }) => diskUseBytes(dataDirectory) / 2 ** 20));
  console.log(`from the start of the process until it serves: ${show(ready, "ms")}; ${show(disk, "MiB on a disk")}`);
  return { "restart, ms until it serves": ready, "restart, MiB on a disk": disk };
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(1_000) })).status === 200;
  } catch {
    return false;
  }
}
