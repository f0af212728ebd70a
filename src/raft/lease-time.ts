/**
 * Lease time of one group (PROTOCOLS T1): it runs only while a leader proves, round by round, that a majority
 * still follows it. So a pause, a partition or a restart stops it, and a lease can only be lengthened by them.
 */
export class LeaseTime {
  private valueMs: number;
  /** Local time up to which the running leader has counted; undefined: not running here. */
  private countedToMs: number | undefined;

  /** @param maxStepMs the most that one confirmed round adds: two heartbeat intervals */
  constructor(
    initialMs: number,
    private readonly maxStepMs: number,
  ) {
    this.valueMs = initialMs;
  }

  /** Whole ms, so that what is compared in state machines are integers. */
  get nowMs(): number {
    return Math.floor(this.valueMs);
  }

  get running(): boolean {
    return this.countedToMs !== undefined;
  }

  /** A value from a leader or from the log. Ignored while we lead: then ours is the largest. */
  heard(leaseTimeMs: number): void {
    if (!this.running && leaseTimeMs > this.valueMs) this.valueMs = leaseTimeMs;
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
