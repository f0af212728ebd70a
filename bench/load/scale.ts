import { readFileSync } from "node:fs";
import type { Program } from "../../test/support/process-cluster.ts";
import { eventually } from "../../test/support/eventually.ts";
import { BenchCluster } from "./clusters/bench-cluster.ts";
import { MufakatSystem } from "./clusters/mufakat-system.ts";
import type { Place } from "./clusters/system.ts";
import { onExit } from "./clusters/on-exit.ts";
import { type Run, repeat } from "./drive.ts";
import { HttpConnection } from "./http-connection.ts";
import { processUsage } from "./machine.ts";
import { show, type Summary, summarize } from "./samples.ts";

export interface ScaleOptions {
  readonly program: Program;
  readonly holds: number;
  readonly waiters: number;
  /** How long a stage measures the full cluster; the empty one as long. */
  readonly seconds: number;
}

export interface ScaleStage {
  readonly stage: "empty" | "with the holds" | "with the waiters, too" | "when the waiters had gone";
  readonly holds: number;
  readonly waiters: number;
  /** Lock + unlock of other locks, by {@link CLIENTS} clients. */
  readonly p50Ms: Summary;
  readonly p99Ms: Summary;
  /** The same in a cluster that holds nothing, in turn with it. */
  readonly emptyP50Ms: Summary;
  readonly emptyP99Ms: Summary;
  /** Of each turn: this / empty. */
  readonly p50Ratio: Summary;
  readonly p99Ratio: Summary;
  /** Of the nodes. */
  readonly rssMiB: Summary;
}

export interface Scale {
  readonly nodes: number;
  readonly stages: readonly ScaleStage[];
  readonly holdsPerSecond: number;
}

const CLIENTS = 8;
/** A stage measures the full cluster and the empty one in turn, so often. */
const TURNS = 5;
const LOADERS = 256;
const LOCKS_OF_AN_OWNER = 10;
/** The longest wait that a request may ask for: everything with waiters must be over by then. */
const WAIT_SECONDS = 60;
/** So that all are there long before the first has waited its time, and the nodes are not merely overloaded. */
const ARRIVALS_PER_SECOND = 2_500;
/** Descriptors of a process that are not connections of waiters. */
const SPARE_DESCRIPTORS = 600;

/** What other locks cost, and what memory a node has, while very many locks are held and one is waited for by very many. */
export async function measureScale(options: ScaleOptions): Promise<Scale> {
  const { nodes, waiters } = fit(options.waiters);
  const start = () => BenchCluster.start(new MufakatSystem(options.program), nodes);
  await using cluster = await start();
  await using empty = await start();
  const stages: ScaleStage[] = [];
  const stage = async (name: ScaleStage["stage"]): Promise<void> => {
    const measured = await measureStage(name, cluster, empty, options.seconds);
    stages.push(measured);
    showStage(measured);
  };
  // Warms up.
  await measureStage("empty", cluster, empty, options.seconds);
  await stage("empty");
  const holdsPerSecond = await takeLocks(cluster, options.holds);
  await stage("with the holds");
  await takeContended(cluster);
  const processes = startWaiters(cluster, waiters);
  const stopWaiters = onExit(() => processes.forEach((child) => child.kill()));
  await eventually(async () => (await counts(cluster)).waiters >= waiters, {
    deadlineMs: WAIT_SECONDS * 1_000,
    intervalMs: 100,
    what: `${waiters} waiters`,
  });
  await stage("with the waiters, too");
  stopWaiters();
  await Promise.all(processes.map((child) => child.exited));
  await eventually(async () => (await counts(cluster)).waiters === 0, {
    deadlineMs: 120_000,
    intervalMs: 100,
    what: "no waiters, their clients being gone",
  });
  await stage("when the waiters had gone");
  console.log(`${nodes} nodes, ${Math.round(holdsPerSecond)} holds taken a second`);
  return { nodes, stages, holdsPerSecond };
}

/** A waiter over HTTP is a connection, so nodes are added until each has descriptors enough for its share of them. */
function fit(waiters: number): { nodes: number; waiters: number } {
  const perNode = maxDescriptors() - SPARE_DESCRIPTORS;
  const nodes = [3, 5, 7].find((size) => waiters <= size * perNode);
  if (nodes === 3) return { nodes, waiters };
  const fitting = nodes === undefined ? 7 * perNode : waiters;
  console.log(
    `A process may have ${perNode + SPARE_DESCRIPTORS} descriptors: ${fitting} waiters on ${nodes ?? 7} nodes ` +
      `instead of ${waiters} on 3 (ulimit -n ${Math.ceil(waiters / 3) + SPARE_DESCRIPTORS} would do)`,
  );
  return { nodes: nodes ?? 7, waiters: fitting };
}

function maxDescriptors(): number {
  try {
    return Number(/^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? 1_024);
  } catch {
    return 1_024;
  }
}

