import { describe, expect, test } from "bun:test";
import { errorOf, Harness, once, owner, session, tokensOf } from "./harness.ts";

const waiting = { waitMs: 10_000 };

function heldBy(h: Harness, locks: string): Record<string, string> {
  return Object.fromEntries(locks.split("").map((lock) => [lock, h.holders(lock).join()]));
}

describe("a multi-lock (L6)", () => {
  test("gets all its locks in one entry, each with a token of its own, in the order asked for", () => {
    const h = new Harness();
    const result = h.acquireAll(["b", "a/shared"], owner("c"), { ttlMs: 5_000 });
    const grant = { type: "granted" as const, owner: "c", principalId: "owner:c", expiresInMs: 5_000 };
    expect(result).toEqual({
      type: "grantedAll",
      grants: [
        { ...grant, lock: "b", mode: "exclusive", fencingToken: 1 },
        { ...grant, lock: "a", mode: "shared", fencingToken: 2 },
      ],
    });
    expect(heldBy(h, "ab")).toEqual({ a: "c", b: "c" });
  });

  test("that does not wait gets none when one is taken, and is told which and by whom", () => {
    const h = new Harness();
    h.acquire("b", owner("x"));
    h.acquire("c", owner("y"));
    expect(h.acquireAll(["a", "b", "c"], owner("m"))).toEqual({
      type: "error",
      code: "lock_held",
      lock: "b",
      holders: [{ owner: "x", mode: "exclusive", heldForMs: 0, expiresInMs: 30_000 }],
    });
    expect(heldBy(h, "abc")).toEqual({ a: "", b: "x", c: "y" });
    expect(h.machine.counts).toMatchObject({ locks: 2, waiters: 0 });
  });

  test("holds nothing while it waits, and gets all when the last becomes free", () => {
    const h = new Harness();
    h.acquire("a", owner("x"));
    h.acquire("c", owner("y"));
    const m = h.waitAll(["a", "b", "c"], owner("m"));
    h.release("a", owner("x"));
    expect(heldBy(h, "abc")).toEqual({ a: "", b: "", c: "y" });
    h.release("c", owner("y"));
    expect(tokensOf(h.resultOf(m))).toEqual([3, 4, 5]);
    expect(heldBy(h, "abc")).toEqual({ a: "m", b: "m", c: "m" });
    expect(h.machine.counts.waiters).toBe(0);
  });

  test("is overtaken by no conflicting request on any of its locks, though they are free", () => {
    const h = new Harness();
    h.acquire("b", owner("x"));
    h.waitAll(["a", "b"], owner("m"));
    const later = h.wait("a", owner("y"));
    const reader = h.wait("a", owner("z"), { mode: "shared" });
    expect(h.acquire("a", owner("u"))).toEqual({ type: "error", code: "lock_held", lock: "a", holders: [] });
    h.release("b", owner("x"));
    expect(heldBy(h, "ab")).toEqual({ a: "m", b: "m" });
    h.release("a", owner("m"));
    expect(errorOf(h.resultOf(later))).toBe("granted");
    h.release("a", owner("y"));
    expect(errorOf(h.resultOf(reader))).toBe("granted");
  });

  test("that waits elsewhere lets readers pass where it wants to read", () => {
    const h = new Harness();
    h.acquire("b", owner("x"));
    h.waitAll(["a/shared", "b"], owner("m"));
    expect(errorOf(h.acquire("a", owner("y"), { mode: "shared" }))).toBe("granted");
    const writer = h.wait("a", owner("w"));
    expect(errorOf(h.acquire("a", owner("z"), { mode: "shared" }))).toBe("lock_held");
    h.release("b", owner("x"));
    expect(heldBy(h, "ab")).toEqual({ a: "y,m", b: "m" });
    h.release("a", owner("y"));
    h.release("a", owner("m"));
    expect(errorOf(h.resultOf(writer))).toBe("granted");
  });

  test("is granted with others in one step of a shared phase, under one token", () => {
    const h = new Harness();
    h.acquire("a", owner("x"));
    const reader = h.wait("a", owner("r"), { mode: "shared" });
    const m = h.waitAll(["a/shared", "b"], owner("m"));
    h.release("a", owner("x"));
    const shared = h.resultOf(reader);
    expect(shared?.type === "granted" && shared.fencingToken).toBe(tokensOf(h.resultOf(m))[0] as number);
    expect(heldBy(h, "ab")).toEqual({ a: "r,m", b: "m" });
  });

  test("stands its turn behind whoever came before it", () => {
    const h = new Harness();
    h.acquire("a", owner("x"));
    const first = h.wait("a", owner("y"));
    const m = h.waitAll(["a", "b"], owner("m"));
    h.release("a", owner("x"));
    expect(errorOf(h.resultOf(first))).toBe("granted");
    expect(h.resultOf(m)).toBeUndefined();
    h.release("a", owner("y"));
    expect(errorOf(h.resultOf(m))).toBe("grantedAll");
  });

  test("that ends makes way for whoever waited behind it, on each of its locks", () => {
    const h = new Harness();
    h.acquire("c", owner("x"));
    const m = h.waitAll(["a", "b", "c"], owner("m"));
    const one = h.wait("a", owner("y"));
    const all = h.waitAll(["a", "b"], owner("z"));
    h.cancel(m);
    expect(errorOf(h.resultOf(one))).toBe("granted");
    h.release("a", owner("y"));
    expect(errorOf(h.resultOf(all))).toBe("grantedAll");
  });

  test("is among those that a release says the lock went to", () => {
    const h = new Harness();
    h.acquire("a", owner("x"));
    h.waitAll(["a/shared", "b"], owner("m"));
    h.wait("a", owner("y"), { mode: "shared" });
    expect(h.release("a", owner("x"))).toMatchObject({ grantedTo: ["m", "y"] });
  });

  test("sixty-four locks are granted in the entry that frees the last of them", () => {
    const h = new Harness();
    const names = Array.from({ length: 64 }, (_, i) => `l${i}`);
    names.forEach((name, i) => h.acquire(name, owner(`o${i}`)));
    const m = h.waitAll(names, owner("m"));
    names.forEach((name, i) => {
      expect(h.resultOf(m)).toBeUndefined();
      h.release(name, owner(`o${i}`));
    });
    expect(tokensOf(h.resultOf(m))).toHaveLength(64);
  });
});

