import { describe, expect, test } from "bun:test";
import { errorOf, Harness, once, owner, permitsOf, session } from "./harness.ts";

const waiting = { waitMs: 10_000 };

/** Holders of the semaphore with their slots, as `a:0,1`. */
function holders(h: Harness, semaphore = "s"): string[] {
  return h.machine.semaphore(semaphore).holders.map(({ owner: who, slots }) => `${who}:${slots.join()}`);
}

function waiters(h: Harness): string[] {
  return h.machine.semaphore("s").waiters.map(({ owner: who, permits }) => `${who}:${permits}`);
}

describe("a semaphore (L1, L2)", () => {
  test("grants the lowest free slots under one token", () => {
    const h = new Harness();
    expect(h.permits("s", "2/3", owner("a"), { ttlMs: 5_000 })).toEqual({
      type: "permitsGranted",
      semaphore: "s",
      permits: 2,
      limit: 3,
      slots: [0, 1],
      owner: "a",
      fencingToken: 1,
      principalId: "owner:a",
      expiresInMs: 5_000,
    });
    expect(permitsOf(h.permits("s", "1/3", owner("b"))).slots).toEqual([2]);
    h.releasePermits("s", owner("a"));
    expect(permitsOf(h.permits("s", "1/3", owner("c"))).slots).toEqual([0]);
    h.releasePermits("s", owner("b"));
    expect(permitsOf(h.permits("s", "2/3", owner("d"))).slots).toEqual([1, 2]);
  });

  test("uses all slots of the greatest limit, each once", () => {
    const h = new Harness();
    const slots = [100, 24, 900].flatMap((permits, i) => [
      ...permitsOf(h.permits("s", `${permits}/1024`, owner(`${i}`))).slots,
    ]);
    expect(slots).toEqual(Array.from({ length: 1024 }, (_, i) => i));
    expect(h.machine.semaphore("s").available).toBe(0);
  });

  test("gives every grant of a slot a larger token than the one before", () => {
    const h = new Harness();
    const highest: number[] = [0, 0, 0];
    for (let round = 0; round < 20; round++) {
      const who = owner(`o${round}`);
      const { slots, fencingToken } = permitsOf(h.permits("s", `${(round % 3) + 1}/3`, who));
      for (const slot of slots) {
        expect(fencingToken).toBeGreaterThan(highest[slot] as number);
        highest[slot] = fencingToken;
      }
      h.releasePermits("s", who);
    }
  });

  test("has names of its own: a lock of the same name is another thing", () => {
    const h = new Harness();
    h.permits("x", "1/1", owner("a"));
    expect(errorOf(h.acquire("x", owner("b")))).toBe("granted");
    expect(h.machine.counts).toMatchObject({ locks: 1, semaphores: 1, holds: 2 });
  });

  test("refuses whoever does not wait, with its holders", () => {
    const h = new Harness();
    h.permits("s", "1/2", owner("a"));
    expect(h.permits("s", "2/2", owner("b"))).toEqual({
      type: "error",
      code: "lock_held",
      lock: "s",
      holders: [{ owner: "a", mode: "semaphore", heldForMs: 0, expiresInMs: 30_000 }],
    });
  });

  test("keeps the limit of its first request while it exists", () => {
    const h = new Harness();
    h.permits("s", "1/2", owner("a"));
    expect(h.permits("s", "1/3", owner("b"), waiting)).toEqual({ type: "error", code: "semaphore_limit", limit: 2 });
    expect(h.permits("s", "1/3", owner("a"))).toEqual({ type: "error", code: "semaphore_limit", limit: 2 });
    h.releasePermits("s", owner("a"));
    expect(permitsOf(h.permits("s", "3/3", owner("b"))).limit).toBe(3);
  });

  test("exists while it is held or waited for, and takes no place after that", () => {
    const h = new Harness();
    h.permits("s", "1/1", owner("a"));
    h.waitPermits("s", "1/1", owner("b"));
    h.releasePermits("s", owner("a"));
    expect(h.machine.counts.semaphores).toBe(1);
    h.releasePermits("s", owner("b"));
    expect(h.machine.counts).toMatchObject({ semaphores: 0, holds: 0, waiters: 0 });
    expect(h.machine.semaphore("s")).toEqual({
      semaphore: "s",
      limit: undefined,
      available: undefined,
      holders: [],
      waiters: [],
    });
  });

  test("is shown with slots, tokens and times of its holders, and with who waits for how many", () => {
    const h = new Harness();
    h.open("s1", 20_000);
    h.permits("s", "2/3", owner("a"), { ttlMs: 5_000 });
    h.nowMs = 100;
    h.permits("s", "1/3", session("s1"));
    h.waitPermits("s", "2/3", owner("b"));
    expect(h.machine.semaphore("s")).toEqual({
      semaphore: "s",
      limit: 3,
      available: 0,
      holders: [
        { owner: "a", slots: [0, 1], fencingToken: 1, grantedAtMs: 0, endsAtMs: 5_000 },
        { owner: "session-1", slots: [2], fencingToken: 2, grantedAtMs: 100, endsAtMs: 20_100 },
      ],
      waiters: [{ owner: "b", permits: 2, enqueuedAtMs: 100 }],
    });
    expect(h.machine.sessions(0, 1)[0]).toMatchObject({ holds: 1, waiters: 0 });
  });
});

