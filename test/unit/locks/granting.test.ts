import { describe, expect, test } from "bun:test";
import { errorOf, Harness, once, owner, session, tokenOf } from "./harness.ts";

const shared = { mode: "shared" } as const;

describe("granting", () => {
  test("a free lock is granted at once, with its lease", () => {
    const h = new Harness();
    expect(h.acquire("x", owner("a"), { ttlMs: 5_000 })).toEqual({
      type: "granted",
      lock: "x",
      mode: "exclusive",
      owner: "a",
      fencingToken: 1,
      principalId: "owner:a",
      expiresInMs: 5_000,
    });
  });

  test("a request that does not wait gets the holders of a taken lock", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    expect(h.acquire("x", owner("b"))).toEqual({
      type: "error",
      code: "lock_held",
      lock: "x",
      holders: [{ owner: "a", mode: "exclusive", heldForMs: 0, expiresInMs: 30_000 }],
    });
    expect(h.machine.counts.waiters).toBe(0);
  });

  test("a one-shot request is shown as its node and named by its secret", () => {
    const h = new Harness();
    expect(h.acquire("x", once("secret"))).toMatchObject({ owner: "node1", principalId: "secret" });
    expect(JSON.stringify(h.machine.view("x"))).not.toContain("secret");
  });

  test("a session is shown by its number, never by its secret id", () => {
    const h = new Harness();
    h.open("secret");
    expect(h.acquire("x", session("secret"))).toMatchObject({
      owner: "session-1",
      principalId: "secret",
      expiresInMs: 10_000,
    });
    expect(JSON.stringify(h.machine.view("x"))).not.toContain("secret");
  });

  test("an owner and a session of the same text are two principals", () => {
    const h = new Harness();
    h.open("same");
    h.acquire("x", owner("same"));
    expect(errorOf(h.acquire("x", session("same")))).toBe("lock_held");
  });

  test("waiters are served first come, first served", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    const b = h.wait("x", owner("b"));
    const c = h.wait("x", owner("c"));
    expect(h.release("x", owner("a"))).toMatchObject({ type: "released", grantedTo: ["b"] });
    expect(tokenOf(h.resultOf(b))).toBe(2);
    expect(h.resultOf(c)).toBeUndefined();
    h.release("x", owner("b"));
    expect(tokenOf(h.resultOf(c))).toBe(3);
  });

  test("adjacent shared waiters are granted together, in one step", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    const b = h.wait("x", owner("b"), shared);
    const c = h.wait("x", owner("c"), shared);
    h.wait("x", owner("d"));
    h.wait("x", owner("e"), shared);
    expect(h.release("x", owner("a"))).toMatchObject({ grantedTo: ["b", "c"] });
    expect(tokenOf(h.resultOf(b))).toBe(tokenOf(h.resultOf(c)));
    expect(h.holders("x")).toEqual(["b", "c"]);
    expect(h.waiters("x")).toEqual(["d", "e"]);
  });

  test("a shared request behind a waiting exclusive waits, too (L5)", () => {
    const h = new Harness();
    h.acquire("x", owner("a"), shared);
    h.wait("x", owner("b"));
    h.wait("x", owner("c"), shared);
    expect(h.waiters("x")).toEqual(["b", "c"]);
  });

  test("when a waiting exclusive gives up, the shared ones behind it join the phase that runs", () => {
    const h = new Harness();
    const phase = h.token("x", owner("a"), shared);
    const b = h.wait("x", owner("b"));
    const c = h.wait("x", owner("c"), shared);
    h.cancel(b);
    expect(tokenOf(h.resultOf(c))).toBe(phase);
    expect(h.waiters("x")).toEqual([]);
  });

  test("when a waiting exclusive runs out of time, the shared ones behind it are granted", () => {
    const h = new Harness();
    h.acquire("x", owner("a"), shared);
    h.wait("x", owner("b"), { waitMs: 1_000 });
    const c = h.wait("x", owner("c"), shared);
    h.time(1_000);
    expect(errorOf(h.resultOf(c))).toBe("granted");
  });

  test("a lock that is free and not waited for takes no place in the table", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    h.release("x", owner("a"));
    expect(h.machine.counts).toEqual({
      locks: 0,
      semaphores: 0,
      holds: 0,
      waiters: 0,
      sessions: 0,
      fences: 0,
    });
    expect(h.machine.view("x")).toEqual({
      lock: "x",
      mode: undefined,
      holders: [],
      waiters: [],
      fencingToken: undefined,
      value: undefined,
      revision: 0,
      holderTimes: [],
      waiterTimes: [],
    });
  });

  test("at most a hundred names are shown in a result", () => {
    const h = new Harness();
    for (let i = 0; i < 150; i++) h.acquire("x", once(`r${i}`), shared);
    const refused = h.acquire("x", owner("w"));
    expect(refused?.type === "error" && refused.code === "lock_held" && refused.holders.length).toBe(100);
  });
});

