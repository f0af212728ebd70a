/** How the clocks of one process differ from the system's. */
export interface ClockSkew {
  /** Rises with each change, by which the process says that it has seen one. */
  readonly change: number;
  /** Sum of the steps of the wall clock so far, in ms; of the monotonic clock likewise. */
  readonly wallMs: number;
  readonly monotonicMs: number;
  /** Both run at 1 + this. */
  readonly drift: number;
}

export const NO_SKEW: ClockSkew = { change: 0, wallMs: 0, monotonicMs: 0, drift: 0 };
/** A process looks so often whether its clocks shall go in another way. */
export const CLOCK_POLL_MS = 20;

/** Clocks that step, and run too fast or too slowly. A change of the rate alone is no step. */
export class SkewedClock {
  private skew = NO_SKEW;
  /** The system's monotonic time of the last change of the rate, and ours beyond it then, steps aside. */
  private sinceMs: number;
  private gainedMs = 0;

  constructor(
    private readonly systemMonotonicMs: () => number,
    private readonly systemWallMs: () => number,
  ) {
    this.sinceMs = systemMonotonicMs();
  }

  set(skew: ClockSkew): void {
    this.gainedMs = this.gained();
    this.sinceMs = this.systemMonotonicMs();
    this.skew = skew;
  }

  monotonicMs(): number {
    return this.systemMonotonicMs() + this.gained() + this.skew.monotonicMs;
  }

  wallMs(): number {
    return Math.floor(this.systemWallMs() + this.gained() + this.skew.wallMs);
  }

  private gained(): number {
    return this.gainedMs + (this.systemMonotonicMs() - this.sinceMs) * this.skew.drift;
  }
}