describe("asking again for permits (L5, Q1)", () => {
  test("for as many is the same grant, renewed, past all waiters", () => {
    const h = new Harness();
    const first = permitsOf(h.permits("s", "2/2", owner("a"), { ttlMs: 1_000 }));
    h.waitPermits("s", "1/2", owner("b"));
    h.nowMs = 500;
    expect(h.permits("s", "2/2", owner("a"), { ttlMs: 1_000 })).toEqual({ ...first, expiresInMs: 1_000 });
    h.time(1_000);
    expect(holders(h)).toEqual(["a:0,1"]);
  });

  test("for another number is refused with the number that is held", () => {
    const h = new Harness();
    h.permits("s", "2/3", owner("a"));
    expect(h.permits("s", "1/3", owner("a"))).toEqual({ type: "error", code: "permits_conflict", permits: 2 });
  });

  test("while waiting joins the place, for another number is a place of its own that ends with the first grant", () => {
    const h = new Harness();
    h.permits("s", "2/2", owner("a"));
    const one = h.waitPermits("s", "1/2", owner("b"));
    const again = h.waitPermits("s", "1/2", owner("b"));
    const two = h.waitPermits("s", "2/2", owner("b"));
    expect(waiters(h)).toEqual(["b:1", "b:2"]);
    h.releasePermits("s", owner("a"));
    expect(h.resultOf(again)).toEqual(h.resultOf(one) as never);
    expect(h.resultOf(two)).toEqual({ type: "error", code: "permits_conflict", permits: 1 });
    expect(holders(h)).toEqual(["b:0"]);
  });

  test("under the same Idempotency-Key gives the same grant, and no cancel of one attempt takes it from the other", () => {
    const h = new Harness();
    const envelope = { idempotencyKey: "k" };
    const sequence = h.next();
    const first = h.permits("s", "1/2", once("r1"), { envelope: { ...envelope, sequence } });
    expect(h.permits("s", "1/2", once("r2"), { envelope })).toEqual(first as never);
    h.cancel(sequence);
    expect(holders(h)).toEqual(["node1:0"]);
    expect(errorOf(h.permits("s", "2/2", once("r3"), { envelope }))).toBe("idempotency_key_reused");
  });

  test("under the same key while it waits joins it", () => {
    const h = new Harness();
    h.permits("s", "1/1", owner("a"));
    const envelope = { idempotencyKey: "k" };
    const first = h.waitPermits("s", "1/1", once("r1"), { envelope });
    const again = h.waitPermits("s", "1/1", once("r2"), { envelope });
    expect(waiters(h)).toEqual(["node1:1"]);
    h.cancel(first);
    h.releasePermits("s", owner("a"));
    expect(errorOf(h.resultOf(again))).toBe("permitsGranted");
  });
});

