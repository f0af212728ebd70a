import { describe, expect, test } from "bun:test";
import type { FaultRecord } from "../../torture/history.ts";
import { acquire, broken, inspect, refused, release, unknown } from "./records.ts";

const ours = { owners: ["a"], token: 1 };

describe("campaigns", () => {
  test("that are observed, proclaimed anew and won by another are right", () => {
    const first = [acquire(0, 1, { value: "v1" }), inspect(10, 5, { ...ours, value: "v1", revision: 4 })];
    const changed = [acquire(20, 1, { value: "v2" }), inspect(30, 7, { ...ours, value: "v2", revision: 6 })];
    const won = [
      acquire(35, 2, { owner: "b", value: "w" }, { to_us: 50_000 }),
      release(40, 1),
      inspect(60, 10, { owners: ["b"], token: 2, value: "w", revision: 8, observing: { wait: 1, after: 6 } }),
    ];
    expect(broken(...first, ...changed, ...won)).toEqual([]);
  });

  test("whose value nobody said are found", () => {
    const rule = "a value is its holder's";
    const read = inspect(10, 5, { ...ours, value: "v" });
    expect(broken(acquire(0, 1, {}, unknown), read)).toEqual([rule]);
    expect(broken(acquire(0, 1, { value: "v" }, unknown), read)).toEqual([]);
    expect(broken(acquire(0, 1, { value: "v" }, refused("no_leader", 503)), acquire(1, 1), read)).toContain(rule);
    const other = acquire(0, 3, { owner: "b", value: "v" }, unknown);
    expect(broken(other, acquire(0, 1, {}, unknown), read)).toEqual([rule]);
  });

  test("that are shown with an earlier value, or with none, are found", () => {
    const rule = "the value that was said last is shown";
    const said = [acquire(0, 1, { value: "v1" }), acquire(10, 1, { value: "v2" })];
    expect(broken(...said, inspect(20, 5, { ...ours, value: "v1" }))).toEqual([rule]);
    expect(broken(...said, inspect(20, 5, ours))).toEqual([rule]);
    expect(broken(...said, inspect(20, 5, { ...ours, value: "v2" }))).toEqual([]);
    expect(
      broken(said[0]!, acquire(10, 1, { value: "v2" }, unknown), inspect(20, 5, { ...ours, value: "v1" })),
    ).toEqual([]);
    expect(broken(said[0]!, acquire(10, 1), inspect(20, 5, { ...ours, value: "v1" }))).toEqual([]);
  });

  test("that an observer does not see once they are won are found", () => {
    const won = [acquire(0, 1), release(10, 1), acquire(20, 2, { owner: "b" })];
    expect(broken(...won, inspect(30, 5, { ...ours, revision: 3 }))).toContain("an acknowledged hold is not lost");
    expect(broken(...won, inspect(30, 5, { owners: ["b"], token: 2, revision: 4 }))).toEqual([]);
  });
});

describe("revisions", () => {
  test("that fall are found", () => {
    const first = inspect(0, 7, { owners: ["p"], token: 2, revision: 6 });
    const fallen = inspect(10, 8, { owners: ["q"], token: 3, revision: 5 });
    expect(broken(first, fallen)).toEqual(["revisions never fall"]);
    expect(broken({ ...first, to_us: 20_000 }, fallen)).toEqual([]);
    expect(broken(first, inspect(10, 8))).toEqual([]);
  });

  test("that are of two states, or of none, are found", () => {
    const rule = "a revision is of one state";
    const first = inspect(0, 7, { owners: ["p"], token: 2, revision: 6 });
    expect(broken(first, inspect(10, 8, { owners: ["q"], token: 3, revision: 6 }))).toEqual([rule]);
    expect(broken(first, inspect(10, 8, { owners: ["p"], token: 2, revision: 6 }))).toEqual([]);
    expect(broken(inspect(0, 5, { owners: ["p"], token: 2, revision: 6 }))).toEqual([rule]);
    expect(broken(inspect(0, 5, { revision: 4 }))).toEqual([rule]);
  });
});

describe("observers", () => {
  const rule = "an observer waits for another revision";
  const observed = (after: number, tookMs: number) => ({
    ...inspect(10, 8, { owners: ["p"], token: 2, revision: 6, observing: { wait: 1, after } }),
    to_us: (10 + tookMs) * 1_000,
  });
  const rolling = (nodes: string[]): FaultRecord => ({
    ...{ type: "fault", n: 0, fault: "rolling", nodes, from_us: 0, to_us: 2_000_000 },
  });

  test("that are told what they know before their time is over are found", () => {
    expect(broken(observed(6, 500))).toEqual([rule]);
    expect(broken(observed(6, 1_000))).toEqual([]);
    expect(broken(observed(5, 3))).toEqual([]);
  });

  test("may be told so by a node that is stopped, or that has left", () => {
    expect(broken(observed(6, 500), rolling(["node1"]))).toEqual([]);
    expect(broken(observed(6, 500), rolling(["node2"]))).toEqual([rule]);
    const leaving = { ...rolling(["node1"]), fault: "shrink" };
    expect(broken(observed(6, 500), leaving)).toEqual([rule]);
    expect(broken(observed(6, 500), { ...leaving, may_end: ["node1"] })).toEqual([]);
  });
});
