const FIRST_MS = 250;
const LARGEST_MS = 10_000;
/** A child that ran this long was well: the next restart begins anew. */
const HEALTHY_MS = 30_000;

/** How long to wait before a child is started again: doubling, with a bound. */
export class BackOff {
  private nextMs = FIRST_MS;

  /** @param ranMs how long the child lived */
  delayMs(ranMs: number): number {
    if (ranMs >= HEALTHY_MS) this.nextMs = FIRST_MS;
    const delay = this.nextMs;
    this.nextMs = Math.min(this.nextMs * 2, LARGEST_MS);
    return delay;
  }
}
