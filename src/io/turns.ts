import type { TurnScheduler } from "../engine/ports.ts";

/** Between two ticks of the engine, in ms: a fifth of the default heartbeat interval. */
const TICK_MS = 10;

/**
 * Runs the engine on the event loop: a turn from `setImmediate`, after all I/O that is ready, so that one turn batches
 * what came in. From a microtask a batch would collapse to one message.
 */
export class EventLoopTurns implements TurnScheduler {
  private turn: (() => void) | undefined;
  private timer: ReturnType<typeof setInterval> | undefined;
  private requested = false;

  start(turn: () => void, tick: () => void): void {
    this.turn = turn;
    this.timer = setInterval(tick, TICK_MS);
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
