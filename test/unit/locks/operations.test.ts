import { describe, expect, test } from "bun:test";
import { encodeCommand } from "../../../src/locks/codec.ts";
import { acquire, errorOf, Harness, NODE1, once, owner, session, tokenOf } from "./harness.ts";

const NODE2 = 2001;
const key = { envelope: { idempotencyKey: "k" } };

describe("operation ids (Q1)", () => {
  test("an acquire that is proposed twice is executed once: no second anonymous hold", () => {
    const h = new Harness();
    const command = acquire("x", once("r1"), { mode: "shared" });
    const first = h.run(command, { sequence: 10 });
    const second = h.run(command, { sequence: 10 });
    expect(second).toEqual(first as never);
    expect(h.machine.counts.holds).toBe(1);
  });

  test("a release that is proposed twice does not release a later hold", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    h.run({ type: "release", lock: "x", holder: owner("a"), fencingToken: undefined }, { sequence: 10 });
    h.acquire("x", owner("a"));
    const again = h.run({ type: "release", lock: "x", holder: owner("a"), fencingToken: undefined }, { sequence: 10 });
    expect(again?.type).toBe("released");
    expect(h.holders("x")).toEqual(["a"]);
  });

  test("an operation that waits is told so again, and keeps one place", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    const sequence = h.wait("x", once("r1"));
    h.propose(acquire("x", once("r1"), { waitMs: 10_000 }), { sequence });
    expect(h.last).toEqual([{ ingress: NODE1, sequence }]);
    expect(h.waiters("x")).toEqual(["node1"]);
  });

  test("below the floor everything is refused, and the floor never falls", () => {
    const h = new Harness();
    h.run(acquire("x", owner("a")), { sequence: 20, floor: 15 });
    expect(errorOf(h.run(acquire("y", owner("a")), { sequence: 14, floor: 1 }))).toBe("stale_operation");
    expect(h.machine.counts.locks).toBe(1);
  });

  test("a floor that passes an operation that waits does not end its wait", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    h.wait("x", owner("b"), { envelope: { sequence: 10 } });
    h.run({ type: "keepalive", sessions: [] }, { sequence: 30, floor: 30 });
    h.propose(acquire("x", owner("b"), { waitMs: 10_000 }), { sequence: 10 });
    expect(h.last).toEqual([{ ingress: NODE1, sequence: 10 }]);
    h.run({ type: "release", lock: "x", holder: owner("a"), fencingToken: undefined }, { sequence: 31 });
    expect(errorOf(h.resultOf(10))).toBe("granted");
    expect(errorOf(h.run(acquire("x", owner("b"), { waitMs: 10_000 }), { sequence: 10 }))).toBe("stale_operation");
  });

  test("of an unknown process is refused", () => {
    const h = new Harness();
    expect(errorOf(h.run(acquire("x", owner("a")), { ingress: 77, sequence: 1 }))).toBe("stale_operation");
    expect(h.machine.counts.locks).toBe(0);
  });

  test("beyond the window an operation is refused, each time that the same bytes come", () => {
    const h = new Harness({ maxOperationWindow: 100 });
    const far = { sequence: 95, floor: 5 };
    expect(h.run(acquire("x", owner("a")), far)).toEqual({ type: "error", code: "limit", limit: "maxOperationWindow" });
    h.run({ type: "keepalive", sessions: [] }, { sequence: 50, floor: 50 });
    expect(errorOf(h.run(acquire("x", owner("a")), far))).toBe("limit");
    expect(errorOf(h.run(acquire("x", owner("a")), { sequence: 95, floor: 50 }))).toBe("granted");
  });

  test("the last tenth of the window is kept for what gives back or keeps alive (R9)", () => {
    const h = new Harness({ maxOperationWindow: 100 });
    h.acquire("x", owner("a"));
    expect(errorOf(h.run(acquire("y", owner("a")), { sequence: 91 }))).toBe("limit");
    expect(
      errorOf(h.run({ type: "release", lock: "x", holder: owner("a"), fencingToken: undefined }, { sequence: 100 })),
    ).toBe("released");
  });
});

