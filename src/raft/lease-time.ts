/**
 * Lease time of one group (PROTOCOLS T1): it runs only while a leader proves, round by round, that a majority
 * still follows it. So a pause, a partition or a restart stops it, and a lease can only be lengthened by them.
 */
export class LeaseTime {
  private valueMs: number;
  /** The term of the leader whose time `valueMs` is. */
  private term: number;
  /** Local time up to which the running leader has counted; undefined: not running here. */
  private countedToMs: number | undefined;
  /** Latest local time that we were told of. */
  private localMs = 0;
  /** The running leader's newest stamp, and the local time at which it was made. */
  private stampMs: number | undefined;
  private stampedAtMs = 0;

  /**
   * @param initialMs of the last entry in the log, and its term
   * @param maxStepMs the most that one confirmed round adds: two heartbeat intervals
   */
  constructor(
    initialMs: number,
    term: number,
    private readonly maxStepMs: number,
  ) {
    this.valueMs = initialMs;
    this.term = term;
  }

  /**
   * The leader can append no keepalive for want of room: lease time stands still, or every session would be over as
   * soon as there is room again (PROTOCOLS R9, T1).
   */
  halted = false;

  /** Whole ms, so that what is compared in state machines are integers. */
  get nowMs(): number {
    return Math.floor(this.valueMs);
  }

  /** The term of the leader whose time it is. */
  get of(): number {
    return this.term;
  }

  get running(): boolean {
    return this.countedToMs !== undefined;
  }

  /** A value from the leader of `term`. */
  heard(leaseTimeMs: number, term: number): void {
    if (term > this.term || leaseTimeMs > this.valueMs) this.valueMs = leaseTimeMs;
    this.term = term;
  }

  /**
   * A leader begins with what its log says, or the leader who wrote its last entry said later. What another leader said
   * is void (and not, as PROTOCOLS T1 reads, the largest ever heard): ↯ A reaches 100 s and B hears it; C did not, is
   * elected, resumes at 96 s and grants a lease until 97 s; C dies, B resumes at 100 s, and the lease is over.
   */
  resume(term: number, last: { readonly term: number; readonly leaseTimeMs: number }): void {
    if (this.term !== last.term || this.valueMs < last.leaseTimeMs) this.valueMs = last.leaseTimeMs;
    this.term = term;
  }

  /** Local time is at least this. */
  observe(localMs: number): void {
    if (localMs > this.localMs) this.localMs = localMs;
  }

  /** The new leader's own no-op has committed. */
  start(): void {
    this.countedToMs = this.localMs;
    this.stampMs = undefined;
  }

  stop(): void {
    this.countedToMs = undefined;
    this.stampMs = undefined;
  }

  /** A majority confirmed a round whose heartbeats left at `sentAtMs`. */
  confirmed(sentAtMs: number): void {
    if (this.countedToMs === undefined || sentAtMs <= this.countedToMs) return;
    if (!this.halted) {
      const nextMs = this.valueMs + Math.min(sentAtMs - this.countedToMs, this.maxStepMs);
      this.valueMs = Math.min(nextMs, this.mostAt(sentAtMs));
    }
    this.countedToMs = sentAtMs;
  }

  /**
   * What an entry carries that is appended now. Never falls.
   *
   * Leases are counted from it, so it must not lag behind as {@link nowMs} does, by the rounds that are still open: a
   * lease of 100 ms stamped with the value of 60 ms ago would be over after 40 ms. From a stamp on, lease time runs no
   * faster than local time. The entry's own commitment is the majority's confirmation.
   */
  stamp(): number {
    if (this.countedToMs === undefined) return this.nowMs;
    const sinceMs = this.halted ? 0 : this.localMs - this.countedToMs;
    const aheadMs = Math.min(Math.max(0, sinceMs), this.maxStepMs);
    const valueMs = Math.ceil(Math.min(this.valueMs + aheadMs, this.mostAt(this.localMs)));
    this.stampMs = Math.max(valueMs, this.stampMs ?? 0);
    this.stampedAtMs = this.localMs;
    return this.stampMs;
  }

  /** Where lease time is at most at a local time, since it runs no faster than that from the newest stamp on. */
  private mostAt(localMs: number): number {
    if (this.stampMs === undefined) return Number.POSITIVE_INFINITY;
    return this.stampMs + Math.max(0, localMs - this.stampedAtMs);
  }
}
