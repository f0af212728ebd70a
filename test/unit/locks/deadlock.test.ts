import { describe, expect, test } from "bun:test";
import { errorOf, Harness, once, owner, session } from "./harness.ts";

const shared = { mode: "shared" } as const;
const waiting = { waitMs: 10_000 };

describe("deadlock detection (L4)", () => {
  test("two owners that lock x,y and y,x: the one that would close the cycle gets it, from itself to itself", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    h.acquire("y", owner("b"));
    h.wait("y", owner("a"));
    expect(h.acquire("x", owner("b"), waiting)).toEqual({
      type: "error",
      code: "deadlock",
      cycle: [
        { owner: "b", lock: "x", mode: "exclusive", blockedBy: "a" },
        { owner: "a", lock: "y", mode: "exclusive", blockedBy: "b" },
      ],
    });
    expect(h.machine.counts.waiters).toBe(1);
  });

  test("a cycle is found that has no edge to a holder", () => {
    const h = new Harness();
    for (const id of ["s1", "s2", "s3"]) h.open(id);
    h.acquire("A", session("s1"), shared);
    h.wait("A", session("s2"));
    h.acquire("B", session("s3"));
    h.wait("A", session("s3"), shared);
    const result = h.acquire("B", session("s1"), waiting);
    expect(result).toEqual({
      type: "error",
      code: "deadlock",
      cycle: [
        { owner: "session-1", lock: "B", mode: "exclusive", blockedBy: "session-3" },
        { owner: "session-3", lock: "A", mode: "shared", blockedBy: "session-2" },
        { owner: "session-2", lock: "A", mode: "exclusive", blockedBy: "session-1" },
      ],
    });
  });

  test("a request that does not wait is no deadlock", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    h.acquire("y", owner("b"));
    h.wait("y", owner("a"));
    expect(errorOf(h.acquire("x", owner("b")))).toBe("lock_held");
  });

  test("one-shot requests are vertices of their own and never part of a cycle", () => {
    const h = new Harness();
    h.acquire("x", once("r1"));
    h.acquire("y", once("r2"));
    h.wait("y", once("r3"));
    h.wait("x", once("r4"));
    expect(h.machine.waitForGraph(10)).toHaveLength(2);
  });

  test("when the cycle is broken by a release, the same request may wait", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    h.acquire("y", owner("b"));
    const a = h.wait("y", owner("a"));
    h.cancel(a);
    h.wait("x", owner("b"));
  });

  test("shared readers that wait for each other's locks in shared mode do not conflict", () => {
    const h = new Harness();
    h.acquire("x", owner("a"), shared);
    h.acquire("y", owner("b"), shared);
    expect(errorOf(h.acquire("y", owner("a"), { ...shared, ...waiting }))).toBe("granted");
    expect(errorOf(h.acquire("x", owner("b"), { ...shared, ...waiting }))).toBe("granted");
  });

  test("a request behind somebody who waits for the same owner's other request closes a cycle", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    h.wait("x", owner("b"), shared);
    h.wait("x", owner("c"));
    expect(errorOf(h.acquire("x", owner("b"), waiting))).toBe("deadlock");
  });

  test("a long chain is followed to its end", () => {
    const h = new Harness();
    const count = 200;
    for (let i = 0; i < count; i++) h.acquire(`l${i}`, owner(`o${i}`));
    for (let i = 0; i < count - 1; i++) h.wait(`l${i + 1}`, owner(`o${i}`));
    const result = h.acquire("l0", owner(`o${count - 1}`), waiting);
    expect(result?.type === "error" && result.code === "deadlock" && result.cycle.length).toBe(count);
  });

  test("the wait-for graph shows edges to holders and to earlier waiters, up to a limit", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    h.wait("x", owner("b"));
    h.wait("x", owner("c"));
    expect(h.machine.waitForGraph(10)).toEqual([
      { owner: "b", lock: "x", mode: "exclusive", blockedBy: "a" },
      { owner: "c", lock: "x", mode: "exclusive", blockedBy: "a" },
      { owner: "c", lock: "x", mode: "exclusive", blockedBy: "b" },
    ]);
    expect(h.machine.waitForGraph(2)).toHaveLength(2);
  });
});
