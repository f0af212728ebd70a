import { describe, expect, test } from "bun:test";
import { Prng } from "../../../src/kernel/prng.ts";

describe("Prng", () => {
  test("gives the same numbers for a seed for ever: recorded seeds depend on it", () => {
    const prng = new Prng(42);
    expect([prng.uint32(), prng.uint32(), prng.uint32()]).toEqual([3106660491, 1208724077, 2628326118]);
  });

  test("gives other numbers for a neighbouring seed, also beyond 32 bits", () => {
    const first = [0, 1, 2, 2 ** 32, 2 ** 53 - 1].map((seed) => new Prng(seed).uint32());
    expect(new Set(first).size).toBe(5);
  });

  test("next is uniform in [0, 1)", () => {
    const prng = new Prng(1);
    const buckets = Array.from({ length: 10 }, () => 0);
    for (let i = 0; i < 20_000; i++) {
      const value = prng.next();
      expect(value >= 0 && value < 1).toBe(true);
      buckets[Math.floor(value * 10)]! += 1;
    }
    for (const count of buckets) expect(Math.abs(count - 2_000)).toBeLessThan(250);
  });

  test("int reaches every value below its bound and no other", () => {
    const prng = new Prng(7);
    const seen = new Set<number>();
    for (let i = 0; i < 500; i++) seen.add(prng.int(6));
    expect([...seen].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test("chance 0 never happens and chance 1 always", () => {
    const prng = new Prng(7);
    for (let i = 0; i < 100; i++) {
      expect(prng.chance(0)).toBe(false);
      expect(prng.chance(1)).toBe(true);
    }
  });

  test("pick takes from the array, and there must be something", () => {
    expect(["a", "b"]).toContain(new Prng(3).pick(["a", "b"]));
    expect(() => new Prng(3).pick([])).toThrow("nothing");
  });

  test("a seed is a whole number that is not negative", () => {
    expect(() => new Prng(-1)).toThrow("seed");
    expect(() => new Prng(0.5)).toThrow("seed");
  });
});
