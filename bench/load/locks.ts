import { ProcessCluster, type Program } from "../../test/support/process-cluster.ts";
import { HttpConnection } from "./http-connection.ts";
import { quantile, show, type Summary, summarize } from "./samples.ts";

export interface LockBenchOptions {
  readonly program: Program;
  readonly size: number;
  readonly outstanding: readonly number[];
  readonly runs: number;
  readonly seconds: number;
}

interface Run {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Lock + unlock pairs over HTTP, clients spread over all nodes, beside a constant Hono route in the same run. */
export async function benchLocks(options: LockBenchOptions): Promise<Record<string, Summary>> {
  await using cluster = await ProcessCluster.start({ size: options.size, program: options.program });
  const constant = Bun.spawn([process.execPath, `${import.meta.dir}/constant-route.ts`], { stdout: "pipe" });
  try {
    const port = await firstNumber(constant.stdout);
    const results: Record<string, Summary> = {};
    const targets = cluster.ids.map((id) => Number(new URL(cluster.url(id)).port));
    for (const outstanding of options.outstanding) {
      const runs: Record<"constant" | "pairs" | "leader", Run[]> = { constant: [], pairs: [], leader: [] };
      for (let run = 0; run <= options.runs; run++) {
        const leader = Number(new URL(cluster.url(await cluster.leader())).port);
        const measured = {
          constant: await drive([port], outstanding, options.seconds, constantRequest),
          pairs: await drive(targets, outstanding, options.seconds, lockPair),
          leader: await drive([leader], outstanding, options.seconds, lockPair),
        };
        // The first run warms up.
        if (run > 0) for (const name of ["constant", "pairs", "leader"] as const) runs[name].push(measured[name]);
      }
      report(results, `constant route, ${outstanding} outstanding`, "requests/s", runs.constant);
      report(results, `lock + unlock over all nodes, ${outstanding} outstanding`, "pairs/s", runs.pairs);
      report(results, `lock + unlock at the leader, ${outstanding} outstanding`, "pairs/s", runs.leader);
    }
    return results;
  } finally {
    constant.kill();
    await constant.exited;
  }
}

type Step = (connection: HttpConnection, client: number) => Promise<void>;

const constantRequest: Step = async (connection) => {
  await connection.request("POST", "/constant");
};

const lockPair: Step = async (connection, client) => {
  const lock = await connection.request("POST", `/lock/bench-${client}?owner=client-${client}&ttl=60&timeout=0`);
  if (lock.status !== 200) throw new Error(`lock: ${lock.status} ${lock.body}`);
  const unlock = await connection.request("DELETE", `/lock/bench-${client}?owner=client-${client}`);
  if (unlock.status !== 200) throw new Error(`unlock: ${unlock.status} ${unlock.body}`);
};

async function drive(ports: readonly number[], outstanding: number, seconds: number, step: Step): Promise<Run> {
  const connections = await Promise.all(
    Array.from({ length: outstanding }, (_, client) => HttpConnection.open("127.0.0.1", ports[client % ports.length] ?? 0)),
  );
  const latencies: number[] = [];
  const start = performance.now();
  const end = start + seconds * 1000;
  await Promise.all(
    connections.map(async (connection, client) => {
      for (let now = performance.now(); now < end; ) {
        await step(connection, client);
        const after = performance.now();
        latencies.push(after - now);
        now = after;
      }
    }),
  );
  const elapsed = (performance.now() - start) / 1000;
  for (const connection of connections) connection.close();
  latencies.sort((a, b) => a - b);
  return {
    perSecond: latencies.length / elapsed,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
  };
}

function report(results: Record<string, Summary>, name: string, unit: string, runs: readonly Run[]): void {
  const rate = summarize(runs.map((run) => run.perSecond));
  const p50 = summarize(runs.map((run) => run.p50Ms));
  const p99 = summarize(runs.map((run) => run.p99Ms));
  results[`${name}, ${unit}`] = rate;
  results[`${name}, p50 ms`] = p50;
  results[`${name}, p99 ms`] = p99;
  console.log(`${name}: ${show(rate, unit)}; p50 ${p50.median.toFixed(2)} ms, p99 ${p99.median.toFixed(2)} ms`);
}

async function firstNumber(stream: ReadableStream<Uint8Array>): Promise<number> {
  for await (const chunk of stream) return Number(new TextDecoder().decode(chunk));
  throw new Error("the constant route did not start");
}
