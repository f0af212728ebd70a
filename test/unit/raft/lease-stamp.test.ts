import { describe, expect, test } from "bun:test";
import { LeaseTime } from "../../../src/raft/lease-time.ts";

const MAX_STEP_MS = 100;

/** Running since local time 1000, at 0. */
function running(): LeaseTime {
  const leaseTime = new LeaseTime(0, 1, MAX_STEP_MS);
  leaseTime.observe(1_000);
  leaseTime.start();
  return leaseTime;
}

describe("the stamp of an entry", () => {
  test("is of now, not of the last round that was confirmed", () => {
    const leaseTime = running();
    leaseTime.observe(1_060);
    expect(leaseTime.nowMs).toBe(0);
    expect(leaseTime.stamp()).toBe(60);
  });

  test("makes a lease last as long as was asked, however rounds and their answers fall", () => {
    for (const delayMs of [0, 10, 40, 70, 250]) {
      const leaseTime = running();
      let grantedAtMs = 0;
      let deadlineMs = Number.POSITIVE_INFINITY;
      let endedAtMs = 0;
      for (let localMs = 1_000; endedAtMs === 0 && localMs < 9_000; localMs += 10) {
        leaseTime.observe(localMs);
        // A round every 50 ms, answered after a while.
        if ((localMs - delayMs) % 50 === 0) leaseTime.confirmed(localMs - delayMs);
        if (localMs === 1_340) [grantedAtMs, deadlineMs] = [localMs, leaseTime.stamp() + 100];
        if (leaseTime.nowMs >= deadlineMs) endedAtMs = localMs;
      }
      expect(endedAtMs - grantedAtMs).toBeWithin(100, 100 + 2 * MAX_STEP_MS + delayMs);
    }
  });

  test("does not count a pause: two heartbeat intervals at most, whatever is confirmed later", () => {
    const leaseTime = running();
    leaseTime.observe(61_000);
    expect(leaseTime.stamp()).toBe(MAX_STEP_MS);
    leaseTime.confirmed(61_000);
    expect(leaseTime.nowMs).toBe(MAX_STEP_MS);
  });

  test("bounds what rounds that were open when it was made add afterwards", () => {
    const leaseTime = running();
    for (const localMs of [1_090, 1_180, 1_270]) leaseTime.observe(localMs);
    expect(leaseTime.stamp()).toBe(MAX_STEP_MS);
    for (const sentAtMs of [1_090, 1_180, 1_270]) leaseTime.confirmed(sentAtMs);
    expect(leaseTime.nowMs).toBe(MAX_STEP_MS);
    leaseTime.observe(1_300);
    leaseTime.confirmed(1_300);
    expect(leaseTime.nowMs).toBe(MAX_STEP_MS + 30);
  });

  test("never falls, also when time is not told or goes backwards", () => {
    const leaseTime = running();
    leaseTime.observe(1_080);
    const stamps = [leaseTime.stamp()];
    leaseTime.confirmed(1_040);
    stamps.push(leaseTime.stamp());
    leaseTime.observe(1_010);
    stamps.push(leaseTime.stamp());
    leaseTime.observe(1_100);
    stamps.push(leaseTime.stamp());
    expect(stamps).toEqual([80, 80, 80, 100]);
  });

  test("stands still before the leader's no-op has committed and after the leader stepped down", () => {
    const leaseTime = new LeaseTime(7, 1, MAX_STEP_MS);
    leaseTime.observe(1_000);
    expect(leaseTime.stamp()).toBe(7);
    leaseTime.start();
    leaseTime.observe(1_050);
    leaseTime.stop();
    expect(leaseTime.stamp()).toBe(7);
  });
});