describe("an ingress that starts anew (Q1, L7)", () => {
  test("replaces its node's earlier process, whose operations are refused from then on", () => {
    const h = new Harness();
    expect(h.register(1002, "node1")).toEqual({ type: "registered" });
    expect(errorOf(h.acquire("x", owner("a")))).toBe("stale_operation");
    expect(errorOf(h.run(acquire("x", owner("a")), { ingress: 1002 }))).toBe("granted");
  });

  test("takes the sessionless waiters of the earlier process out of their queues", () => {
    const h = new Harness();
    h.open("s1", 60_000);
    h.acquire("x", owner("a"));
    const b = h.wait("x", owner("b"));
    h.wait("x", once("r1"));
    h.wait("x", session("s1"));
    h.register(1002, "node1");
    expect(h.waiters("x")).toEqual(["session-1"]);
    expect(errorOf(h.resultOf(b))).toBe("cancelled");
    h.run({ type: "release", lock: "x", holder: owner("a"), fencingToken: undefined }, { ingress: 1002 });
    expect(h.holders("x")).toEqual(["session-1"]);
  });

  test("lets the waiters of other nodes and its own holds be", () => {
    const h = new Harness();
    h.register(NODE2, "node2");
    h.acquire("x", owner("a"));
    h.wait("x", owner("b"), { envelope: { ingress: NODE2 } });
    h.register(1002, "node1");
    expect(h.holders("x")).toEqual(["a"]);
    expect(h.waiters("x")).toEqual(["b"]);
  });

  test("takes only its own operations from a place that several nodes wait at", () => {
    const h = new Harness();
    h.register(NODE2, "node2");
    h.acquire("x", owner("a"));
    h.wait("x", owner("b"));
    const other = h.wait("x", owner("b"), { envelope: { ingress: NODE2 } });
    h.register(1002, "node1");
    expect(h.waiters("x")).toEqual(["b"]);
    h.register(2002, "node2");
    expect(h.waiters("x")).toEqual([]);
    expect(errorOf(h.resultOf(other, NODE2))).toBe("cancelled");
  });

  test("a session that comes back through another node finds its place", () => {
    const h = new Harness();
    h.register(NODE2, "node2");
    h.open("s1", 60_000);
    h.acquire("x", owner("a"));
    h.wait("x", session("s1"));
    const c = h.wait("x", owner("c"), { envelope: { ingress: NODE2 } });
    h.register(1002, "node1");
    const again = h.wait("x", session("s1"), { envelope: { ingress: NODE2 } });
    h.run({ type: "release", lock: "x", holder: owner("a"), fencingToken: undefined }, { ingress: NODE2 });
    expect(errorOf(h.resultOf(again, NODE2))).toBe("granted");
    expect(h.resultOf(c, NODE2)).toBeUndefined();
  });

  test("a late copy of an earlier process's registration does not bring it back", () => {
    const h = new Harness();
    h.register(1002, "node1");
    expect(errorOf(h.register(NODE1, "node1", { sequence: 1 }))).toBe("stale_operation");
    expect(errorOf(h.run(acquire("x", owner("a")), { ingress: 1002 }))).toBe("granted");
  });

  test("a process that was replaced by mistake and registers anew does not execute twice", () => {
    const h = new Harness();
    h.acquire("x", owner("a"), { envelope: { sequence: 5 } });
    h.register(1002, "node1");
    expect(errorOf(h.register(NODE1, "node1", { sequence: 6 }))).toBe("registered");
    h.run({ type: "release", lock: "x", holder: owner("a"), fencingToken: undefined }, { sequence: 7 });
    expect(errorOf(h.acquire("x", owner("a"), { envelope: { sequence: 5 } }))).toBe("granted");
    expect(h.holders("x")).toEqual([]);
  });

  test("a process that gave way and came back cancels only what is still the answer to that acquire alone", () => {
    const h = new Harness();
    const ended = h.next();
    h.acquire("x", owner("a"), { ttlMs: 1_000, envelope: { sequence: ended } });
    const renewed = h.next();
    h.acquire("y", owner("a"), { envelope: { sequence: renewed } });
    h.register(1002, "node1");
    h.time(5_000);
    h.acquire("x", owner("b"), { envelope: { ingress: 1002 } });
    h.acquire("y", owner("a"), { envelope: { ingress: 1002 } });
    h.register(NODE1, "node1");
    h.cancel(ended);
    h.cancel(renewed);
    expect([h.holders("x"), h.holders("y")]).toEqual([["b"], ["a"]]);
    expect(h.machine.counts.holds).toBe(2);
    expect(errorOf(h.acquire("x", owner("c")))).toBe("lock_held");
  });

  test("a registration that is proposed twice is answered twice and changes nothing", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    h.wait("x", owner("b"));
    expect(h.register(NODE1, "node1", { sequence: 1 })).toEqual({ type: "registered" });
    expect(h.waiters("x")).toEqual(["b"]);
  });
});