describe("re-entry and upgrade (L5)", () => {
  test("re-entry gives the hold's own token and a renewed lease", () => {
    const h = new Harness();
    const token = h.token("x", owner("a"), { ttlMs: 1_000 });
    h.nowMs = 900;
    expect(h.acquire("x", owner("a"), { ttlMs: 2_000 })).toMatchObject({ fencingToken: token, expiresInMs: 2_000 });
    h.time(2_899);
    expect(h.holders("x")).toEqual(["a"]);
    h.time(2_900);
    expect(h.holders("x")).toEqual([]);
  });

  test("re-entry is not counted: one release frees the lock", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    h.acquire("x", owner("a"));
    expect(h.release("x", owner("a"))?.type).toBe("released");
    expect(h.holders("x")).toEqual([]);
  });

  test("re-entry goes past all waiters", () => {
    const h = new Harness();
    h.acquire("x", owner("a"), shared);
    h.wait("x", owner("b"));
    expect(errorOf(h.acquire("x", owner("a"), shared))).toBe("granted");
  });

  test("a holder of exclusive that asks for shared keeps exclusive", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    expect(h.acquire("x", owner("a"), shared)).toMatchObject({ mode: "exclusive", fencingToken: 1 });
  });

  test("the sole holder of shared is upgraded, with a new token", () => {
    const h = new Harness();
    const token = h.token("x", owner("a"), shared);
    h.wait("x", owner("b"));
    const upgraded = h.acquire("x", owner("a"));
    expect(upgraded).toMatchObject({ type: "granted", mode: "exclusive" });
    expect(tokenOf(upgraded)).toBeGreaterThan(token);
  });

  test("one of several holders of shared is refused with the others", () => {
    const h = new Harness();
    h.acquire("x", owner("a"), shared);
    h.acquire("x", owner("b"), shared);
    expect(h.acquire("x", owner("a"), { waitMs: 1_000 })).toEqual({
      type: "error",
      code: "upgrade_conflict",
      lock: "x",
      holders: [{ owner: "b", mode: "shared", heldForMs: 0, expiresInMs: 30_000 }],
    });
    expect(h.holders("x")).toEqual(["a", "b"]);
  });

  test("a one-shot request is never re-entrant", () => {
    const h = new Harness();
    h.acquire("x", once("r1"));
    expect(errorOf(h.acquire("x", once("r2")))).toBe("lock_held");
  });

  test("who asks again in the same mode joins its place in the queue", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    const first = h.wait("x", owner("b"), { waitMs: 1_000 });
    const c = h.wait("x", owner("c"));
    const second = h.wait("x", owner("b"), { waitMs: 5_000 });
    expect(h.waiters("x")).toEqual(["b", "c"]);
    h.time(1_000);
    h.release("x", owner("a"));
    expect(h.resultOf(first)).toEqual(h.resultOf(second));
    expect(errorOf(h.resultOf(first))).toBe("granted");
    expect(h.resultOf(c)).toBeUndefined();
  });

  test("a place in the queue is not waited at by a request that does not wait", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    h.wait("x", owner("b"));
    expect(errorOf(h.acquire("x", owner("b")))).toBe("lock_held");
  });

  test("a grant answers the same owner's wait for shared as a re-entry", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    const exclusive = h.wait("x", owner("b"));
    const asShared = h.wait("x", owner("b"), { ...shared, ttlMs: 90_000 });
    h.release("x", owner("a"));
    expect(h.resultOf(asShared)).toMatchObject({ mode: "exclusive", expiresInMs: 90_000 });
    expect(tokenOf(h.resultOf(asShared))).toBe(tokenOf(h.resultOf(exclusive)));
    expect(h.machine.counts.waiters).toBe(0);
  });

  test("a shared grant answers the same owner's wait for exclusive as an upgrade", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    const asShared = h.wait("x", owner("b"), shared);
    const exclusive = h.wait("x", owner("b"));
    h.release("x", owner("a"));
    expect(h.resultOf(exclusive)).toMatchObject({ type: "granted", mode: "exclusive" });
    expect(tokenOf(h.resultOf(exclusive))).toBeGreaterThan(tokenOf(h.resultOf(asShared)));
  });

  test("a shared grant to several answers one's wait for exclusive with a conflict, and goes on behind it", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    h.wait("x", owner("b"), shared);
    h.wait("x", owner("c"), shared);
    const upgrade = h.wait("x", owner("b"), { mode: "exclusive" });
    const d = h.wait("x", owner("d"), shared);
    h.release("x", owner("a"));
    expect(errorOf(h.resultOf(upgrade))).toBe("upgrade_conflict");
    expect(errorOf(h.resultOf(d))).toBe("granted");
  });
});

