import { describe, expect, test } from "bun:test";
import { inspectSemaphore, limitIs, permits, releasePermits } from "./permit-records.ts";
import { acquire, broken, refused, unknown } from "./records.ts";

const b = { owner: "b" };
const c = { owner: "c" };

describe("permits", () => {
  test("that were granted, renewed, refused, read and given back are right", () => {
    const held = [permits(0, 1, [0, 1]), permits(10, 2, [2], b), permits(20, 1, [0, 1])];
    const refusals = [
      permits(30, 0, [0], c, refused("lock_held", 423)),
      permits(32, 0, [0], {}, refused("permits_conflict", 409)),
      permits(34, 0, [0], { owner: "c", limit: 4 }, limitIs(3)),
      releasePermits(36, 9, "a", refused("stale_token", 409)),
    ];
    const read = inspectSemaphore(40, 5, { held: { a: [1, 0, 1], b: [2, 2] }, queue: ["c"] });
    const over = [releasePermits(50, 1), inspectSemaphore(60, 6, { held: { b: [2, 2] } }), permits(70, 3, [0], c)];
    expect(broken(...held, ...refusals, read, ...over)).toEqual([]);
  });

  test("of more than there are are found", () => {
    const rule = "permits are no more than the limit";
    expect(broken(permits(0, 1, [0, 1]), permits(10, 2, [2], b), permits(20, 3, [3], c))).toContain(rule);
    expect(broken(permits(0, 1, [0, 1]), permits(10, 2, [0, 1], b))).toContain(rule);
    expect(broken(permits(0, 1, [0, 1], { ttl: 0.1 }), permits(110, 2, [0, 1], b))).toEqual([]);
    expect(broken(inspectSemaphore(0, 5, { held: { a: [1, 0, 1], b: [2, 1] } }))).toEqual([rule]);
    expect(broken(inspectSemaphore(0, 5, { held: { a: [1, 0] }, available: 3 }))).toEqual([rule]);
  });

  test("of a slot that somebody has already are found", () => {
    const rule = "a slot is held once";
    expect(broken(permits(0, 1, [0]), permits(10, 2, [0], b))).toContain(rule);
    expect(broken(permits(0, 1, [0]), permits(10, 2, [1], b))).toEqual([]);
    expect(broken(permits(0, 1, [0]), releasePermits(6, 1), permits(12, 2, [0], b))).toEqual([]);
  });

  test("of other slots than were asked for are found", () => {
    const rule = "a grant is of the permits that were asked for";
    expect(broken(permits(0, 1, [0, 1], { permits: 1 }))).toEqual([rule]);
    expect(broken(permits(0, 1, [0, 3]))).toEqual([rule]);
    expect(broken(permits(0, 1, [1, 2]))).toEqual([]);
  });

  test("have tokens that rise for each slot", () => {
    const rule = "tokens rise for each slot";
    const first = [permits(0, 5, [0, 1]), releasePermits(10, 5)];
    expect(broken(...first, permits(20, 4, [1, 2], b))).toEqual([rule]);
    expect(broken(...first, permits(20, 5, [0], b))).toEqual([rule]);
    expect(broken(...first, permits(20, 4, [2], b))).toEqual([]);
    expect(broken(...first, permits(20, 5, [0, 1]))).toContain("a token is of one hold or one shared phase");
    expect(broken(acquire(0, 5), permits(10, 5, [0], b))).toEqual(["a token is of one hold or one shared phase"]);
    // Overlapping requests may be granted in any order.
    expect(broken(permits(0, 4, [1], b, { to_us: 30_000 }), permits(8, 5, [1]), releasePermits(16, 5))).not.toContain(
      rule,
    );
  });

  test("have leases that are never cut short", () => {
    const rule = "a lease is never shorter than promised";
    const early = (untilMs: number) => permits(50, 2, [0], { ...b, ttl: 0.01 }, { to_us: untilMs * 1_000 });
    expect(broken(permits(0, 1, [0], { ttl: 0.1 }), early(90))).toEqual([rule]);
    expect(broken(permits(0, 1, [0], { ttl: 0.1 }), early(101))).toEqual([]);
    expect(broken(permits(0, 1, [0], { ttl: 0.1 }), releasePermits(20, 1, "a", unknown), early(90))).toEqual([]);
  });

  test("that their holder is denied are found", () => {
    const rule = "an acknowledged hold is not lost";
    expect(broken(permits(0, 1, [0]), permits(10, 2, [1]))).toEqual([rule]);
    expect(broken(permits(0, 1, [0]), releasePermits(10, 1, "a", refused("not_held", 404)))).toEqual([rule]);
    expect(broken(permits(0, 1, [0], { ttl: 0.1 }), releasePermits(120, 1, "a", refused("not_held", 404)))).toEqual([]);
    expect(broken(permits(0, 1, [0]), permits(10, 0, [0], {}, refused("permits_conflict", 409)))).toEqual([rule]);
  });

  test("are released once, by their holder, by the token of the hold", () => {
    expect(broken(releasePermits(0, 1))).toEqual(["only a holder releases"]);
    expect(broken(permits(0, 1, [0]), releasePermits(10, 1), releasePermits(20, 1))).toEqual([
      "a hold is released once",
    ]);
    const lives = [permits(0, 1, [0]), releasePermits(10, 1), permits(20, 2, [0])];
    expect(broken(...lives, releasePermits(30, 1, "a", refused("stale_token", 409)), releasePermits(40, 2))).toEqual(
      [],
    );
    expect(broken(...lives, releasePermits(30, 1))).toContain("a stale holder releases nothing");
  });

  test("have a limit that stays while somebody holds some", () => {
    const rule = "a limit stays while permits are held";
    const other = { owner: "b", limit: 4 };
    expect(broken(permits(0, 1, [0]), permits(10, 2, [1], other))).toEqual([rule]);
    expect(broken(permits(0, 1, [0]), permits(10, 0, [1], other, limitIs(3)))).toEqual([]);
    expect(broken(permits(0, 1, [0]), permits(10, 0, [1], other, limitIs(5)))).toEqual([rule]);
    expect(broken(permits(0, 1, [0]), permits(10, 0, [1], b, limitIs(3)))).toEqual([rule]);
    expect(broken(permits(0, 1, [0]), releasePermits(6, 1), permits(12, 2, [1], other))).toEqual([]);
  });

  test("that are lost, or were never given, are found by reads", () => {
    const lost = "an acknowledged hold is not lost";
    expect(broken(permits(0, 1, [0]), inspectSemaphore(10, 5))).toEqual(["a limit stays while permits are held", lost]);
    expect(broken(permits(0, 1, [0]), inspectSemaphore(10, 5, { held: { a: [2, 0] } }))).toEqual([lost]);
    expect(broken(permits(0, 1, [0], { ttl: 0.1 }), inspectSemaphore(200, 5))).toEqual([]);
    const ghost = "nobody holds what nobody was given";
    const shown = inspectSemaphore(20, 5, { held: { a: [1, 0] } });
    expect(broken(permits(0, 1, [0], {}, refused("lock_held", 423)), shown)).toEqual([ghost]);
    expect(broken(permits(0, 1, [0], {}, unknown), shown)).toEqual([]);
    expect(broken(permits(0, 1, [0]), releasePermits(10, 1), shown)).toEqual([ghost]);
  });

  test("whose queue is not kept are found, however few the next one wants", () => {
    const rule = "waiters are served first come, first served";
    const head = [permits(0, 1, [0, 1]), inspectSemaphore(40, 5, { held: { a: [1, 0, 1] }, queue: ["b", "c"] })];
    const first = (token: number, toMs: number) => permits(10, token, [0, 1, 2], b, { to_us: toMs * 1_000 });
    const next = (token: number, toMs: number) => permits(20, token, [2], c, { to_us: toMs * 1_000 });
    expect(broken(...head, next(2, 50), releasePermits(52, 2, "c"), releasePermits(60, 1), first(3, 70))).toEqual([
      rule,
    ]);
    expect(broken(...head, releasePermits(45, 1), first(2, 60), releasePermits(62, 2, "b"), next(3, 70))).toEqual([]);
  });
});

