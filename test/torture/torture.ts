import { copyFileSync, cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Prng } from "../../src/kernel/prng.ts";
import { version } from "../../src/server/version.ts";
import { NamespaceNetwork } from "../support/namespace-network.ts";
import { NodeChoice } from "../support/node-choice.ts";
import { type Program, ProcessCluster } from "../support/process-cluster.ts";
import type { Violation } from "./checks/violation.ts";
import { type Surroundings, TortureClient } from "./client.ts";
import { Clocks, MAX_DRIFT } from "./clocks.ts";
import { Counters } from "./counters.ts";
import { Disks } from "./disks.ts";
import { clockFaults, type FaultKind, lanes, memberFaults, planFaults } from "./faults.ts";
import { figuresOf } from "./figures.ts";
import {
  type EndRecord,
  type ExitRecord,
  History,
  HISTORY_FORMAT,
  type HistoryRecord,
  type RecoveryRecord,
  type RunRecord,
} from "./history.ts";
import { Members } from "./members.ts";
import { heal, Nemesis } from "./nemesis.ts";
import { Observer } from "./observer.ts";
import { Recovery } from "./recovery.ts";
import { keptFolder, runFolder } from "./run-folders.ts";
import { verdictOn } from "./verdict.ts";
import { drawKind } from "./workload/kinds.ts";
import { residue } from "./workload/names.ts";
import { Sentinels } from "./workload/sentinels.ts";

export interface TortureOptions {
  readonly minutes: number;
  readonly nodes: number;
  readonly clients: number;
  readonly seed: number;
  readonly faults: readonly FaultKind[];
  readonly network: "proxy" | "namespaces";
  readonly program: Program;
  /** Modules that are loaded before the program of each node. */
  readonly preloads?: readonly string[];
  /** Where the history stays; without it only one with a violation does, in a folder of its own. */
  readonly keep: string | undefined;
  /** Told of everything that happens, a line at a time. */
  readonly log: (line: string) => void;
  /** Ends the run at once, without a verdict. */
  readonly signal?: AbortSignal;
}

export interface TortureReport {
  readonly records: readonly HistoryRecord[];
  readonly violations: readonly Violation[];
  /** Where the history is; undefined when it was not kept. */
  readonly keptAt: string | undefined;
}

/** As many as a cluster grows to, where it may. */
const MOST_MEMBERS = 5;
/** Rounds of one client are apart by so much at most: the nodes remember keys for ten minutes, and not too many. */
const THINK_MS = 60;
const CLIENTS_END_MS = 90_000;

/**
 * Runs a cluster of real processes, clients and faults, demands recovery, and judges the history.
 *
 * @throws when the cluster cannot be started, or the signal came
 */