describe("the end of a multi-lock's wait (L6, L7)", () => {
  test("by its deadline names the first lock that is in the way", () => {
    const h = new Harness();
    h.acquire("b", owner("x"));
    h.acquire("c", owner("y"));
    const m = h.waitAll(["a", "b", "c"], owner("m"), { waitMs: 1_000 });
    h.time(1_000);
    expect(h.resultOf(m)).toEqual({
      type: "error",
      code: "lock_held",
      lock: "b",
      holders: [{ owner: "x", mode: "exclusive", heldForMs: 1_000, expiresInMs: 29_000 }],
    });
    expect(h.machine.counts).toMatchObject({ locks: 2, waiters: 0 });
  });

  test("by its session takes it out of every queue: no lock is granted to it", () => {
    const h = new Harness();
    h.open("s1");
    h.acquire("b", owner("x"));
    const m = h.waitAll(["a", "b"], session("s1"));
    h.run({ type: "closeSession", session: "s1" });
    h.release("b", owner("x"));
    expect(errorOf(h.resultOf(m))).toBe("session_expired");
    expect(heldBy(h, "ab")).toEqual({ a: "", b: "" });
  });

  test("by a restart of its node takes a sessionless one out, and leaves a session's", () => {
    const h = new Harness();
    h.open("s1");
    h.register(2, "node2");
    h.acquire("b", owner("x"), { envelope: { ingress: 2 } });
    h.waitAll(["a", "b"], session("s1"));
    const m = h.waitAll(["b", "c"], owner("m"));
    h.register(3, "node1");
    expect(errorOf(h.resultOf(m))).toBe("cancelled");
    h.run({ type: "release", lock: "b", holder: owner("x"), fencingToken: undefined }, { ingress: 3 });
    expect(heldBy(h, "abc")).toEqual({ a: "session-1", b: "session-1", c: "" });
  });

  test("by a cancel after the grant gives every lock back", () => {
    const h = new Harness();
    h.acquire("b", owner("x"));
    const m = h.waitAll(["a", "b"], once("r1"));
    const next = h.wait("a", owner("y"));
    h.release("b", owner("x"));
    h.cancel(m);
    expect(heldBy(h, "ab")).toEqual({ a: "y", b: "" });
    expect(errorOf(h.resultOf(next))).toBe("granted");
  });

  test("by a cancel of one that was granted at once gives back what it alone was answered with", () => {
    const h = new Harness();
    h.acquire("a", owner("c"));
    const sequence = h.next();
    h.acquireAll(["a", "b", "d", "e"], owner("c"), { envelope: { sequence } });
    h.acquire("d", owner("c"));
    h.release("e", owner("c"));
    h.cancel(sequence);
    expect(heldBy(h, "abde")).toEqual({ a: "c", b: "", d: "c", e: "" });
  });
});

