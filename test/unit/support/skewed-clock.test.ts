import { describe, expect, test } from "bun:test";
import { NO_SKEW, SkewedClock } from "../../support/skewed-clock.ts";

function startedAt(monotonicMs: number, wallMs: number) {
  const system = { monotonicMs, wallMs };
  const clock = new SkewedClock(
    () => system.monotonicMs,
    () => system.wallMs,
  );
  const pass = (ms: number) => {
    system.monotonicMs += ms;
    system.wallMs += ms;
  };
  return { clock, pass };
}

describe("skewed clocks", () => {
  test("are the system's where nothing is said", () => {
    const { clock, pass } = startedAt(5, 1_000);
    pass(100);
    expect([clock.monotonicMs(), clock.wallMs()]).toEqual([105, 1_100]);
  });

  test("step each alone", () => {
    const { clock, pass } = startedAt(0, 1_000);
    clock.set({ ...NO_SKEW, wallMs: -500 });
    pass(10);
    expect([clock.monotonicMs(), clock.wallMs()]).toEqual([10, 510]);
    clock.set({ ...NO_SKEW, wallMs: -500, monotonicMs: 300 });
    expect([clock.monotonicMs(), clock.wallMs()]).toEqual([310, 510]);
  });

  test("run at another rate without a step where it changes", () => {
    const { clock, pass } = startedAt(0, 0);
    clock.set({ ...NO_SKEW, drift: 0.5 });
    pass(100);
    expect([clock.monotonicMs(), clock.wallMs()]).toEqual([150, 150]);
    clock.set({ ...NO_SKEW, drift: -0.5 });
    expect(clock.monotonicMs()).toBe(150);
    pass(100);
    expect(clock.monotonicMs()).toBe(200);
  });
});
