import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Heap } from "../../../src/kernel/heap.ts";

interface Item {
  key: number;
  readonly id: number;
  heapIndex: number;
}

const before = (a: Item, b: Item) => a.key < b.key || (a.key === b.key && a.id < b.id);
const item = (key: number, id: number): Item => ({ key, id, heapIndex: -1 });

describe("Heap", () => {
  test("gives elements in order, ties by the second key", () => {
    const heap = new Heap<Item>(before);
    for (const [i, key] of [5, 1, 3, 1, 4].entries()) heap.push(item(key, i));
    const order: number[] = [];
    for (let next = heap.pop(); next !== undefined; next = heap.pop()) order.push(next.id);
    expect(order).toEqual([1, 3, 2, 4, 0]);
  });

  test("an element is in one heap at most, and only a member can be removed", () => {
    const heap = new Heap<Item>(before);
    const first = item(1, 1);
    heap.push(first);
    expect(() => heap.push(first)).toThrow("one heap");
    expect(() => heap.remove(item(1, 2))).toThrow("this heap");
    heap.remove(first);
    expect(first.heapIndex).toBe(-1);
  });

  test("stays in order under any pushes, removals and changes of keys", () => {
    const step = fc.record({
      what: fc.constantFrom("push", "pop", "remove", "update"),
      key: fc.nat(20),
      at: fc.nat(100),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: "max" }), (steps) => {
        const heap = new Heap<Item>(before);
        let members: Item[] = [];
        for (const [id, { what, key, at }] of steps.entries()) {
          const chosen = members[at % Math.max(1, members.length)];
          if (what === "push") {
            const added = item(key, id);
            heap.push(added);
            members.push(added);
          } else if (what === "pop") {
            const popped = heap.pop();
            members = members.filter((member) => member !== popped);
          } else if (chosen !== undefined && what === "remove") {
            heap.remove(chosen);
            members = members.filter((member) => member !== chosen);
          } else if (chosen !== undefined) {
            chosen.key = key;
            heap.update(chosen);
          }
          expect(heap.size).toBe(members.length);
          expect(heap.peek()).toBe([...members].sort((a, b) => a.key - b.key || a.id - b.id)[0]);
        }
      }),
    );
  });
});