describe("what a claimant holds already (L5, L6)", () => {
  test("is re-entered with its own token, past all who wait for it", () => {
    const h = new Harness();
    const token = h.token("a", owner("c"));
    h.wait("a", owner("x"));
    expect(tokensOf(h.acquireAll(["a", "b"], owner("c")))).toEqual([token, token + 1]);
  });

  test("is renewed when the rest is granted, and never for a shorter time than it had", () => {
    const h = new Harness();
    h.acquire("a", owner("c"), { ttlMs: 20_000 });
    h.acquire("b", owner("x"));
    const m = h.waitAll(["a", "b"], owner("c"), { ttlMs: 5_000 });
    h.release("b", owner("x"));
    const result = h.resultOf(m);
    expect(result?.type === "grantedAll" && result.grants.map((grant) => grant.expiresInMs)).toEqual([20_000, 5_000]);
  });

  test("keeps exclusive where shared is asked for", () => {
    const h = new Harness();
    h.acquire("a", owner("c"));
    const result = h.acquireAll(["a/shared", "b"], owner("c"));
    expect(result?.type === "grantedAll" && result.grants.map((grant) => grant.mode)).toEqual([
      "exclusive",
      "exclusive",
    ]);
  });

  test("is upgraded for a sole reader, at once and after a wait", () => {
    const h = new Harness();
    const [first] = tokensOf(h.acquireAll(["a/shared"], owner("c")));
    expect(tokensOf(h.acquireAll(["a", "b/shared"], owner("c")))[0]).toBeGreaterThan(first as number);
    h.acquire("d", owner("x"));
    const m = h.waitAll(["b", "d"], owner("c"));
    h.release("d", owner("x"));
    expect(tokensOf(h.resultOf(m))).toHaveLength(2);
    expect(h.machine.view("b").mode).toBe("exclusive");
  });

  test("cannot be upgraded beside other readers: upgrade_conflict at once, whatever else is taken", () => {
    const h = new Harness();
    h.acquire("b", owner("c"), { mode: "shared" });
    h.acquire("b", owner("x"), { mode: "shared" });
    h.acquire("a", owner("y"));
    expect(h.acquireAll(["a", "b"], owner("c"), waiting)).toEqual({
      type: "error",
      code: "upgrade_conflict",
      lock: "b",
      holders: [{ owner: "x", mode: "shared", heldForMs: 0, expiresInMs: 30_000 }],
    });
  });

  test("while it waits is kept, and may be given back without losing the place", () => {
    const h = new Harness();
    h.acquire("a", owner("c"));
    h.acquire("b", owner("x"));
    const m = h.waitAll(["a", "b"], owner("c"));
    h.release("a", owner("c"));
    h.wait("a", owner("y"));
    expect(heldBy(h, "ab")).toEqual({ a: "", b: "x" });
    h.release("b", owner("x"));
    expect(errorOf(h.resultOf(m))).toBe("grantedAll");
  });

  test("a place for one of the locks alone is answered in the same step", () => {
    const h = new Harness();
    h.acquire("b", owner("x"));
    const m = h.waitAll(["a", "b"], owner("c"));
    const reader = h.wait("b", owner("c"), { mode: "shared" });
    h.release("b", owner("x"));
    expect(errorOf(h.resultOf(m))).toBe("grantedAll");
    expect(h.resultOf(reader)).toMatchObject({ type: "granted", mode: "exclusive" });
  });
});

describe("a claimant that waits for a lock twice (L5, L6)", () => {
  test("in two bundles gets the second when the first ends, past a reader that its own hold keeps out", () => {
    const h = new Harness();
    h.acquire("l", owner("c"));
    h.acquire("m", owner("z"));
    h.acquire("n", owner("y"));
    const first = h.waitAll(["l", "m"], owner("c"));
    h.wait("l", owner("d"), { mode: "shared" });
    const second = h.waitAll(["l/shared", "n"], owner("c"));
    h.release("n", owner("y"));
    expect(h.resultOf(second)).toBeUndefined();
    h.cancel(first);
    expect(errorOf(h.resultOf(second))).toBe("grantedAll");
  });

  test("in a bundle and then alone holds it once when both read", () => {
    const h = new Harness();
    h.acquire("a", owner("x"));
    const m = h.waitAll(["a/shared"], owner("c"));
    const alone = h.wait("a", owner("c"), { mode: "shared" });
    h.release("a", owner("x"));
    expect([h.resultOf(m), h.resultOf(alone)].map(errorOf)).toEqual(["grantedAll", "granted"]);
    expect(heldBy(h, "a")).toEqual({ a: "c" });
    expect(h.machine.counts.holds).toBe(1);
  });
});

