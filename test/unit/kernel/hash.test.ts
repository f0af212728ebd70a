import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Hash } from "../../../src/kernel/hash.ts";

const of = (value: unknown) => new Hash().value(value).finish();

describe("Hash", () => {
  test("does not depend on the order of an object's keys, nor on those that are undefined", () => {
    expect(of({ a: 1, b: { c: "x", d: [2] } })).toBe(of({ b: { d: [2], c: "x", e: undefined }, a: 1 }));
  });

  test.each([
    [1, "1"],
    [["a", "b"], ["ab"]],
    [
      ["ab", "c"],
      ["a", "bc"],
    ],
    [
      [1, 2],
      [2, 1],
    ],
    [undefined, "undefined"],
    [2 ** 40, 0],
    [[[]], []],
  ])("tells %j from %j", (a, b) => {
    expect(of(a)).not.toBe(of(b));
  });

  test("fits in 53 bits and spreads: no two of many numbers collide", () => {
    fc.assert(fc.property(fc.string(), (text) => Number.isSafeInteger(of(text)) && of(text) >= 0));
    const seen = new Set<number>();
    for (let i = 0; i < 100_000; i++) seen.add(new Hash().integer(i).finish());
    expect(seen.size).toBe(100_000);
  });

  test("starts anew after a reset", () => {
    const hash = new Hash().text("before");
    expect(hash.reset().text("x").finish()).toBe(new Hash().text("x").finish());
  });
});
