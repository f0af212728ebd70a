import type { SnapshotLimits } from "./options.ts";
import type { Snapshot } from "./types.ts";

/** A follower that was silent for so many election time-outs holds back neither the log nor an old snapshot. */
const PATIENCE = 10;
/** After its n-th refusal in a row a follower is left alone for 2ⁿ election time-outs, with n at most this. */
const MAX_BACK_OFF = 5;

/**
 * One snapshot on its way to one follower, as the leader sees it: it *asks* what the follower has, and then *sends* ahead
 * within a window, as `probe` and `replicate` do with entries. Whatever goes wrong on the way ends in asking again.
 */
export class SnapshotSender {
  private phase: "asking" | "sending" = "asking";
  /** The question is on its way. */
  private asked = false;
  /** Bytes that the follower holds durably. */
  private heldBytes = 0;
  /** Invariant: heldBytes ≤ sentBytes ≤ snapshot.totalBytes, and no further ahead than the window. */
  private sentBytes = 0;
  private lastReplyMs = Number.NEGATIVE_INFINITY;
  private refusals = 0;
  private notBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(
    readonly snapshot: Snapshot,
    private readonly limits: SnapshotLimits,
    private readonly electionTimeoutMs: number,
  ) {}

  /** Something should come back: an answer, or the word that the snapshot is installed. */
  get unanswered(): boolean {
    if (this.phase === "asking") return this.asked;
    return this.heldBytes < this.sentBytes || this.heldBytes === this.snapshot.totalBytes;
  }

  /** The follower takes it, or did a moment ago. */
  isAlive(nowMs: number): boolean {
    return nowMs - this.lastReplyMs < PATIENCE * this.electionTimeoutMs;
  }

  /** What may leave now; then it counts as sent. No bytes: a question. */
  next(nowMs: number): { readonly offset: number; readonly bytes: number } | undefined {
    if (this.phase === "asking") {
      if (this.asked || nowMs < this.notBeforeMs) return undefined;
      this.asked = true;
      return { offset: this.heldBytes, bytes: 0 };
    }
    const offset = this.sentBytes;
    const bytes = Math.min(this.limits.maxSnapshotChunkBytes, this.snapshot.totalBytes - offset);
    if (bytes === 0 || offset + bytes - this.heldBytes > this.limits.maxSnapshotWindowBytes) return undefined;
    this.sentBytes += bytes;
    return { offset, bytes };
  }

  /** The follower said how much it has. Only to a question is less than before the truth: it has started over. */
  received(offset: number, nowMs: number): void {
    if (offset > this.snapshot.totalBytes) return;
    this.lastReplyMs = nowMs;
    if (this.phase === "asking") {
      this.phase = "sending";
      this.heldBytes = offset;
      this.sentBytes = offset;
    } else if (offset > this.heldBytes) {
      this.heldBytes = offset;
      this.sentBytes = Math.max(this.sentBytes, offset);
    }
  }

  /** Not now: for want of room, or because what it got was not what it should be. */
  refused(nowMs: number): void {
    this.lastReplyMs = nowMs;
    // Of several pieces each was refused: that counts once.
    if (nowMs < this.notBeforeMs) return;
    this.askAgain();
    this.notBeforeMs = nowMs + 2 ** Math.min(this.refusals, MAX_BACK_OFF) * this.electionTimeoutMs;
    this.refusals++;
  }

  /** What was on its way may be lost. */
  askAgain(): void {
    this.phase = "asking";
    this.asked = false;
    this.sentBytes = this.heldBytes;
  }

  /** The way is free again: a question that got no answer was lost. */
  repeatQuestion(): void {
    if (this.phase === "asking") this.asked = false;
  }
}