describe("circles through permits", () => {
  const rule = "a circle that is shown exists";
  const circle = [
    { owner: "a", semaphore: "x", blocked_by: "b" },
    { owner: "b", lock_name: "l", lock_type: "exclusive", blocked_by: "a" },
  ];
  const error = { code: "deadlock", message: "", details: { cycle: circle } };
  const lock = acquire(0, 1, { lock: "l" });
  const waits = acquire(20, 0, { lock: "l", owner: "b" }, { ...refused("lock_held", 423), to_us: 90_000 });
  const deadlock = (count: number) =>
    permits(50, 0, [], { permits: count }, { ...refused("deadlock", 409), output: { detail: "", error } });

  test("are right when those who wait hold too many", () => {
    expect(broken(lock, permits(10, 2, [0, 1], b), waits, deadlock(2))).toEqual([]);
    expect(broken(lock, permits(8, 2, [0, 1], b), permits(14, 3, [2], c), waits, deadlock(2))).toEqual([]);
  });

  test("are found when others hold as many as are wanted, and wait for nothing", () => {
    const others = [permits(8, 2, [0], b), permits(14, 3, [1, 2], c)];
    expect(broken(lock, ...others, waits, deadlock(2))).toEqual([rule]);
    // One that waits for more before it may keep it from them.
    const ahead = permits(30, 0, [], { owner: "d", permits: 3 }, { ...refused("lock_held", 423), to_us: 90_000 });
    expect(broken(lock, ...others, waits, ahead, deadlock(2))).toEqual([]);
  });

  test("are found when who blocks has no permits", () => {
    expect(broken(lock, permits(10, 2, [0, 1, 2], c), acquire(12, 3, b), waits, deadlock(2))).toEqual([rule]);
    expect(broken(lock, permits(2, 2, [0, 1], b), releasePermits(10, 2, "b"), waits, deadlock(2))).toEqual([rule]);
  });
});
