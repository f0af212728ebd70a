import { expect, test } from "bun:test";
import { randomId } from "../../../src/server/random-id.ts";

test("an id is 22 characters that need no escaping anywhere, and never the same twice", () => {
  const ids = Array.from({ length: 10_000 }, randomId);
  for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9_-]{22}$/);
  expect(new Set(ids).size).toBe(ids.length);
});

test("every place of an id takes every character about equally often", () => {
  const counts = Array.from({ length: 22 }, () => new Map<string, number>());
  for (let i = 0; i < 64 * 500; i++) {
    const id = randomId();
    for (const [place, count] of counts.entries()) {
      const character = id.charAt(place);
      count.set(character, (count.get(character) ?? 0) + 1);
    }
  }
  for (const count of counts) {
    expect(count.size).toBe(64);
    // 500 expected, standard deviation 22: seven of them away happens to nobody.
    for (const n of count.values()) expect(Math.abs(n - 500)).toBeLessThan(160);
  }
});
