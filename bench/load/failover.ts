import { ProcessCluster, type Program } from "../../test/support/process-cluster.ts";
import { show, type Summary, summarize } from "./samples.ts";

export interface FailoverBenchOptions {
  readonly program: Program;
  readonly size: number;
  readonly kills: number;
}

/** From kill -9 of the leader to the next lock granted through another node, default time-outs. */
export async function benchFailover(options: FailoverBenchOptions): Promise<Record<string, Summary>> {
  await using cluster = await ProcessCluster.start({ size: options.size, program: options.program });
  const durations: number[] = [];
  for (let kill = 0; kill < options.kills; kill++) {
    const leader = await cluster.leader();
    const other = cluster.ids.find((id) => id !== leader) ?? leader;
    const start = performance.now();
    await cluster.signal(leader, "SIGKILL");
    await granted(cluster.url(other), `failover-${kill}`);
    durations.push(performance.now() - start);
    await cluster.node(leader).process?.exited;
    cluster.startNode(leader);
    await cluster.leader();
  }
  const summary = summarize(durations);
  console.log(`kill -9 of the leader → next lock through another node: ${show(summary, "ms")}`);
  return { "kill -9 to next lock, ms": summary };
}

async function granted(url: string, lock: string): Promise<void> {
  for (;;) {
    const response = await fetch(`${url}/lock/${lock}?owner=bench&ttl=60`, { method: "POST" });
    await response.arrayBuffer();
    if (response.status === 200) return;
  }
}
