import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Harness, owner } from "./harness.ts";

const names = (h: Harness, prefix = "", after = "", limit = 1_000) =>
  h.machine.page({ prefix, after, limit }).map((view) => view.lock);

function holding(locks: readonly string[]): Harness {
  const h = new Harness();
  for (const lock of locks) h.acquire(lock, owner("a"));
  return h;
}

describe("pages of locks", () => {
  test("are in code-unit order, whatever the order of creation", () => {
    expect(names(holding(["b", "Z", "é", "a10", "a9"]))).toEqual(["Z", "a10", "a9", "b", "é"]);
  });

  test("start after the given name and end at the limit", () => {
    const h = holding(["a", "b", "c", "d"]);
    expect(names(h, "", "a", 2)).toEqual(["b", "c"]);
    expect(names(h, "", "bb")).toEqual(["c", "d"]);
    expect(names(h, "", "", 0)).toEqual([]);
  });

  test("hold the names of a prefix alone, also after a name outside of it", () => {
    const h = holding(["a", "b1", "b2", "c"]);
    expect(names(h, "b")).toEqual(["b1", "b2"]);
    expect(names(h, "b", "a")).toEqual(["b1", "b2"]);
    expect(names(h, "b", "b1")).toEqual(["b2"]);
    expect(names(h, "b", "c")).toEqual([]);
  });

  test("show what changed since the last page", () => {
    const h = holding(["a", "c"]);
    names(h);
    h.acquire("b", owner("a"));
    h.release("c", owner("a"));
    expect(names(h)).toEqual(["a", "b"]);
    h.acquire("c", owner("a"));
    expect(names(h)).toEqual(["a", "b", "c"]);
  });

  test("stay right when far more locks come and go between two pages than there are", () => {
    const h = holding(["m"]);
    names(h);
    for (let i = 0; i < 3_000; i++) {
      h.acquire(`l${i}`, owner("a"));
      h.release(`l${i}`, owner("a"));
    }
    h.acquire("k", owner("a"));
    expect(names(h)).toEqual(["k", "m"]);
  });

  test("of very many locks stay in order while they come and go", () => {
    const h = new Harness();
    const held = new Set<string>();
    for (let i = 0; i < 3_000; i++) {
      const lock = `l${(i * 7_919) % 2_003}`;
      if (held.delete(lock)) h.release(lock, owner("a"));
      else {
        held.add(lock);
        h.acquire(lock, owner("a"));
      }
    }
    expect(names(h, "", "", 5_000)).toEqual([...held].sort());
    const behind = [...held].sort().filter((lock) => lock.startsWith("l1") && lock > "l15");
    expect(names(h, "l1", "l15", 10)).toEqual(behind.slice(0, 10));
  });

  test("show the first 10,000 waiters of a lock", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    for (let i = 0; i < 10_005; i++) h.wait("x", owner(`w${i}`));
    const waiters = h.machine.view("x").waiters.map((waiter) => waiter.owner);
    expect([waiters.length, waiters[0], waiters.at(-1)]).toEqual([10_000, "w0", "w9999"]);
    expect(h.machine.counts.waiters).toBe(10_005);
  });

  test("together give every lock once, under any changes", () => {
    const step = fc.record({
      lock: fc.constantFrom("a", "ab", "b", "ba", "c"),
      what: fc.constantFrom("take", "free", "page"),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const h = new Harness();
        const held = new Set<string>();
        for (const { lock, what } of steps) {
          if (what === "take") {
            held.add(lock);
            h.acquire(lock, owner("a"));
          } else if (what === "free") {
            held.delete(lock);
            h.release(lock, owner("a"));
          } else expect(names(h)).toEqual([...held].sort());
        }
        const collected: string[] = [];
        for (let page = names(h, "", "", 2); page.length > 0; page = names(h, "", page.at(-1), 2))
          collected.push(...page);
        expect(collected).toEqual([...held].sort());
      }),
    );
  });
});
