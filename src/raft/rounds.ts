import { assert } from "../kernel/assert.ts";

/** A read that waits for leadership to be confirmed; the host's own handle. */
export type ReadId = number;

interface Round {
  readonly round: number;
  readonly sentAtMs: number;
  /** Commit index when the round began: what its reads must see. */
  readonly readIndex: number;
  readonly reads: readonly ReadId[];
}

/**
 * Heartbeat rounds of one leadership (thesis §6.4): a round confirmed by a majority proves that we led when
 * its first message left. A read joins only a round that begins after it arrived (PROTOCOLS R4).
 */
export class Rounds {
  private last = 0;
  private readonly open: Round[] = [];
  private waiting: ReadId[] = [];

  /** Number of the newest round; the leader itself confirms each at once. */
  get lastRound(): number {
    return this.last;
  }

  get openCount(): number {
    return this.open.length;
  }

  get hasWaitingReads(): boolean {
    return this.waiting.length > 0;
  }

  read(id: ReadId): void {
    this.waiting.push(id);
  }

  /** @param withReads false while reads must still wait for the leader's no-op */
  begin(nowMs: number, readIndex: number, withReads: boolean): number {
    this.last++;
    this.open.push({ round: this.last, sentAtMs: nowMs, readIndex, reads: withReads ? this.waiting : [] });
    if (withReads) this.waiting = [];
    return this.last;
  }

  /** Closes the rounds up to `round`, oldest first. */
  confirm(round: number, closed: (sentAtMs: number, readIndex: number, reads: readonly ReadId[]) => void): void {
    assert(round <= this.last, "no follower confirms a round that has not begun");
    let next = this.open[0];
    while (next !== undefined && next.round <= round) {
      closed(next.sentAtMs, next.readIndex, next.reads);
      this.open.shift();
      next = this.open[0];
    }
  }

  /** Every read that has no answer yet, for a leader that steps down. */
  unanswered(): ReadId[] {
    return [...this.open.flatMap((round) => round.reads), ...this.waiting];
  }
}
