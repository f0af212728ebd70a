/** Durations in ms, counted into buckets: one comparison loop, no allocation. */
export class DurationHistogram {
  readonly buckets: number[];
  count = 0;
  sum = 0;

  /** @param bounds ascending, in ms */
  constructor(readonly bounds: readonly number[]) {
    this.buckets = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(valueMs: number): void {
    let bucket = 0;
    while (bucket < this.bounds.length && valueMs > (this.bounds[bucket] ?? 0)) bucket++;
    this.buckets[bucket] = (this.buckets[bucket] ?? 0) + 1;
    this.count++;
    this.sum += valueMs;
  }
}
