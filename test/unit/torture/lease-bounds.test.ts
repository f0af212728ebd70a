import { describe, expect, test } from "bun:test";
import type { FaultRecord, HistoryRecord, RunRecord } from "../../torture/history.ts";
import { verdictOn } from "../../torture/verdict.ts";
import { acquire, historyOf } from "./records.ts";

const run: RunRecord = {
  ...{ type: "run", n: 0, format: 1, seed: 1, nodes: ["node1"], clients: 1, faults: [], network: "proxy" },
  ...{ program: "p", version: "0", started_at: "2026-01-01T00:00:00Z" },
};
const drifting: RunRecord = { ...run, max_drift: 0.01 };

function step(atMs: number, monotonic: boolean): FaultRecord {
  const times = { from_us: atMs * 1_000, to_us: (atMs + 20) * 1_000 };
  const shortens = monotonic ? { shortens_us: 100_000 } : {};
  return { type: "fault", n: 0, fault: "clock-step", nodes: ["node1"], ...times, ...shortens };
}

/** Somebody else is granted so long after a lease of 10 s was asked for. */
function brokenBy(afterMs: number, ...others: readonly HistoryRecord[]): boolean {
  const grants = [acquire(1_000, 1), acquire(1_000 + afterMs - 5, 2, { owner: "b" })];
  const rules = verdictOn(historyOf(...others, ...grants)).map(({ rule }) => rule);
  return rules.includes("a lease is never shorter than promised");
}

describe("a lease under clocks that were tampered with", () => {
  test("may be shorter by as much as clocks may run too fast, and no shorter", () => {
    expect(brokenBy(9_950, run)).toBe(true);
    expect(brokenBy(9_950, drifting)).toBe(false);
    expect(brokenBy(9_850, drifting)).toBe(true);
  });

  test("may be shorter by two heartbeats for each step of a monotonic clock that it can have met", () => {
    expect(brokenBy(9_950, run, step(3_000, true))).toBe(false);
    expect(brokenBy(9_850, run, step(3_000, true))).toBe(true);
    expect(brokenBy(9_850, run, step(3_000, true), step(9_000, true))).toBe(false);
    expect(brokenBy(9_750, run, step(3_000, true), step(9_000, true))).toBe(true);
    expect(brokenBy(9_850, run, step(3_000, true), step(30_000, true))).toBe(true);
  });

  test("is not shortened by a step of a wall clock", () => {
    expect(brokenBy(9_950, run, step(3_000, false))).toBe(true);
  });
});
