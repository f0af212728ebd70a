import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { HashTable, hashText } from "../../../src/kernel/hash-table.ts";

class Item {
  chained: Item | undefined = undefined;
  constructor(
    readonly key: string,
    readonly hash = hashText(key),
  ) {}
}

describe("HashTable", () => {
  test("holds what a Map holds, under any additions and removals", () => {
    const step = fc.record({ add: fc.boolean(), key: fc.nat(60) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: "max" }), (steps) => {
        const table = new HashTable<Item>();
        const map = new Map<string, Item>();
        for (const { add, key: number } of steps) {
          const key = `k${number}`;
          const known = map.get(key);
          expect(table.get(key)).toBe(known as Item);
          if (add && known === undefined) {
            const item = new Item(key);
            table.add(item);
            map.set(key, item);
          } else if (!add && known !== undefined) {
            table.remove(known);
            map.delete(key);
          }
        }
        expect(table.size).toBe(map.size);
        expect([...table.values()].map((item) => item.key).sort()).toEqual([...map.keys()].sort());
      }),
    );
  });

  test("tells keys with equal hashes apart", () => {
    const table = new HashTable<Item>();
    const items = ["a", "b", "c"].map((key) => new Item(key, 5));
    for (const item of items) table.add(item);
    table.remove(items[1]!);
    expect(table.get("a", 5)).toBe(items[0]!);
    expect(table.get("b", 5)).toBeUndefined();
    expect(table.get("c", 5)).toBe(items[2]!);
  });

  test("finds everything while it grows to many entries and shrinks again", () => {
    const table = new HashTable<Item>();
    const items = Array.from({ length: 20_000 }, (_, i) => new Item(`lock/${i}`));
    for (const item of items) table.add(item);
    for (const item of items) expect(table.get(item.key) === item).toBe(true);
    for (const item of items.slice(100)) table.remove(item);
    for (const [i, item] of items.entries()) expect(table.get(item.key) === item).toBe(i < 100);
    expect(table.size).toBe(100);
  });

  test("gives its elements in an order that does not tell how they came", () => {
    const keys = fc.uniqueArray(fc.string({ maxLength: 6 }), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(keys, fc.nat(5_000), fc.infiniteStream(fc.nat()), (names, passing, draws) => {
        const inOrder = new HashTable<Item>();
        for (const name of names) inOrder.add(new Item(name));
        // Another number of buckets, and chains in another order.
        const other = new HashTable<Item>();
        const passed = Array.from({ length: passing }, (_, i) => new Item(`\u0000passes ${i}`));
        for (const item of passed) other.add(item);
        const left = [...names];
        while (left.length > 0) {
          const [name] = left.splice((draws.next().value ?? 0) % left.length, 1);
          other.add(new Item(name!));
        }
        for (const item of passed) other.remove(item);
        expect([...other.ordered()].map(({ key }) => key)).toEqual([...inOrder.ordered()].map(({ key }) => key));
        expect([...inOrder.ordered()].map(({ key }) => key).sort()).toEqual([...names].sort());
      }),
      { numRuns: 30 },
    );
    const alike = ["b", "a", "c"].map((key) => new Item(key, 7));
    const table = new HashTable<Item>();
    for (const item of alike) table.add(item);
    expect([...table.ordered()].map(({ key }) => key)).toEqual(["a", "b", "c"]);
  });
});
