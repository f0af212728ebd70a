import { describe, expect, test } from "bun:test";
import { errorOf, Harness, once, owner, session } from "./harness.ts";

const shared = { mode: "shared" } as const;

describe("lease time (T2)", () => {
  test("only a time entry ends a hold, however late other entries are", () => {
    const h = new Harness();
    h.acquire("x", owner("a"), { ttlMs: 1_000 });
    h.nowMs = 50_000;
    h.entry("noop");
    h.entry("configuration");
    expect(errorOf(h.acquire("x", owner("b")))).toBe("lock_held");
    h.entry("time");
    expect(h.holders("x")).toEqual([]);
  });

  test("what is due exactly now ends, what is due a millisecond later stays", () => {
    const h = new Harness();
    h.acquire("x", owner("a"), { ttlMs: 1_000 });
    h.acquire("y", owner("a"), { ttlMs: 1_001 });
    h.time(1_000);
    expect(h.holders("x")).toEqual([]);
    expect(h.holders("y")).toEqual(["a"]);
  });

  test("a keepalive that stands before the time entry renews an overdue session", () => {
    const h = new Harness();
    h.open("s1", 1_000);
    h.acquire("x", session("s1"));
    h.nowMs = 5_000;
    expect(h.run({ type: "keepalive", sessions: ["s1"] })).toEqual({ type: "keptAlive", expiresInMs: [1_000] });
    h.entry("time");
    expect(h.holders("x")).toEqual(["session-1"]);
    h.time(6_000);
    expect(h.holders("x")).toEqual([]);
  });

  test("a re-entry that stands before the time entry renews an overdue hold", () => {
    const h = new Harness();
    h.acquire("x", owner("a"), { ttlMs: 1_000 });
    h.nowMs = 5_000;
    h.acquire("x", owner("a"), { ttlMs: 1_000 });
    h.entry("time");
    expect(h.holders("x")).toEqual(["a"]);
  });

  test("of much that is due at once each time entry ends a part, the earliest first, and more stays due", () => {
    const h = new Harness({ maxExpiriesPerEntry: 2 });
    for (const [lock, ttlMs] of [
      ["c", 1_003],
      ["a", 1_001],
      ["b", 1_002],
    ] as const)
      h.acquire(lock, owner("a"), { ttlMs });
    h.time(5_000);
    expect(["a", "b", "c"].map((lock) => h.holders(lock).length)).toEqual([0, 0, 1]);
    expect(h.machine.nextDeadlineMs()).toBe(1_003);
    h.time(5_000);
    expect(h.holders("c")).toEqual([]);
  });

  test("lease time never falls: a smaller one in a later entry changes nothing", () => {
    const h = new Harness();
    h.time(10_000);
    h.nowMs = 0;
    expect(h.acquire("x", owner("a"), { ttlMs: 1_000 })).toMatchObject({ expiresInMs: 1_000 });
    expect(h.machine.nextDeadlineMs()).toBe(11_000);
  });

  test("a hold that expires goes to the next waiter in the same step", () => {
    const h = new Harness();
    h.acquire("x", owner("a"), { ttlMs: 1_000 });
    const b = h.wait("x", owner("b"));
    h.time(1_000);
    expect(errorOf(h.resultOf(b))).toBe("granted");
  });

  test("a lease counts from the grant, not from the request", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    const b = h.wait("x", owner("b"), { ttlMs: 1_000 });
    h.nowMs = 5_000;
    h.release("x", owner("a"));
    expect(h.resultOf(b)).toMatchObject({ expiresInMs: 1_000 });
    h.time(5_999);
    expect(h.holders("x")).toEqual(["b"]);
  });

  test("everything due ends before anything is granted: who is over in the same step gets nothing (L8)", () => {
    const h = new Harness();
    h.open("s1", 2_000);
    h.acquire("x", owner("a"), { ttlMs: 1_000 });
    const ofSession = h.wait("x", session("s1"), { waitMs: 60_000 });
    const impatient = h.wait("x", owner("b"), { waitMs: 1_500 });
    const patient = h.wait("x", owner("c"), { waitMs: 60_000 });
    h.time(3_000);
    expect(errorOf(h.resultOf(ofSession))).toBe("session_expired");
    expect(errorOf(h.resultOf(impatient))).toBe("lock_held");
    expect(h.resultOf(patient)).toMatchObject({ fencingToken: 2 });
  });

  test("what is due at once ends in the order of deadline, then of creation", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    const late = h.wait("x", owner("b"), { waitMs: 2_000 });
    const early2 = h.wait("x", owner("c"), { waitMs: 1_000 });
    const early3 = h.wait("x", owner("d"), { waitMs: 1_000 });
    h.time(5_000);
    expect(h.last.map((outcome) => outcome.sequence)).toEqual([early2, early3, late]);
  });

  test("the next deadline is the earliest of holds, waits and sessions", () => {
    const h = new Harness();
    expect(h.machine.nextDeadlineMs()).toBeUndefined();
    h.open("s1", 9_000);
    expect(h.machine.nextDeadlineMs()).toBe(9_000);
    h.acquire("x", owner("a"), { ttlMs: 5_000 });
    expect(h.machine.nextDeadlineMs()).toBe(5_000);
    const waiting = h.wait("x", owner("b"), { waitMs: 2_000 });
    expect(h.machine.nextDeadlineMs()).toBe(2_000);
    h.cancel(waiting);
    h.release("x", owner("a"));
    expect(h.machine.nextDeadlineMs()).toBe(9_000);
  });

  test("a session's hold has no deadline of its own", () => {
    const h = new Harness();
    h.open("s1", 1_000);
    h.acquire("x", session("s1"));
    h.nowMs = 900;
    h.run({ type: "keepalive", sessions: ["s1"] });
    h.time(1_500);
    expect(h.holders("x")).toEqual(["session-1"]);
  });
});

