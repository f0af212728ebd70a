import { ProcessCluster, type Program } from "../../test/support/process-cluster.ts";
import { processUsage } from "./machine.ts";
import { show, type Summary, summarize } from "./samples.ts";

/** What a node costs that nobody asks anything. */
export async function benchIdle(options: {
  program: Program;
  size: number;
  seconds: number;
}): Promise<Record<string, Summary>> {
  await using cluster = await ProcessCluster.start({ size: options.size, program: options.program });
  const pids = cluster.nodes.map((node) => node.process?.pid ?? 0);
  await Bun.sleep(2_000);
  const before = await Promise.all(pids.map(processUsage));
  const start = performance.now();
  await Bun.sleep(options.seconds * 1000);
  const elapsed = (performance.now() - start) / 1000;
  const after = await Promise.all(pids.map(processUsage));
  const cpu = summarize(
    after.map((usage, i) => (100 * ((usage?.cpuSeconds ?? 0) - (before[i]?.cpuSeconds ?? 0))) / elapsed),
  );
  const rss = summarize(after.map((usage) => (usage?.rssBytes ?? 0) / 2 ** 20));
  console.log(`idle, a node: ${show(cpu, "% of a core", 2)}; ${show(rss, "MiB resident")}`);
  return { "idle cpu, % of a core": cpu, "idle rss, MiB": rss };
}