describe("waiting for permits (L7, FIFO)", () => {
  test("nobody overtakes, however little it wants", () => {
    const h = new Harness();
    h.permits("s", "2/3", owner("a"));
    const two = h.waitPermits("s", "2/3", owner("b"));
    const one = h.waitPermits("s", "1/3", owner("c"));
    expect(errorOf(h.permits("s", "1/3", owner("d")))).toBe("lock_held");
    h.releasePermits("s", owner("a"));
    expect([h.resultOf(two), h.resultOf(one)].map(errorOf)).toEqual(["permitsGranted", "permitsGranted"]);
    expect(holders(h)).toEqual(["b:0,1", "c:2"]);
  });

  test("a release grants as many as there are permits for, and says to whom", () => {
    const h = new Harness();
    h.permits("s", "3/3", owner("a"));
    for (const name of ["b", "c", "d", "e"]) h.waitPermits("s", "1/3", owner(name));
    expect(h.releasePermits("s", owner("a"))).toEqual({
      type: "permitsReleased",
      semaphore: "s",
      releasedBy: "a",
      grantedTo: ["b", "c", "d"],
    });
    expect(waiters(h)).toEqual(["e:1"]);
  });

  test("ends at its deadline with the holders", () => {
    const h = new Harness();
    h.permits("s", "1/1", owner("a"));
    const b = h.waitPermits("s", "1/1", owner("b"), { waitMs: 1_000 });
    h.time(1_000);
    expect(h.resultOf(b)).toMatchObject({ code: "lock_held", lock: "s", holders: [{ owner: "a", heldForMs: 1_000 }] });
    expect(h.machine.counts.waiters).toBe(0);
  });

  test("that ends makes way for a smaller one behind it", () => {
    const h = new Harness();
    h.permits("s", "1/2", owner("a"));
    const two = h.waitPermits("s", "2/2", owner("b"));
    const one = h.waitPermits("s", "1/2", owner("c"));
    h.cancel(two);
    expect(errorOf(h.resultOf(one))).toBe("permitsGranted");
  });

  test("ends with its session, whose permits go to others in the same step", () => {
    const h = new Harness();
    h.open("s1");
    h.permits("s", "1/1", session("s1"));
    h.permits("t", "1/1", owner("a"));
    const lost = h.waitPermits("t", "1/1", session("s1"));
    const next = h.waitPermits("s", "1/1", owner("b"));
    expect(h.run({ type: "closeSession", session: "s1" })).toEqual({
      type: "sessionClosed",
      released: [],
      releasedSemaphores: ["s"],
    });
    expect([h.resultOf(lost), h.resultOf(next)].map(errorOf)).toEqual(["session_expired", "permitsGranted"]);
  });

  test("by a cancel after the grant gives the permits back", () => {
    const h = new Harness();
    h.permits("s", "1/1", owner("a"));
    const b = h.waitPermits("s", "1/1", owner("b"));
    const c = h.waitPermits("s", "1/1", owner("c"));
    h.releasePermits("s", owner("a"));
    h.cancel(b);
    expect(errorOf(h.resultOf(c))).toBe("permitsGranted");
  });

  test("a lease that ends gives its permits to the next, and not to one whose time is over in the same step", () => {
    const h = new Harness();
    h.permits("s", "1/1", owner("a"), { ttlMs: 1_000 });
    const late = h.waitPermits("s", "1/1", owner("b"), { waitMs: 1_000 });
    const next = h.waitPermits("s", "1/1", owner("c"));
    h.time(1_000);
    expect([h.resultOf(late), h.resultOf(next)].map(errorOf)).toEqual(["lock_held", "permitsGranted"]);
  });

  test("a restart of the node takes sessionless ones out", () => {
    const h = new Harness();
    h.permits("s", "1/1", owner("a"));
    const b = h.waitPermits("s", "1/1", owner("b"));
    h.register(2, "node1");
    expect(errorOf(h.resultOf(b))).toBe("cancelled");
    expect(waiters(h)).toEqual([]);
  });
});

