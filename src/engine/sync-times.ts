import { limits } from "../kernel/limits.ts";

/** With fewer, a median says nothing. */
const LEAST_SAMPLES = 16;

/** How long the last syncs of this node's log took, as the edge that does them measured it. */
export class SyncTimes {
  private readonly samplesUs: number[] = [];
  private next = 0;
  private median = 0;
  /** Samples since the median was taken. */
  private fresh = 0;

  /** @param durationMs of one fdatasync */
  observe(durationMs: number): void {
    this.samplesUs[this.next] = Math.round(durationMs * 1000);
    this.next = (this.next + 1) % limits.maxSyncSamples;
    this.fresh++;
  }

  /** In µs, of the last {@link limits.maxSyncSamples}; 0: too few yet. */
  get medianUs(): number {
    if (this.fresh > 0 && this.samplesUs.length >= LEAST_SAMPLES) {
      this.fresh = 0;
      this.median = lowerMedian(this.samplesUs);
    }
    return this.median;
  }
}

/** Of an even number the lower of the two in the middle: an integer, and one that was measured. */
export function lowerMedian(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1] ?? 0;
}