describe("idempotency keys (Q1)", () => {
  test("a retry through another node gets the same grant, not a second hold", () => {
    const h = new Harness();
    h.register(NODE2, "node2");
    const first = h.acquire("x", once("r1"), { mode: "shared", ...key });
    const retry = h.acquire("x", once("r2", "node2"), {
      mode: "shared",
      envelope: { idempotencyKey: "k", ingress: NODE2 },
    });
    expect(retry).toEqual(first as never);
    expect(h.machine.counts.holds).toBe(1);
  });

  test("a retry of a request that waits joins it, and both get the same grant", () => {
    const h = new Harness();
    h.register(NODE2, "node2");
    h.acquire("x", owner("a"));
    const first = h.wait("x", once("r1"), key);
    const retry = h.wait("x", once("r2", "node2"), { envelope: { idempotencyKey: "k", ingress: NODE2 } });
    expect(h.machine.counts.waiters).toBe(1);
    h.release("x", owner("a"));
    expect(h.resultOf(retry, NODE2)).toMatchObject({ type: "granted", principalId: "r1" });
    expect(h.resultOf(first)).toEqual(h.resultOf(retry, NODE2));
  });

  test("a late cancel of the first attempt does not take the lock from the retry", () => {
    const h = new Harness();
    h.acquire("x", once("r1"), { envelope: { idempotencyKey: "k", sequence: 10 } });
    const retry = h.acquire("x", once("r2"), { envelope: { idempotencyKey: "k", sequence: 11 } });
    h.cancel(10);
    expect(h.holders("x")).toEqual(["node1"]);
    expect(tokenOf(retry)).toBe(1);
    h.cancel(11);
    expect(h.holders("x")).toEqual(["node1"]);
  });

  test("a cancelled renewal does not take away what was granted before", () => {
    const h = new Harness();
    h.acquire("x", owner("a"), { envelope: { sequence: 10 } });
    h.acquire("x", owner("a"), { envelope: { sequence: 11 } });
    h.cancel(11);
    expect(h.holders("x")).toEqual(["a"]);
    h.cancel(10);
    expect(h.holders("x")).toEqual(["a"]);
  });

  test("the same key for another request is refused", () => {
    const h = new Harness();
    h.acquire("x", owner("a"), key);
    expect(errorOf(h.acquire("y", owner("a"), key))).toBe("idempotency_key_reused");
    expect(errorOf(h.acquire("x", owner("b"), key))).toBe("idempotency_key_reused");
    expect(h.machine.counts.locks).toBe(1);
  });

  test("an opened session is opened once, although each attempt draws its own id", () => {
    const h = new Harness();
    const open = (id: string) => h.run({ type: "openSession", session: id, ttlMs: 5_000 }, { idempotencyKey: "k" });
    expect(open("s2")).toEqual(open("s1") as never);
    expect(h.machine.counts.sessions).toBe(1);
  });

  test("after a cancel a retry executes anew", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    const waiting = h.wait("x", once("r1"), key);
    h.cancel(waiting);
    h.wait("x", once("r2"), key);
    expect(h.waiters("x")).toEqual(["node1"]);
    h.acquire("y", once("r3"), { envelope: { idempotencyKey: "l", sequence: 50 } });
    h.cancel(50);
    expect(h.acquire("y", once("r4"), { envelope: { idempotencyKey: "l" } })).toMatchObject({ principalId: "r4" });
  });

  test("a request refused for a limit may be retried under its key", () => {
    const h = new Harness({ maxSessions: 1 });
    h.open("s1", 1_000);
    const open = () => h.run({ type: "openSession", session: "s2", ttlMs: 5_000 }, { idempotencyKey: "k" });
    expect(errorOf(open())).toBe("limit");
    h.time(1_000);
    expect(errorOf(open())).toBe("sessionOpened");
  });

  test("a refusal that is final is final for the key", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    h.acquire("x", owner("b"), key);
    h.release("x", owner("a"));
    expect(errorOf(h.acquire("x", owner("b"), key))).toBe("lock_held");
  });

  test("a key is forgotten when it has been kept long enough after the end", () => {
    const h = new Harness({ idempotencyKeyKeepMs: 5_000 });
    h.acquire("x", once("r1"), { ttlMs: 1_000, ...key });
    h.time(4_999);
    expect(h.acquire("x", once("r2"), { ttlMs: 1_000, ...key })).toMatchObject({ principalId: "r1" });
    h.time(5_000);
    expect(h.acquire("x", once("r3"), { ttlMs: 1_000, ...key })).toMatchObject({ principalId: "r3" });
  });

  test("a key whose operations all went with their process is forgotten", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    h.wait("x", once("r1"), key);
    h.register(1002, "node1");
    h.run(acquire("y", once("r2")), { ingress: 1002, idempotencyKey: "k" });
    expect(h.holders("y")).toEqual(["node1"]);
  });
});

