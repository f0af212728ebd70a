import { describe, expect, test } from "bun:test";
import { type TurnPhase, TurnWatch } from "../../../src/engine/turn-watch.ts";

/** A watch, and what makes a turn of phases that take so long. */
function watched() {
  let nowMs = 1_000;
  const watch = new TurnWatch(() => nowMs);
  const turn = (...phases: readonly (readonly [TurnPhase, number])[]) => {
    watch.begin(nowMs);
    for (const [phase, ms] of phases) {
      nowMs += ms;
      watch.lap(phase);
    }
    const end = watch.end();
    nowMs += 500;
    return end;
  };
  return { watch, turn };
}

describe("the watch over turns", () => {
  test("counts every turn, and nothing between two", () => {
    const { watch, turn } = watched();
    turn(["inbox", 1], ["apply", 2]);
    turn(["flush", 4]);
    expect([watch.durationMs.count, watch.durationMs.sum, watch.longestMs]).toEqual([2, 7, 4]);
  });

  test("says of a turn over 20 ms which phase was the longest, and of others nothing", () => {
    const { watch, turn } = watched();
    expect(turn(["inbox", 5], ["flush", 15])).toBeUndefined();
    expect(turn(["inbox", 5], ["flush", 16])).toEqual({ durationMs: 21, phase: "flush", phaseMs: 16 });
    // Frames leave twice in a turn: that is one phase.
    expect(turn(["send", 9], ["apply", 10], ["send", 9])).toEqual({ durationMs: 28, phase: "send", phaseMs: 18 });
    expect(turn(["apply", 90])).toEqual({ durationMs: 90, phase: "apply", phaseMs: 90 });
    expect(watch.overBudget).toEqual({ inbox: 0, pump: 0, send: 1, flush: 1, apply: 1 });
    expect(watch.longestMs).toBe(90);
  });
});
