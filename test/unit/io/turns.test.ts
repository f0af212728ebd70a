import { describe, expect, test } from "bun:test";
import { EventLoopTurns } from "../../../src/io/turns.ts";

function blockThread(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe("turns on the event loop", () => {
  test("count from when they were asked for until they begin, and not what they take themselves", async () => {
    const turns = new EventLoopTurns();
    let runs = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    const turn = (): void => {
      blockThread(30);
      if (++runs === 2) resolve();
      else turns.requestTurn();
    };
    turns.start(60_000, turn, () => {});
    turns.requestTurn();
    turns.requestTurn();
    // What else the thread does before the turn.
    blockThread(25);
    await promise;
    turns.stop();
    expect(turns.waitMs.count).toBe(2);
    expect(turns.longestWaitMs).toBeGreaterThanOrEqual(25);
    // One wait of 25 ms and one of nearly nothing: the 60 ms of the turns are not in it.
    expect(turns.waitMs.sum - turns.longestWaitMs).toBeLessThan(30);
  });

  test("count a tick that comes late, though nobody asked for a turn", async () => {
    const turns = new EventLoopTurns();
    const { promise, resolve } = Promise.withResolvers<void>();
    turns.start(
      5,
      () => resolve(),
      () => {},
    );
    blockThread(40);
    await promise;
    turns.stop();
    expect(turns.longestWaitMs).toBeGreaterThanOrEqual(34);
  });
});
