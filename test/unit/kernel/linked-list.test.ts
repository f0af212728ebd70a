import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LinkedList } from "../../../src/kernel/linked-list.ts";

class Node {
  previous: Node | undefined = undefined;
  next: Node | undefined = undefined;
  constructor(readonly id: number) {}
}

function ids(list: LinkedList<Node>): number[] {
  const forward: number[] = [];
  for (let node = list.first; node !== undefined; node = node.next) forward.push(node.id);
  const backward: number[] = [];
  for (let node = list.last; node !== undefined; node = node.previous) backward.unshift(node.id);
  expect(backward).toEqual(forward);
  expect(list.size).toBe(forward.length);
  return forward;
}

describe("LinkedList", () => {
  test("keeps the order of pushes under removals anywhere", () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat(50)), { maxLength: 50 }), (steps) => {
        const list = new LinkedList<Node>();
        let members: Node[] = [];
        for (const [id, at] of steps.entries()) {
          const chosen = at === null ? undefined : members[at % Math.max(1, members.length)];
          if (chosen !== undefined) {
            list.remove(chosen);
            members = members.filter((node) => node !== chosen);
          } else {
            const node = new Node(id);
            list.push(node);
            members.push(node);
          }
          expect(ids(list)).toEqual(members.map((node) => node.id));
        }
      }),
    );
  });
});
