import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../../test/support/free-ports.ts";
import { BenchCluster } from "../clusters/bench-cluster.ts";
import type { LockClient } from "../clusters/system.ts";
import { type Run, repeat } from "../drive.ts";
import { connectEtcd3 } from "../peers/etcd3-lock.ts";
import { RedisLock, startRedis } from "../peers/redis-lock.ts";
import { show, type Summary, summarize } from "../samples.ts";
import type { Contenders } from "./contenders.ts";

/** What is repeated, in the order in which a round measures it. */
export type RateRow = "mufakat" | "mufakat at the leader" | "etcd" | "etcd at the leader" | "etcd3" | "redis";

export interface Rate {
  readonly row: RateRow;
  readonly outstanding: number;
  readonly pairsPerSecond: Summary;
  readonly p50Ms: Summary;
  readonly p99Ms: Summary;
}

/** How often faster ours is than a peer: taken round by round, so that a machine that drifts moves both sides of it. */
export interface RateRatio {
  readonly row: RateRow;
  readonly outstanding: number;
  readonly ratio: Summary;
}

export interface RatesOptions {
  readonly contenders: Contenders;
  readonly outstanding: readonly number[];
  readonly rounds: number;
  readonly seconds: number;
}

/** Connects so many clients; each has its own lock. */
type Connect = (clients: number) => Promise<LockClient[]>;

/** Take-and-give-back pairs of every system, in turn, in the same minutes. */
export async function measureRates(options: RatesOptions): Promise<{ rates: Rate[]; ratios: RateRatio[] }> {
  const { contenders } = options;
  await using stack = new AsyncDisposableStack();
  const ours = stack.use(await BenchCluster.start(contenders.mufakat(), 3));
  const etcd = contenders.etcd("etcd");
  const theirs = etcd === undefined ? undefined : stack.use(await BenchCluster.start(etcd, 3));
  const redis = await RedisInstance.start();
  if (redis !== undefined) stack.use(redis);

  const rows: (readonly [RateRow, Connect])[] = [
    ["mufakat", overAllNodes(ours)],
    ["mufakat at the leader", atTheLeader(ours)],
  ];
  if (theirs !== undefined) {
    rows.push(["etcd", overAllNodes(theirs)], ["etcd at the leader", atTheLeader(theirs)]);
    const client = connectEtcd3(theirs.places);
    stack.defer(() => client.close());
    rows.push(["etcd3", async (clients) => Array.from({ length: clients }, () => ({ ...client, close: () => {} }))]);
  }
  if (redis !== undefined) rows.push(["redis", async (clients) => Array.from({ length: clients }, () => redis.client)]);

  const results = { rates: [] as Rate[], ratios: [] as RateRatio[] };
  for (const outstanding of options.outstanding) {
    const runs = await measureRounds(rows, outstanding, options);
    results.rates.push(...ratesOf(runs, outstanding));
    results.ratios.push(...ratiosOf(runs, outstanding));
  }
  return results;
}

async function measureRounds(
  rows: readonly (readonly [RateRow, Connect])[],
  outstanding: number,
  { rounds, seconds }: RatesOptions,
): Promise<Map<RateRow, Run[]>> {
  const runs = new Map<RateRow, Run[]>(rows.map(([row]) => [row, []]));
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const [row, connect] of rows) {
      const clients = await connect(outstanding);
      const run = await repeat(outstanding, seconds, async (id) => clients[id]?.pair(`bench-${id}`));
      for (const client of clients) client.close();
      if (round > 0) runs.get(row)?.push(run);
    }
  }
  return runs;
}

function ratesOf(runs: ReadonlyMap<RateRow, readonly Run[]>, outstanding: number): Rate[] {
  return [...runs].map(([row, measured]) => {
    const rate: Rate = {
      row,
      outstanding,
      pairsPerSecond: summarize(measured.map((run) => run.perSecond)),
      p50Ms: summarize(measured.map((run) => run.p50Ms)),
      p99Ms: summarize(measured.map((run) => run.p99Ms)),
    };
    console.log(
      `${row}, ${outstanding} outstanding: ${show(rate.pairsPerSecond, "pairs/s")}; ${show(rate.p50Ms, "ms p50", 2)}`,
    );
    return rate;
  });
}

/** Like beside like: at the leader beside at the leader, else over all nodes. */
export function ratiosOf(runs: ReadonlyMap<RateRow, readonly Run[]>, outstanding: number): RateRatio[] {
  const ratios: RateRatio[] = [];
  for (const [row, theirs] of runs) {
    if (row.startsWith("mufakat")) continue;
    const ours = runs.get(row.endsWith("at the leader") ? "mufakat at the leader" : "mufakat") ?? [];
    const ratio = summarize(theirs.map((run, round) => (ours[round]?.perSecond ?? 0) / run.perSecond));
    ratios.push({ row, outstanding, ratio });
  }
  return ratios;
}

function overAllNodes(cluster: BenchCluster): Connect {
  return (clients) => {
    const { places } = cluster;
    const connect = (id: number) => cluster.system.connect(cluster.place(id % places.length));
    return Promise.all(Array.from({ length: clients }, (_, id) => connect(id)));
  };
}

function atTheLeader(cluster: BenchCluster): Connect {
  return async (clients) => {
    const place = cluster.place(await cluster.leader());
    return Promise.all(Array.from({ length: clients }, () => cluster.system.connect(place)));
  };
}

/** What many use today: one Redis that persists nothing. */
class RedisInstance implements AsyncDisposable {
  readonly client: LockClient;

  private constructor(
    private readonly server: Bun.Subprocess,
    private readonly lock: RedisLock,
    private readonly directory: string,
  ) {
    this.client = {
      async pair(name) {
        const taken = await lock.acquire(name, name, 60_000);
        const released = await lock.release(name, name);
        if (!taken || !released) throw new Error("a lock that nobody else wants was refused");
      },
      close: () => {},
    };
  }

  static async start(): Promise<RedisInstance | undefined> {
    const directory = mkdtempSync(join(tmpdir(), "mufakat-bench-redis-"));
    const [port = 0] = freePorts(1);
    const server = startRedis(port, directory);
    if (server === undefined) {
      rmSync(directory, { recursive: true });
      return undefined;
    }
    const lock = new RedisLock("127.0.0.1", port);
    await lock.ready();
    return new RedisInstance(server, lock, directory);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.lock.close();
    this.server.kill();
    await this.server.exited;
    rmSync(this.directory, { recursive: true, force: true });
  }
}
