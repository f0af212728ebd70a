import { ProcessCluster, type Program } from "../../test/support/process-cluster.ts";
import { holdLocks } from "./held-locks.ts";
import { HttpConnection } from "./http-connection.ts";
import { longTurns, metricsOf } from "./loop-figures.ts";
import { quantile, show, type Summary, summarize } from "./samples.ts";

/**
 * A cluster with very many held locks, one client, and snapshots one after the other: what they cost that client, and how many
 * turns of the loop take more than 20 ms (PROTOCOLS D10). Before, as long without snapshots.
 */
export async function benchSnapshots(options: {
  program: Program;
  size: number;
  holds: number;
  snapshots: number;
}): Promise<Record<string, Summary>> {
  await using cluster = await ProcessCluster.start({ size: options.size, program: options.program });
  await holdLocks(cluster, options.holds);
  const id = cluster.ids[0] ?? "";
  const url = cluster.url(id);
  // The first writes all of it; whatever the holds left to be done is done.
  await takeSnapshot(url);
  const took: number[] = [];
  const during = await measure(cluster, "with snapshots", async () => {
    for (let i = 0; i < options.snapshots; i++) took.push(await takeSnapshot(url));
  });
  const aloneMs = took.reduce((sum, each) => sum + each, 0);
  const alone = await measure(cluster, "without", async () => await Bun.sleep(aloneMs));
  const duration = summarize(took);
  console.log(`a snapshot of ${options.holds} held locks, made, and read as a backup: ${show(duration, "ms")}`);
  return { "snapshots, ms": duration, "pair beside snapshots, ms": during, "pair without, ms": alone };
}

/** A backup is of a snapshot that is made for it. @returns how long it took, in ms */
async function takeSnapshot(url: string): Promise<number> {
  const begun = performance.now();
  const reply = await fetch(`${url}/cluster/backup`);
  if (reply.status !== 200) throw new Error(`backup: ${reply.status} ${await reply.text()}`);
  for await (const _ of reply.body ?? []);
  return performance.now() - begun;
}

/** One client takes and releases a lock until `work` has ended. @returns how long a pair took, in ms */
async function measure(cluster: ProcessCluster, what: string, work: () => Promise<void>): Promise<Summary> {
  const { clientPort } = cluster.node(cluster.ids[0] ?? "");
  const connection = await HttpConnection.open("127.0.0.1", clientPort);
  const before = await countLong(cluster);
  const pairsMs: number[] = [];
  const state = { ended: false };
  const client = async (): Promise<void> => {
    while (!state.ended) {
      const begun = performance.now();
      await connection.request("POST", "/lock/beside?owner=client&ttl=60&timeout=0");
      await connection.request("DELETE", "/lock/beside?owner=client");
      pairsMs.push(performance.now() - begun);
    }
  };
  await Promise.all([client(), work().finally(() => (state.ended = true))]);
  connection.close();
  const long = [...(await countLong(cluster))].map(([phase, count]) => `${phase} ${count - (before.get(phase) ?? 0)}`);
  const sorted = pairsMs.toSorted((a, b) => a - b);
  const at = (q: number): string => quantile(sorted, q).toFixed(1);
  console.log(
    `${what}: ${sorted.length} pairs, p50 ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)} ms; turns over 20 ms: ${long.join(", ") || "none"}`,
  );
  return summarize(sorted);
}

/** Of all nodes, by phase. */
async function countLong(cluster: ProcessCluster): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const id of cluster.ids) {
    for (const [phase, turns] of longTurns(await metricsOf(cluster.url(id)))) {
      counts.set(phase, (counts.get(phase) ?? 0) + turns);
    }
  }
  return counts;
}
