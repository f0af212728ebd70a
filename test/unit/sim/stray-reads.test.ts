import { describe, expect, test } from "bun:test";
import { StrayReads } from "../../../src/sim/stray-reads.ts";

const file = Uint8Array.from([0, 1, 2, 3, 4, 5, 6, 7]);

describe("a read that goes astray", () => {
  test("brings what stands where its file was read before, once, as many bytes as are asked for", () => {
    const reads = new StrayReads();
    reads.read("log", file, 6, 2);
    reads.arm();
    expect([...reads.read("log", file, 1, 3)]).toEqual([6, 7, 0]);
    expect([...reads.read("log", file, 6, 2)]).toEqual([6, 7]);
    expect(reads.count).toBe(1);
  });

  test("waits for a read that can, and comes no more when it is called off", () => {
    const reads = new StrayReads();
    reads.arm();
    expect([...reads.read("log", file, 2, 2)]).toEqual([2, 3]);
    expect([...reads.read("snapshot", file, 4, 2)]).toEqual([4, 5]);
    expect([...reads.read("log", file, 2, 2)]).toEqual([2, 3]);
    reads.disarm();
    expect([...reads.read("log", file, 5, 2)]).toEqual([5, 6]);
    expect(reads.count).toBe(0);
  });
});
