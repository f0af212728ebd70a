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

  /** Whole ms, so that what is compared in state machines are integers. */
  get nowMs(): number {
    return Math.floor(this.valueMs);
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

  /** The new leader's own no-op has committed. */
  start(localMs: number): void {
    this.countedToMs = localMs;
  }

  stop(): void {
    this.countedToMs = undefined;
  }

  /** A majority confirmed a round whose heartbeats left at `sentAtMs`. */
  confirmed(sentAtMs: number): void {
    if (this.countedToMs === undefined || sentAtMs <= this.countedToMs) return;
    this.valueMs += Math.min(sentAtMs - this.countedToMs, this.maxStepMs);
    this.countedToMs = sentAtMs;
  }
}
