import type { Raft } from "../../raft/raft.ts";
import type { Message, ReplicaId } from "../../raft/types.ts";
import type { SimClock } from "../sim-clock.ts";
import { check } from "../violation.ts";
import { ConfirmedRounds } from "./confirmed-rounds.ts";

interface Reign {
  readonly term: number;
  readonly startMs: number;
  readonly startLeaseMs: number;
  readonly jumps: number;
}

/** Whole ms are shown of a value that has fractions. */
const ROUNDING_MS = 2;

/** Lease time never falls, and runs under a leader no faster than real time does (PROTOCOLS T1). */
export class LeaseChecks {
  private readonly reigns: (Reign | undefined)[] = [];
  /** Largest lease time that any leader ever reached. */
  private highestMs = 0;
  /** A reign is noticed at the end of the turn in which it began, or not at all if it ended there: one step is unseen. */
  private readonly slackMs: number;

  private readonly rounds = new ConfirmedRounds();

  constructor(
    private readonly maxStepMs: number,
    private readonly clockSkew: number,
  ) {
    this.slackMs = maxStepMs + ROUNDING_MS;
  }

  /**
   * A lease ran out: not before its time, counted from when its entry was appended. No failure shortens it.
   *
   * @param jumpedMs what jumps of clocks may have taken from it
   */
  ended(lengthMs: number, lastedMs: number, jumpedMs: number): void {
    const leastMs = this.leastMs(lengthMs, jumpedMs);
    check(lastedMs >= leastMs, "T1 no failure shortens a lease", () => {
      return `a lease of ${lengthMs} ms ended after ${lastedMs.toFixed(0)} ms, ${leastMs.toFixed(0)} ms is the least`;
    });
  }

  /** How long a lease of `lengthMs` lasts at least, in real time. */
  leastMs(lengthMs: number, jumpedMs: number): number {
    return (lengthMs - jumpedMs - ROUNDING_MS) / (1 + this.clockSkew);
  }

  stopped(node: ReplicaId): void {
    this.reigns[node] = undefined;
  }

  /** A message leaves a node. */
  sent(message: Message, nowMs: number): void {
    if (message.type === "heartbeat") this.rounds.beat(message.term, message.round, nowMs);
    else if (message.type === "heartbeatReply") this.rounds.answered(message.from, message.term, message.round);
  }

  observe(node: ReplicaId, raft: Raft, clock: SimClock, nowMs: number): void {
    const leaseMs = raft.leaseTime.nowMs;
    const before = this.reigns[node];
    const running = raft.leaseTime.running;
    if (before !== undefined && (before.term === raft.term || !running)) {
      // One that ended in this turn may have heard its successor in it, too.
      this.checkReign(node, before, raft, clock, nowMs, running ? 0 : this.highestMs);
    } else {
      check(!running || raft.established, "T1 lease time runs once the no-op has committed", () => {
        return `node${node} lets it run in term ${raft.term}, of which nothing has committed`;
      });
      check(leaseMs <= this.highestMs + this.slackMs, "T1 lease time runs only under a leader", () => {
        return `node${node} has ${leaseMs} ms in term ${raft.term}, no leader came beyond ${this.highestMs} ms`;
      });
      if (running) this.reigns[node] = reignOf(raft.term, leaseMs, clock, nowMs);
    }
    // What a leader gained in the turn in which it ended was checked above: its followers may have heard it.
    if (leaseMs > this.highestMs && (running || before !== undefined)) this.highestMs = leaseMs;
    if (!running) this.reigns[node] = undefined;
  }

  private checkReign(
    node: ReplicaId,
    reign: Reign,
    { leaseTime, log }: Raft,
    clock: SimClock,
    nowMs: number,
    heardMs: number,
  ): void {
    const leaseMs = leaseTime.nowMs;
    const voters = log.configurations.since(log.commitIndex).map(({ configuration }) => configuration.voters);
    const confirmedMs = Math.max(reign.startMs, this.rounds.confirmedMs(node, reign.term, voters, nowMs) ?? 0);
    const elapsedMs = (confirmedMs - reign.startMs) * (1 + this.clockSkew);
    const jumpedMs = (clock.jumps - reign.jumps) * this.maxStepMs;
    const boundMs = Math.max(heardMs, reign.startLeaseMs + elapsedMs + jumpedMs) + this.slackMs;
    check(leaseMs <= boundMs, "T1 lease time runs no faster than a majority confirms", () => {
      return `node${node}, leader of term ${reign.term}, is at ${leaseMs} ms, ${boundMs.toFixed(0)} ms is the most`;
    });
  }
}

function reignOf(term: number, startLeaseMs: number, clock: SimClock, startMs: number): Reign {
  return { term, startMs, startLeaseMs, jumps: clock.jumps };
}
