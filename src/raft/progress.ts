import type { SnapshotSender } from "./snapshot-sender.ts";

/** What others may see of it. */
export type FollowerView = Readonly<Pick<Progress, "matchIndex" | "repairing">>;

/**
 * What the leader knows of one follower. Raft §5.3; states after etcd's `tracker`: *probe* sends one
 * append and waits for its answer, *replicate* sends ahead within a window, *snapshot* sends no entries: those that the
 * follower lacks are forgotten, and it gets the state that they led to.
 */
export class Progress {
  /** Highest index known to be in the follower's log. Falls within a term only when the follower says that it lost entries. */
  matchIndex = 0;
  /** It has lost entries, and what it acknowledges counts for no commit (PROTOCOLS D7). */
  repairing = false;
  /** Next index to send. Invariant: matchIndex < nextIndex. In probe the logs may agree up to here, but not further. */
  nextIndex: number;
  state: "probe" | "replicate" | "snapshot" = "probe";
  /** Invariant: defined in the state "snapshot" alone. */
  sender: SnapshotSender | undefined;
  /** In probe: an append is on its way and nothing more is sent until it is answered or given up. */
  probeSent = false;
  /** Its disk has no room for entries. */
  held = false;
  /** Highest commit index that the follower has been told. */
  sentCommitIndex = 0;
  /** Highest heartbeat round that the follower has confirmed in this term. */
  confirmedRound = 0;
  /** Heard since the last quorum check. */
  active = true;
  /** While something is unanswered: local time since which the follower is silent about appends, in ms. */
  private waitingSinceMs = 0;

  /** Last index and bytes of each append that is not answered, oldest first. */
  private inflight: { readonly lastIndex: number; readonly bytes: number }[] = [];
  private inflightBytes = 0;

  constructor(nextIndex: number) {
    this.nextIndex = nextIndex;
  }

  /** Appends have gone out and for so long none was answered, in ms; 0 when nothing is on its way. */
  silentForMs(nowMs: number): number {
    return this.unanswered ? nowMs - this.waitingSinceMs : 0;
  }

  canSend(maxAppends: number, maxBytes: number): boolean {
    if (this.state === "probe") return !this.probeSent;
    if (this.state === "snapshot") return false;
    return this.inflight.length < maxAppends && this.inflightBytes < maxBytes;
  }

  sent(lastIndex: number, bytes: number, nowMs: number): void {
    this.sending(nowMs);
    if (this.state === "probe") {
      this.probeSent = true;
      return;
    }
    this.nextIndex = lastIndex + 1;
    this.inflight.push({ lastIndex, bytes });
    this.inflightBytes += bytes;
  }

  /** Something leaves that is to be answered. Counted from here: what goes out after a long rest is not silence yet. */
  sending(nowMs: number): void {
    if (!this.unanswered) this.waitingSinceMs = nowMs;
  }

  /** Sends the snapshot instead of entries that are forgotten. */
  install(sender: SnapshotSender): void {
    this.reset();
    this.state = "snapshot";
    this.sender = sender;
  }

  /** The follower answered an append, whatever it said. */
  answered(nowMs: number, repairing: boolean): void {
    this.active = true;
    this.repairing = repairing;
    this.waitingSinceMs = nowMs;
  }

  /** @param compactedIndex up to where the leader's log is forgotten: who holds no more still needs the snapshot */
  acknowledged(index: number, compactedIndex: number): void {
    this.matchIndex = Math.max(this.matchIndex, index);
    if (this.state === "snapshot" && this.matchIndex < compactedIndex) return;
    if (this.state !== "replicate") {
      this.state = "replicate";
      this.sender = undefined;
      this.probeSent = false;
      this.nextIndex = this.matchIndex + 1;
    }
    if (this.nextIndex <= this.matchIndex) this.nextIndex = this.matchIndex + 1;
    let answered = 0;
    while ((this.inflight[answered]?.lastIndex ?? Infinity) <= index) {
      this.inflightBytes -= this.inflight[answered]?.bytes ?? 0;
      answered++;
    }
    if (answered > 0) this.inflight = this.inflight.slice(answered);
  }

  /**
   * The follower refused an append after `prevIndex`; its log may agree with ours up to `agreedIndex`.
   *
   * @returns false for an answer to something sent long ago
   */
  refused(prevIndex: number, agreedIndex: number): boolean {
    // ↯ It acknowledged all up to here in this very term, and lost it since: taken for an old answer, it gets nothing more.
    if (this.repairing && prevIndex <= this.matchIndex) this.forgetMatch(prevIndex);
    if (prevIndex <= this.matchIndex || this.state === "snapshot") return false;
    if (this.state === "probe" && prevIndex !== this.nextIndex - 1) return false;
    this.probe();
    this.nextIndex = Math.max(this.matchIndex + 1, Math.min(prevIndex, agreedIndex + 1));
    return true;
  }

  /**
   * What was sent may be lost, and with it what it said of commits: start again from what is known. A probe goes on where
   * it was. ↯ The connection of a follower that has answered no append yet breaks; asked from the first index on, which is
   * long forgotten, it would get a whole snapshot for nothing.
   */
  probe(): void {
    if (this.state === "replicate") {
      this.state = "probe";
      this.nextIndex = this.matchIndex + 1;
    }
    this.sender?.askAgain();
    this.reset();
  }

  /** An answer of another kind shows that the way is free: a probe or a question that got none in the meantime was lost. */
  repeatProbe(): void {
    this.probeSent = false;
    this.sender?.repeatQuestion();
  }

  /** Whatever was acknowledged was counted, and is safe: whoever lost it votes by it (see `Ballot`). */
  private forgetMatch(prevIndex: number): void {
    this.matchIndex = 0;
    if (this.state === "snapshot") return;
    this.probe();
    this.nextIndex = prevIndex + 1;
  }

  private reset(): void {
    this.probeSent = false;
    this.sentCommitIndex = 0;
    this.inflight = [];
    this.inflightBytes = 0;
  }

  private get unanswered(): boolean {
    return this.probeSent || this.inflight.length > 0 || this.sender?.unanswered === true;
  }
}
