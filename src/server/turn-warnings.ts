import type { LongTurn } from "../engine/turn-watch.ts";
import type { Logger } from "./running-node.ts";

/** One warning at most in so long: a disk that is slow is slow for every turn. */
const PAUSE_MS = 10_000;

/** Says in the log that turns take too long (PROTOCOLS D10), and how many were left unsaid. */
export class TurnWarnings {
  private warnedMs = Number.NEGATIVE_INFINITY;
  private unsaid = 0;

  constructor(
    private readonly log: Logger,
    private readonly nowMs: () => number,
  ) {}

  warn(turn: LongTurn): void {
    const nowMs = this.nowMs();
    if (nowMs - this.warnedMs < PAUSE_MS) {
      this.unsaid++;
      return;
    }
    const { durationMs, phase, phaseMs, messages, flushedEntries, appliedEntries } = turn;
    const ms = { durationMs: Math.round(durationMs), phase, phaseMs: Math.round(phaseMs) };
    const sizes = { messages, flushedEntries, appliedEntries };
    this.log.warn(
      { ...ms, ...sizes, ...(this.unsaid > 0 && { unsaid: this.unsaid }) },
      "a turn of the loop took too long",
    );
    this.warnedMs = nowMs;
    this.unsaid = 0;
  }
}