describe("limits and bad entries", () => {
  test.each([
    ["maxLocks", (h: Harness) => h.acquire("c", owner("a"))],
    ["maxHolds", (h: Harness) => h.acquire("b", owner("z"), { mode: "shared" })],
    ["maxWaitersPerLock", (h: Harness) => (h.wait("a", owner("w1")), h.acquire("a", owner("w2"), { waitMs: 1 }))],
    ["maxWaiters", (h: Harness) => (h.wait("a", owner("w1")), h.acquire("b", owner("w2"), { waitMs: 1 }))],
    ["maxWaiters", (h: Harness) => (h.wait("a", owner("w1")), h.acquire("a", owner("w1"), { waitMs: 1 }))],
    ["maxSessions", (h: Harness) => (h.open("s1"), h.open("s2"))],
    ["maxIngressNodes", (h: Harness) => h.register(9001, "node9")],
    [
      "maxFences",
      (h: Harness) => (
        h.run({ type: "fence", resource: "r1", token: 1 }),
        h.run({ type: "fence", resource: "r2", token: 1 })
      ),
    ],
  ] as const)("%s is refused by name when full", (limit, provoke) => {
    const bounds = {
      maxLocks: 100,
      maxHolds: 100,
      maxWaitersPerLock: 100,
      maxWaiters: 100,
      maxSessions: 1,
      maxFences: 1,
    };
    const h = new Harness({
      ...bounds,
      maxIngressNodes: 1,
      [limit]: limit === "maxLocks" || limit === "maxHolds" ? 2 : 1,
    });
    h.acquire("a", owner("a"));
    h.acquire("b", owner("b"), { mode: limit === "maxHolds" ? "shared" : "exclusive" });
    expect(provoke(h)).toEqual({ type: "error", code: "limit", limit });
  });

  test("a key too many is refused, and the reserve still takes a release", () => {
    const h = new Harness({ maxIdempotencyKeys: 10 });
    for (let i = 0; i < 9; i++) h.acquire(`l${i}`, owner("a"), { envelope: { idempotencyKey: `k${i}` } });
    expect(h.acquire("x", owner("a"), { envelope: { idempotencyKey: "new" } })).toEqual({
      type: "error",
      code: "limit",
      limit: "maxIdempotencyKeys",
    });
    const release = { type: "release", lock: "l0", holder: owner("a"), fencingToken: undefined } as const;
    expect(errorOf(h.run(release, { idempotencyKey: "new" }))).toBe("released");
  });

  test("a command that cannot be decoded has no outcome, changes nothing and is counted", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    const good = encodeCommand({
      ingress: NODE1,
      sequence: 99,
      floor: 1,
      idempotencyKey: undefined,
      command: acquire("y", owner("b")),
    });
    expect(h.entry("command", good.subarray(0, good.length - 1))).toEqual([]);
    expect(h.machine.undecodable).toBe(1);
    expect(h.machine.counts.locks).toBe(1);
  });

  test("durations at the ends of their ranges are taken as they are", () => {
    const h = new Harness();
    expect(h.acquire("x", owner("a"), { ttlMs: 0 })).toMatchObject({ expiresInMs: 0 });
    h.entry("time");
    expect(h.holders("x")).toEqual([]);
  });
});

describe("digest", () => {
  test("is equal for machines that applied the same entries and differs after every change", () => {
    const h = new Harness();
    const seen = new Set<string>();
    const steps = [
      () => h.open("s1"),
      () => h.acquire("x", session("s1")),
      () => h.acquire("y", owner("a"), { mode: "shared" }),
      () => h.wait("y", owner("b"), key),
      () => h.run({ type: "fence", resource: "r", token: 3 }),
      () => h.run({ type: "keepalive", sessions: ["s1"] }),
      () => h.release("y", owner("a")),
      () => h.register(NODE2, "node2"),
      () => h.time(100_000),
    ];
    for (const step of steps) {
      step();
      expect(h.twin.digest()).toBe(h.machine.digest());
      seen.add(h.machine.digest());
    }
    expect(seen.size).toBe(steps.length);
  });

  test("does not depend on the order in which independent things came", () => {
    const digestAfter = (fences: string[]) => {
      const h = new Harness();
      for (const resource of fences) h.run({ type: "fence", resource, token: 1 });
      return h.machine.digest();
    };
    expect(digestAfter(["a", "b", "c"])).toBe(digestAfter(["c", "a", "b"]));
  });
});
