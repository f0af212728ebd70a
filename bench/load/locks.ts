import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../test/support/free-ports.ts";
import { ProcessCluster, type Program } from "../../test/support/process-cluster.ts";
import { type Run, repeat } from "./drive.ts";
import { HttpConnection } from "./http-connection.ts";
import { RedisLock, startRedis } from "./peers/redis-lock.ts";
import { printedPort } from "./printed-port.ts";
import { show, type Summary, summarize } from "./samples.ts";

export interface LockBenchOptions {
  readonly program: Program;
  readonly size: number;
  readonly outstanding: readonly number[];
  readonly runs: number;
  readonly seconds: number;
}

type Scenario = "constant" | "pairs" | "leader" | "redis";

const TITLES: Readonly<Record<Scenario, readonly [title: string, unit: string]>> = {
  constant: ["constant Hono route", "requests/s"],
  pairs: ["lock + unlock over all nodes", "pairs/s"],
  leader: ["lock + unlock at the leader", "pairs/s"],
  redis: ["SET NX + release on one Redis that persists nothing", "pairs/s"],
};

/** Lock + unlock pairs over HTTP; beside them, in the same run, a constant Hono route and the lock on one Redis. */
export async function benchLocks(options: LockBenchOptions): Promise<Record<string, Summary>> {
  await using cluster = await ProcessCluster.start({ size: options.size, program: options.program });
  await using peers = await Peers.start();
  const results: Record<string, Summary> = {};
  const targets = cluster.ids.map((id) => cluster.node(id).clientPort);
  for (const outstanding of options.outstanding) {
    const runs: Record<Scenario, Run[]> = { constant: [], pairs: [], leader: [], redis: [] };
    // The first run warms up.
    for (let run = 0; run <= options.runs; run++) {
      const leader = cluster.node(await cluster.leader()).clientPort;
      const measured: Partial<Record<Scenario, Run>> = {
        constant: await drive([peers.constantPort], outstanding, options.seconds, constantRequest),
        pairs: await drive(targets, outstanding, options.seconds, lockPair),
        leader: await drive([leader], outstanding, options.seconds, lockPair),
      };
      if (peers.redis !== undefined) measured.redis = await driveRedis(peers.redis, outstanding, options.seconds);
      if (run === 0) continue;
      for (const [scenario, one] of Object.entries(measured)) runs[scenario as Scenario].push(one);
    }
    for (const [scenario, [title, unit]] of Object.entries(TITLES)) {
      report(results, `${title}, ${outstanding} outstanding`, unit, runs[scenario as Scenario]);
    }
  }
  return results;
}

/** What is measured beside the cluster. */
class Peers implements AsyncDisposable {
  private constructor(
    readonly constantPort: number,
    readonly redis: RedisLock | undefined,
    private readonly processes: readonly Bun.Subprocess[],
    private readonly directory: string,
  ) {}

  static async start(): Promise<Peers> {
    const directory = mkdtempSync(join(tmpdir(), "mufakat-bench-"));
    const constant = Bun.spawn([process.execPath, `${import.meta.dir}/constant-route.ts`], { stdout: "pipe" });
    const [port = 0] = freePorts(1);
    const server = startRedis(port, directory);
    const redis = server === undefined ? undefined : new RedisLock("127.0.0.1", port);
    if (redis === undefined) console.log("no redis-server on the PATH: measured without it");
    else await redis.ready();
    const processes = server === undefined ? [constant] : [constant, server];
    return new Peers(await printedPort(constant.stdout), redis, processes, directory);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.redis?.close();
    for (const process of this.processes) process.kill();
    await Promise.all(this.processes.map((process) => process.exited));
    rmSync(this.directory, { recursive: true, force: true });
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
    Array.from({ length: outstanding }, (_, client) =>
      HttpConnection.open("127.0.0.1", ports[client % ports.length] ?? 0),
    ),
  );
  const run = await repeat(outstanding, seconds, async (client) => {
    const connection = connections[client];
    if (connection !== undefined) await step(connection, client);
  });
  for (const connection of connections) connection.close();
  return run;
}

function driveRedis(redis: RedisLock, outstanding: number, seconds: number): Promise<Run> {
  return repeat(outstanding, seconds, async (client) => {
    const locked = await redis.acquire(`bench-${client}`, `client-${client}`, 60_000);
    const released = await redis.release(`bench-${client}`, `client-${client}`);
    if (!locked || !released) throw new Error("a lock that nobody else wants was refused");
  });
}

function report(results: Record<string, Summary>, name: string, unit: string, runs: readonly Run[]): void {
  if (runs.length === 0) return;
  const rate = summarize(runs.map((run) => run.perSecond));
  const p50 = summarize(runs.map((run) => run.p50Ms));
  const p99 = summarize(runs.map((run) => run.p99Ms));
  results[`${name}, ${unit}`] = rate;
  results[`${name}, p50 ms`] = p50;
  results[`${name}, p99 ms`] = p99;
  console.log(`${name}: ${show(rate, unit)}; p50 ${p50.median.toFixed(2)} ms, p99 ${p99.median.toFixed(2)} ms`);
}