describe("fencing tokens (L2)", () => {
  test("every exclusive grant advances the token, on any lock", () => {
    const h = new Harness();
    const tokens = ["x", "y", "z"].map((lock) => h.token(lock, owner("a")));
    expect(tokens).toEqual([1, 2, 3]);
  });

  test("two grants in one batch of entries never have equal tokens", () => {
    const h = new Harness();
    const first = h.token("x", owner("a"));
    h.release("x", owner("a"));
    expect(h.token("x", owner("b"))).toBeGreaterThan(first);
  });

  test("readers of one phase share a token, so a fence accepts each of them", () => {
    const h = new Harness();
    const a = h.token("x", owner("a"), shared);
    const b = h.token("x", owner("b"), shared);
    expect(b).toBe(a);
    expect(errorOf(h.run({ type: "fence", resource: "r", token: b }))).toBe("fenceAccepted");
    expect(errorOf(h.run({ type: "fence", resource: "r", token: a }))).toBe("fenceAccepted");
  });

  test("a phase lasts from its first reader until there is none", () => {
    const h = new Harness();
    const first = h.token("x", owner("a"), shared);
    h.acquire("x", owner("b"), shared);
    h.release("x", owner("a"));
    expect(h.token("x", owner("c"), shared)).toBe(first);
    h.release("x", owner("b"));
    h.release("x", owner("c"));
    expect(h.token("x", owner("a"), shared)).toBeGreaterThan(first);
  });

  test("a fence accepts its highest token again and refuses a smaller one with the highest", () => {
    const h = new Harness();
    const fence = (token: number) => h.run({ type: "fence", resource: "r", token });
    expect(fence(7)).toEqual({ type: "fenceAccepted", highest: 7 });
    expect(fence(7)).toEqual({ type: "fenceAccepted", highest: 7 });
    expect(fence(6)).toEqual({ type: "error", code: "stale_token", highest: 7 });
    expect(errorOf(h.run({ type: "fence", resource: "other", token: 1 }))).toBe("fenceAccepted");
  });
});