describe("releasing permits", () => {
  test("gives back all of the hold, to whoever names it", () => {
    const h = new Harness();
    h.permits("s", "2/3", once("r1"));
    h.permits("s", "1/3", once("r2"));
    expect(errorOf(h.releasePermits("s", { kind: "onceId", id: "r2" }))).toBe("permitsReleased");
    expect(holders(h)).toEqual(["node1:0,1"]);
    expect(errorOf(h.releasePermits("s", { kind: "anonymous", node: "node1" }))).toBe("permitsReleased");
    expect(errorOf(h.releasePermits("s", { kind: "anonymous", node: "node1" }))).toBe("not_held");
  });

  test("by somebody else is refused with the holders, by a session that is over with that", () => {
    const h = new Harness();
    h.permits("s", "1/1", owner("a"));
    expect(h.releasePermits("s", owner("b"))).toMatchObject({ code: "not_owner", holders: [{ owner: "a" }] });
    expect(errorOf(h.releasePermits("s", session("gone")))).toBe("session_expired");
  });

  test("with an old token is refused with the token of the hold", () => {
    const h = new Harness();
    const { fencingToken } = permitsOf(h.permits("s", "1/1", owner("a")));
    h.releasePermits("s", owner("a"), fencingToken);
    const later = permitsOf(h.permits("s", "1/1", owner("a")));
    expect(h.releasePermits("s", owner("a"), fencingToken)).toEqual({
      type: "error",
      code: "stale_token",
      highest: later.fencingToken,
    });
    expect(errorOf(h.releasePermits("s", owner("a"), later.fencingToken))).toBe("permitsReleased");
  });
});

