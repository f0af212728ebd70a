import { describe, expect, test } from "bun:test";
import { Prng } from "../../../src/kernel/prng.ts";
import { everyFault, faultKinds, planFaults, processFaults } from "../../torture/faults.ts";

function first(count: number, seed: number) {
  return [...planFaults(processFaults, new Prng(seed)).take(count)];
}

describe("a plan of faults", () => {
  test("is the same for the same seed", () => {
    expect(first(100, 7)).toEqual(first(100, 7));
    expect(first(100, 7)).not.toEqual(first(100, 8));
  });

  test("has each kind before any kind comes again", () => {
    const kinds = first(processFaults.length, 3).map(({ kind }) => kind);
    expect(new Set(kinds)).toEqual(new Set(processFaults));
    expect(faultKinds).toContain("one-way");
  });

  test("has no full disks unless they are asked for", () => {
    expect(faultKinds).not.toContain("disk-full");
    expect(everyFault).toEqual(expect.arrayContaining([...faultKinds, "disk-full"]));
  });

  test("of nothing is empty", () => {
    expect([...planFaults([], new Prng(1))]).toEqual([]);
  });
});
