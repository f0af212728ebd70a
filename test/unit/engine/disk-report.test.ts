import { describe, expect, test } from "bun:test";
import { isSlowDisk } from "../../../src/engine/disk-report.ts";
import { SyncTimes, lowerMedian } from "../../../src/engine/sync-times.ts";

describe("a disk is slow", () => {
  test.each([
    { ownUs: 10_100, peersUs: [2_000, 2_000], slow: true, why: "more than five times its peers'" },
    { ownUs: 10_000, peersUs: [2_000, 2_000], slow: false, why: "five times is not more" },
    { ownUs: 4_000, peersUs: [100, 100], slow: false, why: "forty times, and nobody notices 4 ms" },
    { ownUs: 5_100, peersUs: [100, 100], slow: true, why: "and 5 ms more" },
    { ownUs: 50_000, peersUs: [100, 40_000], slow: true, why: "the lower median of two: one peer could do it better" },
    { ownUs: 50_000, peersUs: [100, 40_000, 40_000, 40_000], slow: false, why: "most peers are as slow" },
    { ownUs: 50_000, peersUs: [0, 0], slow: false, why: "peers that have said nothing yet" },
    { ownUs: 50_000, peersUs: [0, 1_000], slow: true, why: "one that has" },
    { ownUs: 50_000, peersUs: [], slow: false, why: "no peers" },
    { ownUs: 0, peersUs: [1_000], slow: false, why: "too few syncs of its own" },
  ])("$slow with $ownUs µs beside $peersUs: $why", ({ ownUs, peersUs, slow }) => {
    expect(isSlowDisk(ownUs, peersUs)).toBe(slow);
  });
});

describe("the median of syncs", () => {
  test("is unknown until there are sixteen", () => {
    const times = new SyncTimes();
    for (let i = 0; i < 15; i++) times.observe(2);
    expect(times.medianUs).toBe(0);
    times.observe(2.0004);
    expect(times.medianUs).toBe(2_000);
  });

  test("forgets all but the last sixty-four, and is not moved by a few hiccups", () => {
    const times = new SyncTimes();
    for (let i = 0; i < 1_000; i++) times.observe(1);
    for (let i = 0; i < 20; i++) times.observe(500);
    expect(times.medianUs).toBe(1_000);
    for (let i = 0; i < 64; i++) times.observe(20);
    expect(times.medianUs).toBe(20_000);
  });

  test("is a value that was measured: the lower of two in the middle", () => {
    expect([lowerMedian([]), lowerMedian([3]), lowerMedian([9, 1]), lowerMedian([5, 1, 9])]).toEqual([0, 3, 1, 5]);
  });
});
