import type { TurnScheduler } from "../engine/ports.ts";

/**
 * Runs the engine on the event loop: a turn from `setImmediate`, after all I/O that is ready, so that one turn batches
 * what came in. From a microtask a batch would collapse to one message.
 */
export class EventLoopTurns implements TurnScheduler {
  private turn: (() => void) | undefined;
  private timer: ReturnType<typeof setInterval> | undefined;
  private requested = false;

  /** @param tickMs between two ticks: a heartbeat interval is often enough, and keeps an idle node idle */
  start(tickMs: number, turn: () => void, tick: () => void): void {
    this.turn = turn;
    this.timer = setInterval(tick, tickMs);
  }

  stop(): void {
    this.turn = undefined;
    clearInterval(this.timer);
  }

  requestTurn(): void {
    if (this.requested) return;
    this.requested = true;
    setImmediate(this.run);
  }

  private readonly run = (): void => {
    this.requested = false;
    this.turn?.();
  };
}
