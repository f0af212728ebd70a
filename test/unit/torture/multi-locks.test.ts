import { describe, expect, test } from "bun:test";
import type { HistoryRecord } from "../../torture/history.ts";
import { checkLinearizability } from "../../torture/checks/linearizability.ts";
import {
  acquire,
  acquireAll,
  broken,
  historyOf,
  inspect,
  list,
  lockState,
  refused,
  release,
  unknown,
} from "./records.ts";

const b = { owner: "b" };
const held = refused("lock_held", 423);

describe("several locks at once", () => {
  const rule = "several locks are granted all or none";

  test("that were granted, held, read and given back one by one are right", () => {
    const reads = [inspect(10, 5, { owners: ["a"], token: 1 }), inspect(20, 6, { lock: "y", owners: ["a"], token: 2 })];
    const releases = [release(30, 1), release(40, 2, { lock: "y" }), inspect(50, 9)];
    expect(broken(acquireAll(0, { x: 1, y: 2 }), ...reads, ...releases, acquireAll(60, { y: 3, x: 4 }, b))).toEqual([]);
    expect(broken(acquireAll(0, { x: 1, r: 2 }), acquireAll(10, { y: 3, r: 2 }, b))).toEqual([]);
  });

  test("of which fewer are granted than were asked for are found", () => {
    const whole = acquireAll(0, { x: 1, y: 2 });
    const given = whole.output?.["locks"] as readonly object[];
    const half = acquireAll(0, { x: 1, y: 2 }, {}, { output: { ...whole.output, locks: given.slice(0, 1) } });
    expect(broken(whole)).toEqual([]);
    expect(broken(half)).toEqual([rule]);
  });

  test("that are shown in part are found in reads of all locks", () => {
    const waiting = acquireAll(0, { x: 1, y: 2 }, {}, { to_us: 90_000 });
    const whole = { x: lockState("exclusive", ["a"]), y: lockState("exclusive", ["a"]) };
    const half = { ...whole, y: lockState("exclusive", ["z"], [["a", "exclusive"]]) };
    expect(broken(waiting, list(10, 5, whole))).toEqual([]);
    expect(broken(waiting, list(10, 5, half))).toEqual([rule]);
    // It may have been released, or its lease may be over.
    expect(broken(acquireAll(0, { x: 1, y: 2 }), release(8, 2, { lock: "y" }), list(20, 5, half))).not.toContain(rule);
    const short = acquireAll(0, { x: 1, y: 2 }, { ttl: 0.1 });
    expect(broken(short, list(200, 5, half))).not.toContain(rule);
  });

  test("that certainly stand, and of which one is not shown, are found", () => {
    const lost = "an acknowledged hold is not lost";
    const other = inspect(10, 5, { lock: "y", owners: ["z"], token: 2 });
    expect(broken(acquireAll(0, { x: 1, y: 2 }), other)).toEqual([lost]);
    expect(broken(acquireAll(0, { x: 1, y: 2 }, {}, unknown), other)).toEqual([]);
    // Whoever holds one of them and asks for more may be refused for another, and keeps what it has.
    expect(broken(acquire(0, 1), acquireAll(10, { x: 1, y: 2 }, {}, held))).toEqual([]);
  });

  test("that were refused and are held nevertheless are found", () => {
    const ghost = inspect(20, 5, { owners: ["a"], token: 1 });
    expect(broken(acquireAll(0, { x: 1, y: 2 }, {}, held), ghost)).toEqual(["nobody holds what nobody was given"]);
    expect(broken(acquireAll(0, { x: 1, y: 2 }, {}, unknown), ghost)).toEqual([]);
  });

  test("have tokens that rise against those of all other grants", () => {
    const single = [acquire(0, 5, { lock: "y" }), release(10, 5, { lock: "y" })];
    expect(broken(...single, acquireAll(20, { x: 6, y: 7 }, b))).toEqual([]);
    expect(broken(...single, acquireAll(20, { x: 6, y: 4 }, b))).toEqual(["tokens rise"]);
    expect(broken(acquireAll(0, { x: 1, y: 1 }))).toEqual(["a token is of one hold or one shared phase"]);
    const early = acquireAll(0, { x: 1, y: 2 }, { ttl: 0.1 });
    expect(broken(early, acquire(50, 3, { ...b, lock: "y" }, { to_us: 90_000 }))).toEqual([
      "a lease is never shorter than promised",
    ]);
  });

  test("whose order in a queue is not kept are found, unless readers pass a reader that waits elsewhere", () => {
    const fifo = "waiters are served first come, first served";
    const first = (name: string) => [
      acquire(0, 1, { lock: name }),
      inspect(40, 5, { lock: name, owners: ["a"], token: 1, waiters: ["b", "c"] }),
      release(60, 1, { lock: name }),
    ];
    const late = (tokens: Record<string, number>) => acquireAll(10, tokens, b, { to_us: 90_000 });
    const next = (lock: string, token: number) =>
      acquire(20, token, { lock, owner: "c", mode: lock === "r" ? "shared" : "exclusive" }, { to_us: 70_000 });
    expect(broken(...first("x"), late({ x: 2, y: 3 }), release(92, 2, b), { ...next("x", 9), to_us: 95_000 })).toEqual(
      [],
    );
    expect(broken(...first("x"), next("x", 2), release(71, 2, { owner: "c" }), late({ x: 3, y: 4 }))).toEqual([fifo]);
    const reader = [next("r", 2), release(71, 2, { owner: "c", lock: "r" })];
    expect(broken(...first("r"), ...reader, late({ r: 3, y: 4 }))).toEqual([]);
  });

  test("that close a circle though their owner has nothing are found", () => {
    const circle = [
      { owner: "a", lock_name: "x", blocked_by: "b" },
      { owner: "b", lock_name: "y", blocked_by: "a" },
    ];
    const error = { code: "deadlock", message: "", details: { cycle: circle } };
    const deadlock = { ...refused("deadlock", 409), output: { detail: "", error } };
    const other = acquireAll(5, { y: 2, x: 3 }, b, { to_us: 90_000 });
    expect(broken(other, acquireAll(50, { x: 4, y: 5 }, {}, deadlock))).toEqual([
      "only who holds something closes a circle",
    ]);
    const own = acquire(0, 1, { lock: "y" });
    const waits = acquireAll(20, { y: 0, x: 0 }, b, { ...held, to_us: 90_000 });
    const its = acquire(10, 2, b);
    expect(broken(own, its, waits, acquireAll(50, { x: 4, y: 5 }, {}, deadlock))).toEqual([]);
  });

  test("are one request for each of them to the checker of whole histories", () => {
    const objects = (...records: readonly HistoryRecord[]) =>
      checkLinearizability(historyOf(...records)).map(({ what }) => what.split(":", 1)[0]);
    const single = (changes: object) => acquire(20, 9, { ...b, lock: "y" }, changes);
    expect(objects(acquireAll(0, { x: 1, y: 2 }), single(held), release(40, 2, { lock: "y" }))).toEqual([]);
    // What was refused holds nothing, and keeps others out of a free lock only while it waits.
    const waited = acquireAll(0, { x: 1, y: 2 }, {}, { ...held, to_us: 90_000 });
    expect(objects(waited, single(held))).toEqual([]);
    expect(objects(acquireAll(0, { x: 1, y: 2 }, {}, held), single(held))).toEqual(["lock y"]);
    expect(objects(acquireAll(0, { x: 1, y: 2 }), inspect(10, 5))).toEqual(["lock x"]);
    expect(objects(acquireAll(0, { x: 1, y: 2 }, {}, unknown), inspect(10, 5))).toEqual([]);
  });
});
