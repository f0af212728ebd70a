import type { Administrator } from "./administrator.ts";
import type { SimHistory } from "./client-records.ts";
import type { SimHooks } from "./hooks.ts";
import type { FaultKind } from "./profile.ts";
import type { SimNode } from "./sim-node.ts";
import { relevantEvents } from "./relevant-events.ts";
import { Simulation } from "./simulation.ts";
import { lineText } from "./trace.ts";
import { Violation } from "./violation.ts";

export interface SimOptions {
  readonly seed: number;
  /** Undefined: three or five, by the seed. */
  readonly nodes?: number | undefined;
  /** Events until everything is mended. */
  readonly events?: number | undefined;
  /** The cluster has a shard of queues beside its control group, and those who use it. */
  readonly queues?: boolean | undefined;
}

/** What happened in a run, for people and for sums over runs. */
export interface SimFigures {
  readonly nodes: number;
  readonly virtualMs: number;
  readonly events: number;
  readonly elections: number;
  readonly entries: number;
  readonly frames: number;
  readonly grants: number;
  readonly reads: number;
  readonly acknowledged: number;
  /** Published, how often they were delivered, and how many were acked, where there are queues. */
  readonly messages: { readonly published: number; readonly delivered: number; readonly acked: number };
  /** Locks, semaphores, sessions and fences whose history took too long to judge. */
  readonly undecided: number;
  readonly states: number;
  /** Nodes that crashed, for whatever reason: by their process, or the power. */
  readonly crashes: SimNode["crashes"];
  readonly configurationChanges: number;
  readonly handovers: number;
  /** Snapshots that nodes made, and those of leaders that they put in force; what came to nothing of both. */
  readonly snapshots: SimNode["snapshots"];
  /** Logs that were damaged and began anew. */
  readonly repairs: number;
  /** Nodes that had lost their votes, were refused, and were replaced. */
  readonly amnesiacs: number;
  /** Reads that came from elsewhere on a disk. */
  readonly misreads: number;
  /** Nodes that joined and left, and those whose disk was lost and that were replaced. */
  readonly changes: Readonly<Administrator["counts"]>;
  /** Comparisons of states by the nodes that run at the end. */
  readonly stateChecks: number;
  readonly faults: Readonly<Record<FaultKind, number>>;
  /** How requests ended. */
  readonly ends: ReadonlyMap<string, number>;
}

export interface SimResult {
  readonly options: SimOptions;
  /** Equal for two runs of the same options. */
  readonly fingerprint: string;
  readonly figures: SimFigures;
  readonly failure: SimFailure | undefined;
  readonly history: SimHistory;
  /** Digests of the states that replicas compared. */
  readonly states: readonly string[];
}

export interface SimFailure {
  /** The rule that was broken, or what kind of error ended a node. */
  readonly rule: string;
  readonly message: string;
  readonly stack: string;
  /** What happened that has to do with it, oldest first. */
  readonly events: readonly string[];
  /** The last things that happened, whatever they were. */
  readonly trace: readonly string[];
  /** The arguments of `sim` that replay the run. */
  readonly replay: string;
}

/** Of the trace that a failure has. */
const TRACE_LINES = 400;
const DEFAULT_EVENTS = 5_000;

export function runSeed(options: SimOptions, hooks?: SimHooks): SimResult {
  const simulation = new Simulation(options.seed, options.nodes, hooks, options.queues);
  let failure: SimFailure | undefined;
  try {
    simulation.run(options.events ?? DEFAULT_EVENTS);
  } catch (error) {
    failure = describe(error, options, simulation);
  }
  const { fingerprint, history } = simulation;
  const { checks, shardChecks } = simulation;
  const states = [...checks.applied.states, ...(shardChecks?.applied.states ?? [])];
  return { options, fingerprint, figures: figures(simulation), failure, history, states };
}

function describe(error: unknown, options: SimOptions, simulation: Simulation): SimFailure {
  const { message, stack, name } = error instanceof Error ? error : new Error(String(error));
  const flags = [`--seed ${options.seed}`];
  if (options.nodes !== undefined) flags.push(`--nodes ${options.nodes}`);
  if (options.events !== undefined) flags.push(`--events ${options.events}`);
  if (options.queues === true) flags.push("--queues");
  const lines = simulation.trace.all();
  return {
    rule: error instanceof Violation ? error.rule : `a node stops: ${name}`,
    message,
    stack: stack ?? "",
    events: relevantEvents(lines, message).map(lineText),
    trace: lines.slice(-TRACE_LINES).map(lineText),
    replay: flags.join(" "),
  };
}

function figures(simulation: Simulation): SimFigures {
  const { nodes, replicas, checks, nemesis, network, workload, judge, shardJudge, scheduler, profile } = simulation;
  return {
    nodes: profile.nodes,
    virtualMs: scheduler.nowMs,
    events: simulation.events,
    elections: checks.raft.elections,
    entries: checks.applied.lastIndex,
    frames: network.framesSent,
    grants: judge.grants,
    reads: checks.clients.reads,
    acknowledged: checks.clients.acknowledged,
    messages: { published: shardJudge.published, delivered: shardJudge.deliveries, acked: shardJudge.acked },
    undecided: simulation.undecided,
    states: new Set(checks.applied.states).size,
    crashes: sumOf([...replicas.values()].map(({ crashes }) => crashes)),
    configurationChanges: checks.applied.configurationChanges,
    handovers: nemesis.handovers,
    snapshots: sumOf([...replicas.values()].map(({ snapshots }) => snapshots)),
    repairs: [...replicas.values()].reduce((sum, node) => sum + node.repairs, 0),
    amnesiacs: [...replicas.values()].filter(({ amnesiac }) => amnesiac).length,
    misreads: [...replicas.values()].reduce((sum, node) => sum + node.misreads, 0),
    changes: simulation.administrator.counts,
    stateChecks: nodes.reduce((sum, { process }) => sum + (process?.host.stateChecks.checks ?? 0), 0),
    faults: nemesis.counts,
    ends: workload.ends,
  };
}

function sumOf<Name extends string>(all: readonly Readonly<Record<Name, number>>[]): Record<Name, number> {
  const sum = {} as Record<Name, number>;
  for (const each of all) for (const name of Object.keys(each) as Name[]) sum[name] = (sum[name] ?? 0) + each[name];
  return sum;
}
