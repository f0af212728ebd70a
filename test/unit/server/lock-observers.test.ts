import { describe, expect, test } from "bun:test";
import type { ApiError } from "../../../src/api/errors.ts";
import { limits } from "../../../src/kernel/limits.ts";
import { LockObservers } from "../../../src/server/lock-observers.ts";

const LONG_MS = 60_000;

/** Observers of locks whose revisions the test sets, and who of them has been answered. */
function observed() {
  const revisions = new Map<string, number>();
  const listeners = new Map<string, () => void>();
  const observers = new LockObservers({
    revision: (lock) => revisions.get(lock) ?? 0,
    observe: (lock, listener) => {
      expect(listeners.has(lock)).toBe(false);
      listeners.set(lock, listener);
      return () => void listeners.delete(lock);
    },
  });
  const answered: string[] = [];
  return {
    observers,
    answered,
    listeners,
    change: (lock: string, revision: number): void => {
      revisions.set(lock, revision);
      listeners.get(lock)?.();
    },
    wait: (name: string, lock: string, after: number, waitMs = LONG_MS, signal?: AbortSignal) =>
      observers.wait(lock, { after, waitMs, signal }).then(
        () => void answered.push(name),
        (error: Error) => void answered.push(`${name}: ${error.message}`),
      ),
  };
}

/** Lets everything happen that is to happen without time going by. */
async function settle(turns = 3): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe("an observer", () => {
  test("is answered when its lock changes, and not when another one does", async () => {
    const { observers, answered, change, wait } = observed();
    void wait("a", "x", 0);
    void wait("b", "y", 0);
    change("x", 5);
    await settle();
    expect([answered, observers.count]).toEqual([["a"], 1]);
    observers.close();
    await settle();
    expect(observers.count).toBe(0);
  });

  test("that knows an older revision is answered at once", async () => {
    const { observers, change, wait } = observed();
    change("x", 5);
    await wait("a", "x", 4);
    expect(observers.count).toBe(0);
  });

  test("goes on waiting when the lock was taken and released before anybody looked", async () => {
    const { observers, answered, change, wait } = observed();
    void wait("a", "x", 0);
    change("x", 5);
    change("x", 0);
    await settle();
    expect([answered, observers.count]).toEqual([[], 1]);
    change("x", 7);
    await settle();
    expect([answered, observers.count]).toEqual([["a"], 0]);
  });

  test("is answered when its time is over, and gives its place back", async () => {
    const { observers, answered, wait } = observed();
    await wait("a", "x", 0, 5);
    expect([answered, observers.count]).toEqual([["a"], 0]);
  });

  test("that does not wait takes no place", async () => {
    const { observers, answered, wait } = observed();
    await wait("a", "x", 0, 0);
    expect([answered, observers.count]).toEqual([["a"], 0]);
  });

  test("is the only reason to listen to its lock", async () => {
    const { listeners, change, wait } = observed();
    const waiting = [wait("a", "x", 0), wait("b", "x", 0), wait("c", "y", 0, 5)];
    expect([...listeners.keys()]).toEqual(["x", "y"]);
    change("x", 5);
    await Promise.all(waiting);
    expect(listeners.size).toBe(0);
  });

  test("that went away gives its place back at once", async () => {
    const { observers, answered, change, wait } = observed();
    const gone = new AbortController();
    const ended = wait("a", "x", 0, LONG_MS, gone.signal);
    expect(observers.count).toBe(1);
    gone.abort();
    expect(observers.count).toBe(0);
    await ended;
    expect(answered).toEqual(["a: aborted"]);
    change("x", 5);
    await settle();
    expect(answered).toEqual(["a: aborted"]);
    await wait("b", "x", 5, LONG_MS, gone.signal);
    expect([answered.at(-1), observers.count]).toEqual(["b: aborted", 0]);
  });

  test("is not told to look at locks that a broken turn may have changed by half", async () => {
    const { observers, answered, change, wait } = observed();
    void wait("a", "x", 0);
    void wait("b", "y", 0, 1);
    change("x", 5);
    observers.break();
    await Bun.sleep(2);
    await settle();
    await wait("c", "x", 0);
    expect(answered).toEqual(["a: no_leader", "b: no_leader", "c: no_leader"]);
    expect(observers.count).toBe(0);
  });

  test("is answered when the node stops, and none waits after that", async () => {
    const { observers, answered, wait } = observed();
    const waiting = [wait("a", "x", 0), wait("b", "y", 0)];
    observers.close();
    await Promise.all(waiting);
    await wait("c", "x", 0);
    expect([answered, observers.count]).toEqual([["a", "b", "c"], 0]);
  });
});

describe("very many observers", () => {
  test("are answered in many turns of the loop, none of which is long (PROTOCOLS D10)", async () => {
    const { observers, answered, change, wait } = observed();
    const all = Array.from({ length: 5_000 }, (_, i) => wait(`o${i}`, "x", 0));
    change("x", 1);
    await settle(1);
    expect(answered.length).toBeGreaterThan(0);
    expect(answered.length).toBeLessThan(1_000);
    await Promise.all(all);
    expect([new Set(answered).size, observers.count]).toEqual([5_000, 0]);
  });

  test("see what changes while they are being answered", async () => {
    const { observers, answered, change, wait } = observed();
    const all = Array.from({ length: 2_000 }, (_, i) => wait(`o${i}`, "x", 0));
    change("x", 1);
    await settle(1);
    const known = wait("known", "x", 1);
    change("x", 2);
    await Promise.all([...all, known]);
    expect([answered.length, observers.count]).toEqual([2_001, 0]);
  });

  test("are refused beyond the limit, until one has gone", async () => {
    const { observers, change, wait } = observed();
    const gone = new AbortController();
    const all = [wait("first", "x", 0, LONG_MS, gone.signal)];
    while (all.length < limits.maxObservers) all.push(wait("more", `x${all.length % 7}`, 0));
    const refusal = await observers.wait("x", { after: 0, waitMs: LONG_MS }).catch((error: ApiError) => error);
    expect(refusal).toMatchObject({ code: "limit", details: { limit: "maxObservers" } });
    gone.abort();
    all.push(wait("another", "x", 0));
    expect(observers.count).toBe(limits.maxObservers);
    for (let i = 0; i < 7; i++) change(`x${i}`, 1);
    change("x", 1);
    await Promise.all(all);
    expect(observers.count).toBe(0);
  });
});