async function measureStage(
  stage: ScaleStage["stage"],
  cluster: BenchCluster,
  empty: BenchCluster,
  seconds: number,
): Promise<ScaleStage> {
  const before = await counts(cluster);
  const full: Run[] = [];
  const reference: Run[] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    reference.push(await otherLocks(empty, seconds / TURNS));
    full.push(await otherLocks(cluster, seconds / TURNS));
  }
  const after = await counts(cluster);
  const usage = await Promise.all(cluster.pids.map(processUsage));
  const ratios = (of: (run: Run) => number): Summary =>
    summarize(full.map((run, turn) => of(run) / of(reference[turn] ?? run)));
  const p50 = (run: Run): number => run.p50Ms;
  const p99 = (run: Run): number => run.p99Ms;
  return {
    stage,
    holds: after.holds,
    // Those who waited all the time.
    waiters: Math.min(before.waiters, after.waiters),
    p50Ms: summarize(full.map(p50)),
    p99Ms: summarize(full.map(p99)),
    emptyP50Ms: summarize(reference.map(p50)),
    emptyP99Ms: summarize(reference.map(p99)),
    p50Ratio: ratios(p50),
    p99Ratio: ratios(p99),
    rssMiB: summarize(usage.map((one) => (one?.rssBytes ?? 0) / 2 ** 20)),
  };
}

async function otherLocks({ places, system }: BenchCluster, seconds: number): Promise<Run> {
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, (_, id) => system.connect(places[id % places.length] as Place)),
  );
  const run = await repeat(CLIENTS, seconds, async (id) => clients[id]?.pair(`other-${id}`));
  for (const client of clients) client.close();
  return run;
}

function showStage({ stage, holds, waiters, p50Ms, p99Ms, p50Ratio, p99Ratio, rssMiB }: ScaleStage): void {
  console.log(
    `${stage}: ${holds} holds, ${waiters} waiters; other locks p50 ${p50Ms.median.toFixed(2)} ms ` +
      `(${p50Ratio.median.toFixed(2)} × empty), p99 ${p99Ms.median.toFixed(2)} ms (${p99Ratio.median.toFixed(2)} ×); ` +
      `${show(rssMiB, "MiB a node")}`,
  );
}

async function takeLocks(cluster: BenchCluster, holds: number): Promise<number> {
  const { places } = cluster;
  const begun = performance.now();
  let next = 0;
  const loader = async (_: unknown, id: number): Promise<void> => {
    const { host, clientPort } = cluster.place(id % places.length);
    const connection = await HttpConnection.open(host, clientPort);
    for (let i = next++; i < holds; i = next++) {
      const owner = `owner-${Math.floor(i / LOCKS_OF_AN_OWNER)}`;
      await take(connection, `held-${i}`, owner);
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: LOADERS }, loader));
  return (1_000 * holds) / (performance.now() - begun);
}

async function takeContended(cluster: BenchCluster): Promise<void> {
  const { host, clientPort } = cluster.place(0);
  const connection = await HttpConnection.open(host, clientPort);
  await take(connection, "contended", "first");
  connection.close();
}

async function take(connection: HttpConnection, lock: string, owner: string): Promise<void> {
  const { status, body } = await connection.request("POST", `/lock/${lock}?owner=${owner}&ttl=3600&timeout=0`);
  if (status !== 200) throw new Error(`lock: ${status} ${body}`);
}

function startWaiters(cluster: BenchCluster, waiters: number): Bun.Subprocess[] {
  const share = Math.min(waiters, maxDescriptors() - SPARE_DESCRIPTORS);
  const nodes = cluster.places.map(({ host, clientPort }) => `${host}:${clientPort}`);
  return Array.from({ length: Math.ceil(waiters / share) }, (_, number) => {
    const count = Math.min(share, waiters - number * share);
    const perSecond = (ARRIVALS_PER_SECOND * count) / waiters;
    const settings = ["contended", number, count, perSecond, WAIT_SECONDS, ...nodes].map(String);
    return Bun.spawn([process.execPath, `${import.meta.dir}/waiters.ts`, ...settings], { stdout: "ignore" });
  });
}

async function counts(cluster: BenchCluster): Promise<{ holds: number; waiters: number }> {
  const { host, clientPort } = cluster.place(0);
  // A linearizable read, so that the node has applied what was answered elsewhere.
  await (await fetch(`http://${host}:${clientPort}/lock/contended`)).arrayBuffer();
  const text = await (await fetch(`http://${host}:${clientPort}/metrics`)).text();
  const figure = (name: string): number => Number(new RegExp(`^${name} (\\d+)`, "m").exec(text)?.[1] ?? Number.NaN);
  return { holds: figure("mufakat_locks_held"), waiters: figure("mufakat_lock_waiters") };
}