describe("asking again for the same locks (L6, Q1)", () => {
  test("joins the place, in whatever order they are named", () => {
    const h = new Harness();
    h.acquire("b", owner("x"));
    const m = h.waitAll(["a", "b"], owner("c"));
    h.wait("a", owner("y"));
    const again = h.waitAll(["b", "a"], owner("c"));
    expect(h.machine.counts.waiters).toBe(3);
    h.release("b", owner("x"));
    expect(h.resultOf(again)).toEqual(h.resultOf(m) as never);
    h.cancel(m);
    expect(heldBy(h, "ab")).toEqual({ a: "c", b: "c" });
  });

  test("in another mode is another place", () => {
    const h = new Harness();
    h.acquire("b", owner("x"));
    h.waitAll(["a", "b"], owner("c"));
    h.waitAll(["a/shared", "b"], owner("c"));
    expect(h.machine.counts.waiters).toBe(4);
  });

  test("under the same Idempotency-Key gives the same grants, and no cancel of one attempt takes them from the other", () => {
    const h = new Harness();
    const key = { idempotencyKey: "k" };
    const sequence = h.next();
    const first = h.acquireAll(["a", "b"], once("r1"), { envelope: { ...key, sequence } });
    expect(h.acquireAll(["a", "b"], once("r2"), { envelope: key })).toEqual(first as never);
    h.cancel(sequence);
    expect(heldBy(h, "ab")).toEqual({ a: "node1", b: "node1" });
    expect(errorOf(h.acquireAll(["a"], once("r3"), { envelope: key }))).toBe("idempotency_key_reused");
  });

  test("under the same key while it waits joins it", () => {
    const h = new Harness();
    h.acquire("b", owner("x"));
    const key = { idempotencyKey: "k" };
    const m = h.waitAll(["a", "b"], once("r1"), { envelope: key });
    const again = h.waitAll(["a", "b"], once("r2"), { envelope: key });
    h.cancel(m);
    h.release("b", owner("x"));
    expect(errorOf(h.resultOf(again))).toBe("grantedAll");
  });

  test("after a cancel under the same key executes anew", () => {
    const h = new Harness();
    const envelope = { idempotencyKey: "k", sequence: h.next() };
    const first = tokensOf(h.acquireAll(["a", "b"], owner("c"), { envelope }));
    h.cancel(envelope.sequence);
    const second = tokensOf(h.acquireAll(["a", "b"], owner("c"), { envelope: { idempotencyKey: "k" } }));
    expect(second[0]).toBeGreaterThan(first[1] as number);
  });
});