export async function torture(options: TortureOptions): Promise<TortureReport> {
  const folder = runFolder();
  if (options.keep !== undefined) mkdirSync(options.keep, { recursive: true });
  const history = new History(join(options.keep ?? folder, "history.jsonl"));
  try {
    const run = new Run(options, history, join(folder, "nodes"));
    await using cluster = await run.start();
    // Gone before the folder that they are in.
    using _disks = await run.mountDisks(cluster);
    await Promise.race([run.go(cluster), aborted(options.signal)]);
    const { records } = history;
    const violations = verdictOn(records);
    const keptAt = options.keep ?? (violations.length > 0 ? keptFolder(options.seed) : undefined);
    if (keptAt !== undefined) writeFileSync(join(keptAt, "summary.json"), summaryJson(records, violations));
    if (keptAt !== undefined && violations.length > 0) await keep(cluster, history, keptAt);
    return { records, violations, keptAt };
  } finally {
    await history.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

class Run {
  private namespaces: NamespaceNetwork | undefined;
  private disks: Disks | undefined;
  private readonly clocks: Clocks | undefined;
  private readonly prng: Prng;

  constructor(
    private readonly options: TortureOptions,
    private readonly history: History,
    private readonly directory: string,
  ) {
    this.prng = new Prng(options.seed);
    if (clockFaults.some((kind) => options.faults.includes(kind))) this.clocks = new Clocks(directory);
  }

  start(): Promise<ProcessCluster> {
    const { options, history, directory } = this;
    const grows = memberFaults.some((kind) => options.faults.includes(kind));
    const size = grows ? Math.max(options.nodes, MOST_MEMBERS) : options.nodes;
    history.add<RunRecord>({
      ...{ type: "run", format: HISTORY_FORMAT, seed: options.seed, clients: options.clients, faults: options.faults },
      nodes: Array.from({ length: options.nodes }, (_, i) => `node${i + 1}`),
      ...{ network: options.network, program: options.program.join(" "), version },
      started_at: new Date().toISOString(),
      ...(this.clocks !== undefined && { max_drift: MAX_DRIFT }),
    });
    const onOwnExit = (node: string, code: number | null, said: string) => {
      this.log(`${node} ended by itself with code ${code}: ${said}`);
      history.add<ExitRecord>({ type: "exit", node, code, said, at_us: history.nowUs() });
    };
    const { program } = options;
    return ProcessCluster.start({
      ...(this.fillsDisks && { startOnly: [] }),
      ...{ size, founders: options.nodes, program, directory, onOwnExit, proxied: options.network === "proxy" },
      environment: (id) => this.environment(id),
      ...(options.network === "namespaces" && {
        network: (nodes) => (this.namespaces = new NamespaceNetwork(nodes)),
      }),
    });
  }

  private environment(id: string): Record<string, string> {
    const preloads = [...(this.clocks === undefined ? [] : [Clocks.preload]), ...(this.options.preloads ?? [])];
    if (preloads.length === 0) return {};
    const flags = preloads.map((path) => `--preload ${path}`).join(" ");
    return { BUN_OPTIONS: flags, ...this.clocks?.environment(id) };
  }

  /** Starts the nodes, too, where they must not run before. */
  async mountDisks(cluster: ProcessCluster): Promise<Disks | undefined> {
    if (!this.fillsDisks) return undefined;
    const disks = (this.disks = new Disks(cluster));
    try {
      for (const id of cluster.ids.slice(0, this.options.nodes)) cluster.startNode(id);
      await cluster.leader();
      return disks;
    } catch (error) {
      disks[Symbol.dispose]();
      throw error;
    }
  }

  private get fillsDisks(): boolean {
    return this.options.faults.includes("disk-full");
  }

  async go(cluster: ProcessCluster): Promise<void> {
    const { history, options } = this;
    const members = new Members(cluster, cluster.ids.slice(0, options.nodes), (line) => this.log(line));
    const surroundings: Surroundings = { history, nodes: new NodeChoice(members.known), stopping: false };
    const client = (name: string) => new TortureClient(name, new Prng(this.prng.uint32()), surroundings);
    const observer = new Observer(cluster, history);
    const counters = new Counters(cluster, history);
    const sentinels = await Sentinels.take(client("sentinel"));
    const clients = Array.from({ length: options.clients }, (_, i) => client(`c${i + 1}`));
    const working = Promise.all(clients.map(work));
    await this.strike(cluster, members, observer);
    const healedUs = history.nowUs();

    const recovery = new Recovery(cluster, members, history);
    await recovery.everyNodeServes(client("recovery"));
    surroundings.stopping = true;
    await this.ended(working);
    await Promise.all(clients.map(leaveHold));
    await recovery.nothingIsLeft();
    await recovery.compareReplicas();
    await sentinels.end();
    await recovery.everyNodeShows(client("last"));
    await observer.stop();
    await counters.end();
    history.add<EndRecord>({ type: "end", healed_us: healedUs, at_us: history.nowUs() });
  }

  /** Faults of both kinds at the same time, until the time is up; then there are none any more. */
  private async strike(cluster: ProcessCluster, members: Members, observer: Observer): Promise<void> {
    const { namespaces, disks, clocks, history, options } = this;
    const tools = {
      cluster,
      members,
      history,
      observer,
      namespaces,
      disks,
      clocks,
      onFault: (what: string) => this.log(what),
    };
    const striking = lanes.map((lane) => {
      const kinds = lane.filter((kind) => options.faults.includes(kind));
      const nemesis = new Nemesis(tools, kinds.length);
      setTimeout(() => nemesis.stop(), options.minutes * 60_000);
      return nemesis.run(planFaults(kinds, new Prng(this.prng.uint32())));
    });
    await Promise.all([...striking, Bun.sleep(options.minutes * 60_000)]);
    heal(cluster, members);
    this.log("healed: from here on everything must work");
  }

  private async ended(working: Promise<unknown>): Promise<void> {
    const from_us = this.history.nowUs();
    const late = Bun.sleep(CLIENTS_END_MS).then(() => "late");
    if ((await Promise.race([working, late])) !== "late") return;
    const what = "every client gets a definite answer";
    this.history.add<RecoveryRecord>({ type: "recovery", what, done: false, from_us, to_us: this.history.nowUs() });
  }

  private log(what: string): void {
    this.options.log(`${(this.history.nowUs() / 1e6).toFixed(1).padStart(7)} s  ${what}`);
  }
}

async function work(client: TortureClient): Promise<void> {
  while (!client.stopping) {
    await drawKind(client.prng).round(client);
    await client.think(THINK_MS);
  }
}

/** Something for the replicas to agree on. */
async function leaveHold(client: TortureClient): Promise<void> {
  const owner = client.fresh();
  const lock_type = client.prng.chance(0.5) ? "shared" : "exclusive";
  await client.settle("locks.acquire", { lock_name: `residue-${client.name}`, owner, lock_type, ttl: 3_600 });
  await client.settle("semaphores.acquire", { ...residue, owner, permits: 1 + client.prng.int(5), ttl: 3_600 });
}

function summaryJson(records: readonly HistoryRecord[], violations: readonly Violation[]): string {
  return `${JSON.stringify(figuresOf(records, violations), undefined, 2)}\n`;
}

/** Never resolves; rejects when the signal comes. */
function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const interrupt = () => reject(new Error("interrupted"));
    if (signal?.aborted === true) interrupt();
    signal?.addEventListener("abort", interrupt, { once: true });
  });
}

/** A search for the cause begins with the history, what the nodes said, and their logs. */
async function keep(cluster: ProcessCluster, history: History, folder: string): Promise<void> {
  await history.close();
  const kept = join(folder, "history.jsonl");
  if (history.path !== kept) copyFileSync(history.path, kept);
  for (const { id, output, dataDirectory } of cluster.nodes) {
    await cluster.kill(id);
    mkdirSync(join(folder, id), { recursive: true });
    writeFileSync(join(folder, id, "output.txt"), output);
    // One that has left has none.
    if (existsSync(dataDirectory)) cpSync(dataDirectory, join(folder, id, "data"), { recursive: true });
  }
}
