import { DurationHistogram } from "./duration-histogram.ts";

/**
 * The parts of a turn. `inbox`: messages of peers and finished flushes. `pump`: ticks, proposals, what the cores want
 * done. `send`: frames to peers. `flush`: the write of the log and its fdatasync. `apply`: the state machine and replies.
 */
export const turnPhases = ["inbox", "pump", "send", "flush", "apply"] as const;
export type TurnPhase = (typeof turnPhases)[number];

/** A turn should be no longer than this, in ms: heartbeats and requests wait meanwhile (PROTOCOLS D10). */
export const TURN_BUDGET_MS = 20;

/** A turn that took too long, for people. Durations in ms. */
export interface LongTurn {
  readonly durationMs: number;
  /** The longest of its phases. */
  readonly phase: TurnPhase;
  readonly phaseMs: number;
  /** What it had to do. */
  readonly messages: number;
  readonly flushedEntries: number;
  readonly appliedEntries: number;
}

const TURN_BOUNDS_MS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 50, 100, 250, 1000];

/** Times every turn and its phases: a look at the clock for each, and no allocation. */
export class TurnWatch {
  readonly durationMs = new DurationHistogram(TURN_BOUNDS_MS);
  /** The longest turn since the start, in ms. */
  longestMs = 0;
  /** Turns over the budget, by their longest phase. */
  readonly overBudget: Record<TurnPhase, number> = { inbox: 0, pump: 0, send: 0, flush: 0, apply: 0 };
  private readonly spentMs: Record<TurnPhase, number> = { inbox: 0, pump: 0, send: 0, flush: 0, apply: 0 };
  private startMs = 0;
  private lapMs = 0;

  constructor(private readonly nowMs: () => number) {}

  begin(nowMs: number): void {
    this.startMs = nowMs;
    this.lapMs = nowMs;
    for (const phase of turnPhases) this.spentMs[phase] = 0;
  }

  /** What was done since the last lap was this. */
  lap(phase: TurnPhase): void {
    const nowMs = this.nowMs();
    this.spentMs[phase] += nowMs - this.lapMs;
    this.lapMs = nowMs;
  }

  /** After the last lap. @returns the turn, if it was over the budget */
  end(): Pick<LongTurn, "durationMs" | "phase" | "phaseMs"> | undefined {
    const durationMs = this.lapMs - this.startMs;
    this.durationMs.observe(durationMs);
    if (durationMs > this.longestMs) this.longestMs = durationMs;
    if (durationMs <= TURN_BUDGET_MS) return undefined;
    let longest: TurnPhase = "inbox";
    for (const phase of turnPhases) if (this.spentMs[phase] > this.spentMs[longest]) longest = phase;
    this.overBudget[longest]++;
    return { durationMs, phase: longest, phaseMs: this.spentMs[longest] };
  }
}
