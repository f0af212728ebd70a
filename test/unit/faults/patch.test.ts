import { describe, expect, test } from "bun:test";
import { patch, withPatches } from "../../faults/patch.ts";

class Counter {
  count = 0;
  add(step: number): number {
    return (this.count += step);
  }
}

const double = patch(Counter.prototype, Counter.prototype.add, (original) => {
  return function add(step) {
    return original.call(this, 2 * step);
  };
});

describe("a patched method", () => {
  test("takes the place of the class's own for so long and no longer", () => {
    const counter = new Counter();
    expect(withPatches([double], () => counter.add(3))).toBe(6);
    expect(counter.add(3)).toBe(9);
  });

  test("is put back when the run throws", () => {
    expect(() => {
      withPatches([double], () => {
        throw new Error("a violation");
      });
    }).toThrow("a violation");
    expect(new Counter().add(3)).toBe(3);
  });

  test("is patched once: what of it the second one would call is not what runs", () => {
    const more = patch(Counter.prototype, Counter.prototype.add, () => () => 100);
    expect(withPatches([more], () => new Counter().add(1))).toBe(100);
    expect(() => withPatches([double, more], () => {})).toThrow("no method add of its own");
    expect(new Counter().add(1)).toBe(1);
  });
});
