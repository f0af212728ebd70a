import { ProcessCluster, type Program } from "../../test/support/process-cluster.ts";
import { showLoopFigures } from "./loop-figures.ts";
import { HttpConnection } from "./http-connection.ts";
import { processUsage } from "./machine.ts";
import { show, type Summary, summarize } from "./samples.ts";

/** Full load for minutes: the leader must stay. Counts elections, failed requests, and what the nodes take of memory. */
export async function benchSaturation(options: {
  program: Program;
  size: number;
  seconds: number;
  outstanding: number;
}): Promise<Record<string, Summary>> {
  await using cluster = await ProcessCluster.start({ size: options.size, program: options.program });
  const ports = cluster.ids.map((id) => Number(new URL(cluster.url(id)).port));
  const before = await elections(cluster);
  const end = performance.now() + options.seconds * 1000;
  let pairs = 0;
  let failed = 0;
  await Promise.all(
    Array.from({ length: options.outstanding }, async (_, client) => {
      const connection = await HttpConnection.open("127.0.0.1", ports[client % ports.length] ?? 0);
      const path = `/lock/load-${client}?owner=client-${client}`;
      while (performance.now() < end) {
        const lock = await connection.request("POST", `${path}&ttl=60&timeout=0`);
        const unlock = await connection.request("DELETE", path);
        pairs++;
        if (lock.status !== 200 || unlock.status !== 200) failed++;
      }
      connection.close();
    }),
  );
  const held = (await elections(cluster)) - before;
  const usage = await Promise.all(cluster.nodes.map((node) => processUsage(node.process?.pid ?? 0)));
  const rss = summarize(usage.map((one) => (one?.rssBytes ?? 0) / 2 ** 20));
  const rate = summarize([pairs / options.seconds]);
  console.log(
    `${options.seconds} s at ${options.outstanding} outstanding: ${pairs} pairs, ${failed} failed, ${held} elections`,
  );
  console.log(`${show(rate, "pairs/s")}; ${show(rss, "MiB resident a node")}`);
  await showLoopFigures(cluster);
  return {
    "saturation, pairs/s": rate,
    "saturation, elections": summarize([held]),
    "saturation, failed pairs": summarize([failed]),
    "saturation, rss MiB": rss,
  };
}

async function elections(cluster: ProcessCluster): Promise<number> {
  let total = 0;
  for (const id of cluster.ids) {
    const metrics = await (await fetch(`${cluster.url(id)}/metrics`)).text();
    total += Number(/^mufakat_raft_elections_total (\d+)/m.exec(metrics)?.[1] ?? Number.NaN);
  }
  return total;
}
