import { describe, expect, test } from "bun:test";
import { errorOf, Harness, once, owner, session } from "./harness.ts";

const shared = { mode: "shared" } as const;

describe("the age of a hold", () => {
  test("counts from its first grant: a re-entry and an upgrade move its end alone", () => {
    const h = new Harness();
    h.nowMs = 1_000;
    h.acquire("x", owner("a"), { ...shared, ttlMs: 5_000 });
    h.nowMs = 3_000;
    h.acquire("x", owner("a"), { ttlMs: 5_000 });
    const holderTimes = [{ owner: "a", mode: "exclusive" as const, grantedAtMs: 1_000, endsAtMs: 8_000 }];
    expect(h.machine.view("x")).toMatchObject({ holderTimes });
    expect(h.acquire("x", owner("b"))).toMatchObject({ holders: [{ heldForMs: 2_000, expiresInMs: 5_000 }] });
  });

  test("counts from the grant, not from the request", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    h.wait("x", owner("b"));
    h.nowMs = 4_000;
    h.release("x", owner("a"));
    expect(h.machine.view("x").holderTimes).toMatchObject([{ owner: "b", grantedAtMs: 4_000, endsAtMs: 34_000 }]);
  });

  test("of a session ends with the session", () => {
    const h = new Harness();
    h.open("s1", 10_000);
    h.acquire("x", session("s1"));
    h.nowMs = 2_000;
    h.run({ type: "keepalive", sessions: ["s1"] });
    expect(h.machine.view("x").holderTimes).toMatchObject([{ owner: "session-1", grantedAtMs: 0, endsAtMs: 12_000 }]);
    expect(h.release("x", owner("b"))).toMatchObject({ holders: [{ heldForMs: 2_000, expiresInMs: 10_000 }] });
  });

  test("that is overdue has no time left, and still stands", () => {
    const h = new Harness();
    h.acquire("x", owner("a"), { ttlMs: 1_000 });
    h.nowMs = 9_000;
    expect(h.acquire("x", owner("b"))).toMatchObject({ holders: [{ heldForMs: 9_000, expiresInMs: 0 }] });
  });

  test("is a part of the state that replicas compare", () => {
    const [early, late] = [new Harness(), new Harness()];
    early.open("s1", 60_000);
    late.open("s1", 60_000);
    early.acquire("x", session("s1"));
    early.nowMs = late.nowMs = 5_000;
    late.acquire("x", session("s1"));
    early.acquire("x", session("s1"));
    early.run({ type: "keepalive", sessions: ["s1"] }, { sequence: 40, floor: 40 });
    late.run({ type: "keepalive", sessions: ["s1"] }, { sequence: 40, floor: 40 });
    expect(early.machine.view("x").holderTimes).not.toEqual(late.machine.view("x").holderTimes);
    expect(early.machine.digest()).not.toBe(late.machine.digest());
    expect(early.machine.digest()).toBe(early.twin.digest());
  });
});

describe("the age of a place in a queue", () => {
  test("counts from its first request, also when another joins it", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    h.nowMs = 1_000;
    h.wait("x", owner("b"));
    h.nowMs = 2_000;
    h.wait("x", owner("b"));
    h.wait("x", owner("c"), shared);
    expect(h.machine.view("x").waiterTimes).toEqual([
      { owner: "b", mode: "exclusive", enqueuedAtMs: 1_000 },
      { owner: "c", mode: "shared", enqueuedAtMs: 2_000 },
    ]);
  });

  test("is shown of the first hundred, and of the first hundred holders", () => {
    const h = new Harness({ maxShownHolders: 3 });
    for (let i = 0; i < 5; i++) h.acquire("x", once(`r${i}`), shared);
    for (let i = 0; i < 5; i++) h.wait("x", owner(`w${i}`));
    const { holders, holderTimes, waiters, waiterTimes } = h.machine.view("x");
    expect([holders.length, holderTimes.length, waiters.length, waiterTimes.length]).toEqual([5, 3, 5, 3]);
    expect(waiterTimes.map((waiter) => waiter.owner)).toEqual(["w0", "w1", "w2"]);
  });
});

describe("the list of sessions", () => {
  test("is in the order in which they were opened, in pages, without their ids", () => {
    const h = new Harness();
    for (const id of ["s-c", "s-a", "s-d", "s-b"]) h.open(id, 10_000);
    h.run({ type: "closeSession", session: "s-a" });
    const names = (after: number, limit = 10) => h.machine.sessions(after, limit).map(({ name }) => name);
    expect(names(0)).toEqual(["session-1", "session-3", "session-4"]);
    expect(names(1, 1)).toEqual(["session-3"]);
    expect(names(2)).toEqual(["session-3", "session-4"]);
    expect(names(4)).toEqual([]);
    expect(JSON.stringify(h.machine.sessions(0, 10))).not.toMatch(/s-[a-d]/);
  });

  test("says what each has, and until when", () => {
    const h = new Harness();
    h.open("s1", 10_000);
    h.open("s2", 5_000);
    h.acquire("x", session("s1"));
    h.acquire("y", session("s1"));
    h.nowMs = 1_000;
    expect(errorOf(h.run({ type: "keepalive", sessions: ["s2"] }))).toBe("keptAlive");
    h.wait("x", session("s2"));
    expect(h.machine.sessions(0, 10)).toEqual([
      { name: "session-1", ttlMs: 10_000, endsAtMs: 10_000, holds: 2, waiters: 0 },
      { name: "session-2", ttlMs: 5_000, endsAtMs: 6_000, holds: 0, waiters: 1 },
    ]);
    h.time(10_000);
    expect(h.machine.sessions(0, 10)).toEqual([]);
  });
});
