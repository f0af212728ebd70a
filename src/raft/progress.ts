/**
 * What the leader knows of one follower. Raft §5.3; states after etcd's `tracker`: *probe* sends one
 * append and waits for its answer, *replicate* sends ahead within a window.
 */
export class Progress {
  /** Highest index known to be in the follower's log. Never falls within a term. */
  matchIndex = 0;
  /** Next index to send. Invariant: matchIndex < nextIndex. */
  nextIndex: number;
  state: "probe" | "replicate" = "probe";
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
    return this.inflight.length < maxAppends && this.inflightBytes < maxBytes;
  }

  sent(lastIndex: number, bytes: number, nowMs: number): void {
    // Counted from here: what goes out after a long rest is not silence yet.
    if (!this.unanswered) this.waitingSinceMs = nowMs;
    if (this.state === "probe") {
      this.probeSent = true;
      return;
    }
    this.nextIndex = lastIndex + 1;
    this.inflight.push({ lastIndex, bytes });
    this.inflightBytes += bytes;
  }

  /** The follower answered an append, whatever it said. */
  answered(nowMs: number): void {
    this.active = true;
    this.waitingSinceMs = nowMs;
  }

  /** @returns whether the follower is now known to hold more than before */
  acknowledged(index: number): boolean {
    const advanced = index > this.matchIndex;
    if (advanced) this.matchIndex = index;
    if (this.state === "probe") {
      this.state = "replicate";
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
    return advanced;
  }

  /**
   * The follower refused an append after `prevIndex`; its log may agree with ours up to `agreedIndex`.
   *
   * @returns false for an answer to something sent long ago
   */
  refused(prevIndex: number, agreedIndex: number): boolean {
    if (prevIndex <= this.matchIndex) return false;
    if (this.state === "probe" && prevIndex !== this.nextIndex - 1) return false;
    this.probe();
    this.nextIndex = Math.max(this.matchIndex + 1, Math.min(prevIndex, agreedIndex + 1));
    return true;
  }

  /** Appends may have been lost, and with them what they said of commits: start again from what is known. */
  probe(): void {
    this.state = "probe";
    this.probeSent = false;
    this.sentCommitIndex = 0;
    this.nextIndex = this.matchIndex + 1;
    this.inflight = [];
    this.inflightBytes = 0;
  }

  private get unanswered(): boolean {
    return this.probeSent || this.inflight.length > 0;
  }
}