describe("how a wait ends (L7)", () => {
  test("at its deadline in lease time, with the holders, from the time entry alone", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    const b = h.wait("x", owner("b"), { waitMs: 1_000 });
    h.nowMs = 20_000;
    h.acquire("y", owner("c"));
    expect(h.resultOf(b)).toBeUndefined();
    h.entry("time");
    const holders = [{ owner: "a", mode: "exclusive" as const, heldForMs: 20_000, expiresInMs: 10_000 }];
    expect(h.resultOf(b)).toEqual({ type: "error", code: "lock_held", lock: "x", holders });
    expect(h.waiters("x")).toEqual([]);
  });

  test("a grant that stands before the time entry wins over the deadline: no ghost hold", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    const b = h.wait("x", owner("b"), { waitMs: 1_000 });
    h.nowMs = 20_000;
    h.release("x", owner("a"));
    h.entry("time");
    expect(errorOf(h.resultOf(b))).toBe("granted");
    expect(h.holders("x")).toEqual(["b"]);
  });

  test("a cancelled waiter leaves, its operation is answered, and the place behind it moves up", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    const b = h.wait("x", owner("b"));
    const c = h.wait("x", owner("c"));
    expect(h.cancel(b)).toEqual({ type: "cancelled" });
    expect(errorOf(h.resultOf(b))).toBe("cancelled");
    h.release("x", owner("a"));
    expect(errorOf(h.resultOf(c))).toBe("granted");
  });

  test("a place that another request shares stays until nobody waits there", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    const first = h.wait("x", owner("b"));
    const second = h.wait("x", owner("b"));
    h.cancel(first);
    expect(h.waiters("x")).toEqual(["b"]);
    h.cancel(second);
    expect(h.waiters("x")).toEqual([]);
  });

  test("a cancel that comes after the grant gives the hold back, and the next one gets it", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    const b = h.wait("x", owner("b"));
    const c = h.wait("x", owner("c"));
    h.release("x", owner("a"));
    h.cancel(b);
    expect(h.holders("x")).toEqual(["c"]);
    expect(errorOf(h.resultOf(c))).toBe("granted");
  });

  test("a cancel gives the hold back even when the floor has passed the acquire", () => {
    const h = new Harness();
    const sequence = h.next();
    h.acquire("x", once("r1"), { envelope: { sequence } });
    h.run({ type: "cancel", ingress: 1001, sequence }, { sequence: 10, floor: 10 });
    expect(h.holders("x")).toEqual([]);
  });

  test("a cancel takes nothing when a later acquire was answered with the hold", () => {
    const h = new Harness();
    const first = h.next();
    h.acquire("x", owner("a"), { envelope: { sequence: first } });
    h.acquire("x", owner("a"));
    h.cancel(first);
    expect(h.holders("x")).toEqual(["a"]);
  });

  test("a cancel takes nothing from a later hold of the same owner", () => {
    const h = new Harness();
    const first = h.next();
    h.acquire("x", owner("a"), { envelope: { sequence: first } });
    h.release("x", owner("a"));
    h.acquire("x", owner("a"));
    h.cancel(first);
    expect(h.holders("x")).toEqual(["a"]);
  });

  test("a cancel that comes before its operation makes that one refused, not executed", () => {
    const h = new Harness();
    const sequence = h.next();
    h.cancel(sequence);
    expect(errorOf(h.acquire("x", owner("a"), { envelope: { sequence } }))).toBe("cancelled");
    expect(h.holders("x")).toEqual([]);
  });

  test("a cancel of an operation that ended otherwise changes nothing", () => {
    const h = new Harness();
    const sequence = h.next();
    h.acquire("x", owner("a"));
    h.acquire("x", owner("b"), { envelope: { sequence } });
    expect(h.cancel(sequence)).toEqual({ type: "cancelled" });
    expect(errorOf(h.acquire("x", owner("b"), { envelope: { sequence } }))).toBe("lock_held");
  });

  test("a session that ends takes its waiters with it: none of them is granted later (L8)", () => {
    const h = new Harness();
    h.open("s1", 1_000);
    h.acquire("x", owner("a"));
    const waiting = h.wait("x", session("s1"), { waitMs: 60_000 });
    h.time(1_000);
    expect(errorOf(h.resultOf(waiting))).toBe("session_expired");
    h.release("x", owner("a"));
    expect(h.machine.counts).toMatchObject({ locks: 0, holds: 0, waiters: 0 });
  });

  test("a session that ends while it waits lets shared waiters behind it in", () => {
    const h = new Harness();
    h.open("s1", 1_000);
    h.acquire("x", owner("a"), shared);
    h.wait("x", session("s1"), { waitMs: 60_000 });
    const c = h.wait("x", owner("c"), shared);
    h.time(1_000);
    expect(errorOf(h.resultOf(c))).toBe("granted");
  });
});
