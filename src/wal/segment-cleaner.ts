import type { Volume } from "./volume.ts";
import { segmentName } from "./segment.ts";

export interface SegmentCleanerOptions {
  readonly volume: Volume;
  /** Number of the oldest segment that is there. */
  readonly lowest: number;
  /** The segment is gone: the disk has room for another one. */
  readonly removed: (number: number) => void;
}

/**
 * Deletes segments that a durable frame of a later one calls superfluous (PROTOCOLS D6), the oldest first and one at a
 * time, unless a reader has them pinned. No order on the disk is needed: what is there again after a power cut is
 * deleted by the next start.
 */
export class SegmentCleaner {
  private readonly pins = new Map<object, number>();
  private lowest: number;
  private oldestNeeded: number;
  private removing = false;

  constructor(private readonly options: SegmentCleanerOptions) {
    this.lowest = options.lowest;
    this.oldestNeeded = options.lowest;
  }

  /** What is written of the segments before it is durable elsewhere, or void. Never falls. */
  release(oldestNeeded: number): void {
    this.oldestNeeded = Math.max(this.oldestNeeded, oldestNeeded);
    this.proceed();
  }

  /** Keeps this segment and all later ones. @returns ends that */
  pin(segment: number): () => void {
    const pin = {};
    this.pins.set(pin, segment);
    return () => {
      this.pins.delete(pin);
      this.proceed();
    };
  }

  private proceed(): void {
    if (this.removing || this.lowest >= Math.min(this.oldestNeeded, ...this.pins.values())) return;
    this.removing = true;
    const number = this.lowest;
    this.options.volume.remove(segmentName(number), (error) => {
      this.removing = false;
      // What cannot be deleted is asked for again with the next segment.
      if (error !== undefined) return;
      this.lowest = number + 1;
      this.options.removed(number);
      this.proceed();
    });
  }
}
