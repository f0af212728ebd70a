import type { Clock } from "../engine/ports.ts";
import type { Scheduler } from "./scheduler.ts";

/** One node's clock: it runs at its own rate, and jumps ahead as after a suspended virtual machine. */
export class SimClock implements Clock {
  private baseMs: number;
  private readMs = 0;
  private wallOffsetMs = 0;
  /** Jumps so far, for checks that must allow for them. */
  jumps = 0;

  /** @param rate local ms per real ms */
  constructor(
    private readonly scheduler: Scheduler,
    readonly rate: number,
    startMs: number,
  ) {
    this.baseMs = startMs;
  }

  monotonicMs(): number {
    const { nowMs } = this.scheduler;
    this.baseMs += (nowMs - this.readMs) * this.rate;
    this.readMs = nowMs;
    return this.baseMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.monotonicMs() + this.wallOffsetMs;
  }

  /** Monotonic time never goes back; wall time may. */
  jump(monotonicMs: number, wallMs: number): void {
    this.monotonicMs();
    this.baseMs += monotonicMs;
    this.wallOffsetMs += wallMs;
    this.jumps++;
  }
}
