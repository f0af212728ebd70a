import { describe, expect, test } from "bun:test";
import { errorOf, Harness, once, owner, session } from "./harness.ts";

const shared = { mode: "shared" } as const;

describe("release", () => {
  test("of a lock that nobody holds is refused", () => {
    expect(new Harness().release("x", owner("a"))).toEqual({ type: "error", code: "not_held" });
  });

  test("by another than the holder is refused with the holders", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    expect(h.release("x", owner("b"))).toEqual({
      type: "error",
      code: "not_owner",
      holders: [{ owner: "a", mode: "exclusive", heldForMs: 0, expiresInMs: 30_000 }],
    });
  });

  test("with another grant's token is refused with the hold's own", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    h.release("x", owner("a"));
    h.acquire("x", owner("a"));
    expect(h.release("x", owner("a"), 1)).toEqual({ type: "error", code: "stale_token", highest: 2 });
    expect(h.release("x", owner("a"), 2)).toEqual({
      type: "released",
      lock: "x",
      releasedBy: "a",
      grantedTo: undefined,
    });
  });

  test("by a session that is over is refused as such", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    expect(errorOf(h.release("x", session("gone")))).toBe("session_expired");
  });

  test("without a name takes the oldest one-shot hold of that node", () => {
    const h = new Harness();
    h.acquire("x", owner("node1"), shared);
    h.acquire("x", once("other", "node2"), shared);
    h.acquire("x", once("first"), shared);
    h.acquire("x", once("second"), shared);
    expect(h.release("x", { kind: "anonymous", node: "node1" })).toMatchObject({ releasedBy: "node1" });
    expect(errorOf(h.release("x", { kind: "onceId", id: "first" }))).toBe("not_owner");
    expect(errorOf(h.release("x", { kind: "onceId", id: "second" }))).toBe("released");
    expect(errorOf(h.release("x", { kind: "anonymous", node: "node1" }))).toBe("not_owner");
    expect(h.holders("x")).toEqual(["node1", "node2"]);
  });

  test("of one reader leaves the others and their phase", () => {
    const h = new Harness();
    h.acquire("x", owner("a"), shared);
    h.acquire("x", owner("b"), shared);
    h.wait("x", owner("c"));
    expect(h.release("x", owner("a"))).toMatchObject({ grantedTo: undefined });
    expect(h.release("x", owner("b"))).toMatchObject({ grantedTo: ["c"] });
  });
});

describe("sessions", () => {
  test("get public names in the order in which they were opened", () => {
    const h = new Harness();
    expect(h.open("s1", 5_000)).toEqual({
      type: "sessionOpened",
      session: "s1",
      name: "session-1",
      expiresInMs: 5_000,
    });
    expect(h.open("s2")).toMatchObject({ name: "session-2" });
  });

  test("opened again are the same, renewed", () => {
    const h = new Harness();
    h.open("s1", 5_000);
    h.nowMs = 4_000;
    expect(h.open("s1", 6_000)).toMatchObject({ name: "session-1", expiresInMs: 6_000 });
    h.time(9_999);
    expect(h.machine.counts.sessions).toBe(1);
  });

  test("when closed release what they hold and end their waits", () => {
    const h = new Harness();
    h.open("s1");
    h.acquire("x", session("s1"));
    h.acquire("y", owner("a"));
    const waiting = h.wait("y", session("s1"));
    const next = h.wait("x", owner("b"));
    expect(h.run({ type: "closeSession", session: "s1" })).toEqual({
      type: "sessionClosed",
      released: ["x"],
      releasedSemaphores: [],
    });
    expect(errorOf(h.resultOf(waiting))).toBe("session_expired");
    expect(errorOf(h.resultOf(next))).toBe("granted");
    expect(errorOf(h.run({ type: "closeSession", session: "s1" }))).toBe("session_expired");
  });

  test("that are unknown acquire nothing", () => {
    const h = new Harness();
    expect(errorOf(h.acquire("x", session("unknown")))).toBe("session_expired");
    expect(h.machine.counts.locks).toBe(0);
  });

  test("are renewed by any acquire of theirs", () => {
    const h = new Harness();
    h.open("s1", 5_000);
    h.nowMs = 4_000;
    h.acquire("x", session("s1"));
    h.time(8_999);
    expect(h.machine.counts.sessions).toBe(1);
    h.time(9_000);
    expect(h.machine.counts).toMatchObject({ sessions: 0, holds: 0 });
  });

  test("of one keepalive get their answers in its order", () => {
    const h = new Harness();
    h.open("s1", 5_000);
    h.open("s2", 6_000);
    expect(h.run({ type: "keepalive", sessions: ["s2", "unknown", "s1"] })).toEqual({
      type: "keptAlive",
      expiresInMs: [6_000, undefined, 5_000],
    });
  });
});