describe("a deadlock with multi-locks (L4, L6)", () => {
  test("two that name the same locks in opposite orders never make one", () => {
    const h = new Harness();
    h.acquire("a", owner("x"));
    const one = h.waitAll(["a", "b"], owner("m"));
    const two = h.waitAll(["b", "a"], owner("n"));
    h.release("a", owner("x"));
    expect(errorOf(h.resultOf(one))).toBe("grantedAll");
    h.release("a", owner("m"));
    h.release("b", owner("m"));
    expect(errorOf(h.resultOf(two))).toBe("grantedAll");
  });

  test("is found over any of the places, with the cycle", () => {
    const h = new Harness();
    h.acquire("b", owner("x"));
    h.acquire("z", owner("m"));
    h.wait("z", owner("x"));
    expect(h.acquireAll(["a", "b"], owner("m"), waiting)).toEqual({
      type: "error",
      code: "deadlock",
      cycle: [
        { owner: "m", lock: "b", mode: "exclusive", blockedBy: "x" },
        { owner: "x", lock: "z", mode: "exclusive", blockedBy: "m" },
      ],
    });
    expect(h.machine.counts).toMatchObject({ locks: 2, waiters: 1 });
  });

  test("is found through a bundle that waits ahead and holds nothing there", () => {
    const h = new Harness();
    h.acquire("b", owner("x"));
    h.waitAll(["a", "b"], owner("m"));
    expect(errorOf(h.acquire("a", owner("x"), waiting))).toBe("deadlock");
  });

  test("is found where a lock that the claimant holds is waited for by another", () => {
    const h = new Harness();
    h.acquire("a", owner("c"));
    h.wait("a", owner("x"));
    h.acquire("b", owner("y"));
    expect(h.acquireAll(["a", "b"], owner("c"), waiting)).toEqual({
      type: "error",
      code: "deadlock",
      cycle: [
        { owner: "c", lock: "a", mode: "exclusive", blockedBy: "x" },
        { owner: "x", lock: "a", mode: "exclusive", blockedBy: "c" },
      ],
    });
  });

  test("is not what one's own holds and places are", () => {
    const h = new Harness();
    h.acquire("a", owner("c"));
    h.acquire("b", owner("x"));
    h.waitAll(["a", "b"], owner("c"));
    h.waitAll(["a/shared", "b"], owner("c"));
    h.wait("b", owner("c"));
    expect(h.machine.counts.waiters).toBe(5);
  });

  test("is found when a reader becomes exclusive past a bundle that reads", () => {
    const h = new Harness();
    h.acquire("k", owner("c"));
    h.acquire("m", owner("e"));
    h.acquire("l", owner("d"), { mode: "shared" });
    h.waitAll(["l/shared", "m"], owner("c"));
    h.wait("k", owner("d"));
    expect(h.acquire("l", owner("d"), waiting)).toEqual({
      type: "error",
      code: "deadlock",
      cycle: [
        { owner: "d", lock: "k", mode: "exclusive", blockedBy: "c" },
        { owner: "c", lock: "l", mode: "shared", blockedBy: "d" },
      ],
    });
    expect(h.machine.view("l").mode).toBe("shared");
    expect(errorOf(h.acquireAll(["l", "f"], owner("d"), waiting))).toBe("deadlock");
    expect(h.machine.view("f").mode).toBeUndefined();
  });

  test("shows in the wait-for graph with an edge for each place", () => {
    const h = new Harness();
    h.acquire("a", owner("x"));
    h.acquire("b", owner("y"));
    h.waitAll(["a", "b"], owner("m"));
    h.wait("b", owner("z"));
    const shown = h.machine.waitForGraph(10).map(({ owner: who, lock, blockedBy }) => `${who} ${lock} ${blockedBy}`);
    expect(shown).toEqual(["m a x", "m b y", "z b y", "z b m"]);
  });
});

describe("limits of multi-locks", () => {
  const asking = (bounds: Parameters<typeof Harness.prototype.acquireAll>[2], h: Harness) =>
    h.acquireAll(["a", "b"], owner("m"), bounds);

  test.each([
    ["maxWaiters", { maxWaiters: 1 }],
    ["maxLocks", { maxLocks: 1 }],
    ["maxWaitersPerLock", { maxWaitersPerLock: 0 }],
  ] as const)("%s counts every place of one that waits", (limit, bounds) => {
    const h = new Harness(bounds);
    h.acquire("b", owner("x"));
    expect(asking(waiting, h)).toEqual({ type: "error", code: "limit", limit });
    expect(h.machine.counts).toMatchObject({ locks: 1, waiters: 0 });
  });

  test.each([
    ["maxHolds", { maxHolds: 1 }],
    ["maxLocks", { maxLocks: 1 }],
  ] as const)("%s counts every lock of one that is granted", (limit, bounds) => {
    const h = new Harness(bounds);
    expect(asking({}, h)).toEqual({ type: "error", code: "limit", limit });
    expect(h.machine.counts).toMatchObject({ locks: 0, holds: 0 });
  });

  test("the digest tells what a bundle waits for, in which order, and until when", () => {
    const run = (locks: readonly string[], waitMs: number) => {
      const h = new Harness();
      h.acquire("a", owner("x"));
      h.acquire("b", owner("x"));
      h.waitAll(locks, owner("m"), { waitMs });
      expect(h.twin.digest()).toBe(h.machine.digest());
      return h.machine.digest();
    };
    const digests = [run(["a", "b"], 50), run(["b", "a"], 50), run(["a", "b/shared"], 50), run(["a", "b"], 60)];
    expect(new Set(digests).size).toBe(4);
  });

  test("a session's view counts every place", () => {
    const h = new Harness();
    h.open("s1");
    h.acquire("b", owner("x"));
    h.waitAll(["a", "b"], session("s1"));
    expect(h.machine.sessions(0, 10)[0]).toMatchObject({ holds: 0, waiters: 2 });
    expect(h.waiters("a")).toEqual(["session-1"]);
  });
});