describe("a deadlock with semaphores (L4)", () => {
  test("is one when every holder, transitively, waits for the waiter, and is told as a cycle", () => {
    const h = new Harness();
    h.permits("s", "1/2", owner("a"));
    h.permits("s", "1/2", owner("b"));
    h.acquire("x", owner("w"));
    h.wait("x", owner("a"));
    h.wait("x", owner("b"));
    expect(h.permits("s", "1/2", owner("w"), waiting)).toEqual({
      type: "error",
      code: "deadlock",
      cycle: [
        { owner: "w", lock: "s", mode: "semaphore", blockedBy: "a" },
        { owner: "a", lock: "x", mode: "exclusive", blockedBy: "w" },
      ],
    });
    expect(h.machine.counts.waiters).toBe(2);
  });

  test("is none while one holder that is enough can go on", () => {
    const h = new Harness();
    h.permits("s", "1/2", owner("a"));
    h.permits("s", "1/2", owner("b"));
    h.acquire("x", owner("w"));
    h.wait("x", owner("a"));
    const w = h.waitPermits("s", "1/2", owner("w"));
    h.releasePermits("s", owner("b"));
    expect(errorOf(h.resultOf(w))).toBe("permitsGranted");
  });

  test("is one when the holders that can go on have too few permits", () => {
    const h = new Harness();
    h.permits("s", "2/3", owner("a"));
    h.permits("s", "1/3", owner("b"));
    h.acquire("x", owner("w"));
    h.wait("x", owner("a"));
    expect(errorOf(h.permits("s", "2/3", owner("w"), waiting))).toBe("deadlock");
    h.waitPermits("s", "1/3", owner("w"));
  });

  test("is found when the last holder that could go on begins to wait, not for the waiter alone", () => {
    const h = new Harness();
    h.permits("s", "1/2", owner("a"));
    h.permits("s", "1/2", owner("b"));
    h.acquire("x", owner("w"));
    h.waitPermits("s", "1/2", owner("w"));
    h.wait("x", owner("a"));
    expect(h.acquire("x", owner("b"), waiting)).toEqual({
      type: "error",
      code: "deadlock",
      cycle: [
        { owner: "b", lock: "x", mode: "exclusive", blockedBy: "w" },
        { owner: "w", lock: "s", mode: "semaphore", blockedBy: "b" },
      ],
    });
  });

  test("is found through whoever is ahead in the queue, since nobody overtakes", () => {
    const h = new Harness();
    h.permits("s", "1/2", owner("a"));
    h.acquire("x", owner("w"));
    h.waitPermits("s", "2/2", owner("v"));
    h.acquire("y", owner("v"));
    h.wait("x", owner("a"));
    expect(errorOf(h.permits("s", "1/2", owner("w"), waiting))).toBe("deadlock");
  });

  test("is not what a free permit would resolve for those ahead", () => {
    const h = new Harness();
    h.permits("s", "1/3", owner("a"));
    h.permits("s", "1/3", owner("b"));
    h.waitPermits("s", "2/3", owner("v"));
    h.acquire("x", owner("w"));
    h.wait("x", owner("a"));
    expect(h.machine.semaphore("s").available).toBe(1);
    h.waitPermits("s", "1/3", owner("w"));
  });

  test("is not what is resolved one after the other along the queue", () => {
    const h = new Harness();
    for (const name of ["a", "b", "c"]) h.permits("s", "1/3", owner(name));
    h.acquire("x", owner("w"));
    h.wait("x", owner("a"));
    h.acquire("k", owner("v1"));
    h.waitPermits("s", "1/3", owner("v1"));
    h.wait("k", owner("c"));
    h.acquire("m", owner("v2"));
    h.waitPermits("s", "2/3", owner("v2"));
    // b goes on, so v1 does, so c does, so v2 does.
    h.waitAll(["k", "m"], owner("w"));
  });

  test("has its cycle through those alone who are stuck", () => {
    const h = new Harness();
    // c waits for d, who can go on; a and b for w.
    for (const name of ["c", "a", "b"]) h.permits("s", "1/3", owner(name));
    h.acquire("x", owner("w"));
    h.acquire("y", owner("d"));
    h.wait("y", owner("c"));
    h.wait("x", owner("a"));
    h.wait("x", owner("b"));
    const result = h.permits("s", "2/3", owner("w"), waiting);
    expect(result?.type === "error" && result.code === "deadlock" && result.cycle.map((edge) => edge.owner)).toEqual([
      "w",
      "a",
    ]);
  });

  test("is found when an upgrade takes the last way out", () => {
    const h = new Harness();
    h.permits("s", "1/1", owner("c"));
    h.acquire("m", owner("e"));
    h.acquire("l", owner("d"), { mode: "shared" });
    h.waitAll(["l/shared", "m"], owner("c"));
    h.waitPermits("s", "1/1", owner("d"));
    expect(errorOf(h.acquire("l", owner("d"), waiting))).toBe("deadlock");
  });

  test("is decided in queues of 10,000 without looking at each pair", () => {
    const h = new Harness();
    h.acquire("x", owner("w"));
    h.permits("s", "1/2", owner("a"));
    h.permits("s", "1/2", owner("b"));
    for (let i = 0; i < 10_000; i++) h.wait("x", owner(`o${i}`), { mode: i % 3 === 0 ? "exclusive" : "shared" });
    h.wait("x", owner("a"));
    for (let i = 0; i < 10_000; i++) h.waitPermits("s", "1/2", owner(`p${i}`));
    const startMs = performance.now();
    h.waitPermits("s", "1/2", owner("w"));
    expect(errorOf(h.acquire("x", owner("b"), waiting))).toBe("deadlock");
    expect(performance.now() - startMs).toBeLessThan(5_000);
  }, 60_000);

  test("shows in the wait-for graph with an edge to every holder and to those ahead", () => {
    const h = new Harness();
    h.permits("s", "1/2", owner("a"));
    h.permits("s", "1/2", owner("b"));
    h.waitPermits("s", "1/2", owner("c"));
    h.waitPermits("s", "1/2", owner("d"));
    const shown = h.machine.waitForGraph(10).map(({ owner: who, mode, blockedBy }) => `${who} ${mode} ${blockedBy}`);
    expect(shown).toEqual(["c semaphore a", "c semaphore b", "d semaphore a", "d semaphore b", "d semaphore c"]);
    expect(h.machine.waitForGraph(3)).toHaveLength(3);
  });
});

describe("limits of semaphores", () => {
  test.each([
    ["maxHolds", { maxHolds: 1 }, 0],
    ["maxLocks", { maxLocks: 1 }, 0],
    ["maxWaiters", { maxWaiters: 0 }, 1_000],
    ["maxWaitersPerLock", { maxWaitersPerLock: 0 }, 1_000],
  ] as const)("%s counts what they take, too", (limit, bounds, waitMs) => {
    const h = new Harness(bounds);
    h.permits("s", "1/1", owner("a"));
    const result = h.permits(waitMs > 0 ? "s" : "t", "1/1", owner("b"), { waitMs });
    expect(result).toEqual({ type: "error", code: "limit", limit });
  });

  test("the digest tells slots, limits and what is waited for", () => {
    const run = (first: string, wanted: string) => {
      const h = new Harness();
      h.permits("s", first, owner("a"));
      h.waitPermits("s", wanted, owner("b"));
      expect(h.twin.digest()).toBe(h.machine.digest());
      return h.machine.digest();
    };
    expect(new Set([run("2/3", "2/3"), run("3/3", "2/3"), run("2/3", "3/3"), run("2/4", "3/4")]).size).toBe(4);
  });
});
