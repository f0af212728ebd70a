import { DurationHistogram } from "../engine/duration-histogram.ts";
import type { TurnScheduler } from "../engine/ports.ts";

const WAIT_BOUNDS_MS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 50, 100, 250, 1000];

/**
 * Runs the engine on the event loop: a turn from `setImmediate`, after all I/O that is ready, so that one turn batches
 * what came in. From a microtask a batch would collapse to one message.
 */
export class EventLoopTurns implements TurnScheduler {
  /**
   * From when a turn was due (asked for, or the time of its tick) until it began: what this thread did meanwhile, above
   * all HTTP, and what the machine gave to others.
   */
  readonly waitMs = new DurationHistogram(WAIT_BOUNDS_MS);
  /** In ms. */
  longestWaitMs = 0;
  private turn: (() => void) | undefined;
  private timer: ReturnType<typeof setInterval> | undefined;
  private requested = false;
  private dueMs = 0;
  private tickedMs = 0;

  /** @param tickMs between two ticks */
  start(tickMs: number, turn: () => void, tick: () => void): void {
    this.turn = turn;
    this.tickedMs = performance.now();
    this.timer = setInterval(() => {
      const nowMs = performance.now();
      // A late timer is a wait, too: nobody else may have asked for a turn since.
      this.request(Math.min(nowMs, this.tickedMs + tickMs));
      this.tickedMs = nowMs;
      tick();
    }, tickMs);
  }

  stop(): void {
    this.turn = undefined;
    clearInterval(this.timer);
  }

  requestTurn(): void {
    if (!this.requested) this.request(performance.now());
  }

  private request(dueMs: number): void {
    this.dueMs = this.requested ? Math.min(this.dueMs, dueMs) : dueMs;
    if (this.requested) return;
    this.requested = true;
    setImmediate(this.run);
  }

  private readonly run = (): void => {
    this.requested = false;
    const waitedMs = performance.now() - this.dueMs;
    this.waitMs.observe(waitedMs);
    if (waitedMs > this.longestWaitMs) this.longestWaitMs = waitedMs;
    this.turn?.();
  };
}
