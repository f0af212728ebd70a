import { describe, expect, test } from "bun:test";
import { longestGap, longestGapWithMajority } from "../../torture/availability.ts";
import { figuresOf } from "../../torture/figures.ts";
import type { EndRecord, FaultRecord, HistoryRecord, RunRecord } from "../../torture/history.ts";
import { acquire, historyOf, inspect, refused } from "./records.ts";

const run: RunRecord = {
  ...{ type: "run", n: 0, format: 1, seed: 7, nodes: ["node1", "node2", "node3"], clients: 1, faults: [] },
  ...{ network: "proxy", program: "p", version: "0", started_at: "2026-01-01T00:00:00Z" },
};
const end: EndRecord = { type: "end", n: 0, healed_us: 0, at_us: 100_000_000 };

function fault(fromMs: number, toMs: number, nodes: readonly string[], said: Partial<FaultRecord> = {}): FaultRecord {
  return { type: "fault", n: 0, fault: "kill", nodes, from_us: fromMs * 1_000, to_us: toMs * 1_000, ...said };
}

/** Changes that end at these times, in ms. */
function changesAt(...timesMs: readonly number[]): HistoryRecord[] {
  return timesMs.map((ms, i) => acquire(ms - 5, i + 1));
}

/** In ms. */
function gaps(...records: readonly HistoryRecord[]): [all: number, withMajority: number] {
  const history = historyOf(run, ...records, end);
  return [longestGap(history).lengthUs / 1_000, longestGapWithMajority(history).lengthUs / 1_000];
}

describe("the longest time without an acknowledged change", () => {
  test("counts neither reads nor refusals as changes", () => {
    const others = [inspect(2_000, 1), acquire(3_000, 9, {}, refused("lock_held", 423))];
    expect(gaps(...changesAt(1_000, 5_000), ...others)).toEqual([4_000, 4_000]);
  });

  test("with a majority leaves out what a fault took from too many nodes, and begins anew when it is over", () => {
    expect(gaps(...changesAt(1_000, 9_000), fault(2_000, 6_000, ["node1", "node2"]))).toEqual([8_000, 3_000]);
    expect(gaps(...changesAt(1_000, 9_000), fault(2_000, 6_000, ["node1"]))).toEqual([8_000, 8_000]);
  });

  test("adds up faults of different nodes that overlap", () => {
    const overlapping = [fault(2_000, 5_000, ["node1"]), fault(4_000, 6_000, ["node3"])];
    expect(gaps(...changesAt(1_000, 9_000), ...overlapping)).toEqual([8_000, 4_000]);
  });

  test("knows which nodes of a partition still are a majority, and that a rolling restart takes one at a time", () => {
    const all = ["node1", "node2", "node3"];
    expect(gaps(...changesAt(1_000, 9_000), fault(2_000, 6_000, all, { without: ["node2"] }))[1]).toBe(8_000);
    const rolling = fault(2_000, 6_000, all, { without: [], in_turn: true });
    expect(gaps(...changesAt(1_000, 9_000), rolling)[1]).toBe(8_000);
    expect(gaps(...changesAt(1_000, 9_000), rolling, fault(3_000, 4_000, ["node1"]))[1]).toBe(5_000);
  });

  test("counts the members of the moment", () => {
    const grown = fault(1_000, 1_500, [], { members: ["node1", "node2", "node3", "node4", "node5"] });
    const two = fault(2_000, 6_000, ["node1", "node4"]);
    expect(gaps(...changesAt(1_000, 9_000), grown, two)[1]).toBe(8_000);
  });
});

test("figures count operations by outcome, faults by kind, elections by terms, and what nodes counted", () => {
  const leads = (term: number) => {
    const times = { from_us: term, to_us: term };
    return { type: "view", n: 0, node: "node1", role: "leader", term, leader: "node1", ...times } as const;
  };
  const counters = { type: "counters", n: 0, totals: { repairs_total: 2 } } as const;
  const operations = [...changesAt(1_000, 2_000), acquire(3_000, 9, {}, refused("lock_held", 423))];
  const records = historyOf(run, ...operations, fault(1, 2, []), leads(1), leads(3), counters, end);
  expect(figuresOf(records, [{ rule: "r", what: "", records: [] }])).toMatchObject({
    ...{ seed: 7, nodes: 3, faults: { kill: 1 }, elections: 1, requests: 3, grants: 2, lasted_ms: 100_000 },
    operations: { "locks.acquire": { ok: 2, errors: { lock_held: 1 }, unknown: {} } },
    counters: { repairs_total: 2 },
    violations: { r: 1 },
  });
});
