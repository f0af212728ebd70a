import { describe, expect, test } from "bun:test";
import { ELECTION_MS, HEARTBEAT_MS, RaftCluster } from "../../support/raft-cluster.ts";

const leaseTimes = (cluster: RaftCluster, id: number): number[] =>
  cluster.replica(id).disk.entries.map((entry) => entry.leaseTimeMs);

describe("lease time", () => {
  test("runs with the leader's clock while a majority answers", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    const before = cluster.raft(1).leaseTime.nowMs;
    cluster.pass(10_000);
    const ran = cluster.raft(1).leaseTime.nowMs - before;
    expect(ran).toBeLessThanOrEqual(10_000);
    expect(ran).toBeGreaterThanOrEqual(10_000 - 2 * HEARTBEAT_MS);
  });

  test("runs in a group of one voter", () => {
    const cluster = new RaftCluster(1);
    cluster.elect(1);
    cluster.pass(1_000);
    expect(cluster.raft(1).leaseTime.nowMs).toBeWithin(1_000 - 2 * HEARTBEAT_MS, 1_001);
  });

  test("does not run before the new leader's no-op has committed", () => {
    const cluster = new RaftCluster(3);
    cluster.lose((message) => message.type === "appendReply");
    cluster.elect(1);
    cluster.pass(1_000);
    expect(cluster.leaders).toEqual([1]);
    expect(cluster.raft(1).leaseTime.nowMs).toBe(0);
    cluster.heal();
    cluster.pass(1_000);
    expect(cluster.raft(1).leaseTime.nowMs).toBeWithin(500, 1_001);
  });

  test("advances by two heartbeat intervals at most for a round, however long the leader was paused", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.pass(500);
    const before = cluster.raft(1).leaseTime.nowMs;
    cluster.nowMs += 60_000;
    cluster.pass(10);
    expect(cluster.raft(1).leaseTime.nowMs - before).toBeLessThanOrEqual(2 * HEARTBEAT_MS);
  });

  test("stands still without a majority, and its leader steps down", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.pass(500);
    cluster.isolate(1);
    const before = cluster.raft(1).leaseTime.nowMs;
    cluster.pass(4 * ELECTION_MS, { only: [1] });
    expect(cluster.raft(1).leaseTime.nowMs).toBe(before);
    expect(cluster.raft(1).leaseTime.running).toBe(false);
  });

  test("counts a round when its answers come, by the time at which it left", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.pass(500);
    cluster.cut(2, 1);
    cluster.cut(3, 1);
    cluster.pass(HEARTBEAT_MS, { only: [1] });
    cluster.heal();
    const before = cluster.raft(1).leaseTime.nowMs;
    cluster.pass(HEARTBEAT_MS, { only: [1] });
    const ran = cluster.raft(1).leaseTime.nowMs - before;
    expect(ran).toBeWithin(HEARTBEAT_MS, 2 * HEARTBEAT_MS + 1);
  });

  test("goes on under a new leader from the largest value that it heard", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.pass(3_000);
    const before = cluster.raft(1).leaseTime.nowMs;
    cluster.crash(1);
    cluster.pass(4 * ELECTION_MS);
    const [leader = 0] = cluster.leaders;
    expect(leader).toBeGreaterThan(1);
    const after = cluster.raft(leader).leaseTime.nowMs;
    expect(after).toBeGreaterThan(before - 2 * HEARTBEAT_MS);
    expect(after).toBeLessThan(before + 4 * ELECTION_MS);
  });

  test("goes on after a restart of all from the log", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.pass(3_000);
    cluster.raft(1).propose("time", new Uint8Array(0), true);
    cluster.settle();
    const written = leaseTimes(cluster, 1).at(-1) ?? 0;
    expect(written).toBeGreaterThan(2_500);
    for (const id of cluster.voters) cluster.crash(id);
    cluster.nowMs += 3_600_000;
    for (const id of cluster.voters) cluster.restart(id);
    cluster.elect(1);
    expect(leaseTimes(cluster, 1).at(-1)).toBe(written);
    expect(cluster.raft(1).leaseTime.nowMs).toBeLessThan(written + 2 * HEARTBEAT_MS);
  });

  test("never falls along a log, whoever led", () => {
    const cluster = new RaftCluster(5);
    for (let i = 0; i < 12; i++) {
      cluster.pass(4 * ELECTION_MS);
      const [leader = 0] = cluster.leaders;
      cluster.propose(leader, `${i}`);
      cluster.settle();
      if (i % 3 === 0) {
        for (const id of cluster.voters) if (id !== leader && id !== (leader % 5) + 1) cluster.cut(leader, id);
      } else if (i % 3 === 1) cluster.isolate(leader);
      cluster.propose(leader, `${i} lost?`);
      cluster.pass(4 * ELECTION_MS);
      cluster.heal();
    }
    cluster.pass(4 * ELECTION_MS);
    for (const id of cluster.voters) {
      const times = leaseTimes(cluster, id);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      expect(cluster.replica(id).terms).toEqual(cluster.replica(1).terms);
    }
  });

  test("of a leader whose successor resumed earlier is forgotten: it would shorten what the successor granted", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.pass(HEARTBEAT_MS);
    // Leader 1 goes on for 4 s without replica 3, and replica 2 hears of all of them.
    cluster.cut(1, 3);
    cluster.pass(4_000, { only: [1, 2] });
    expect(cluster.raft(2).leaseTime.nowMs).toBeGreaterThan(3_800);
    cluster.crash(1);
    cluster.heal();
    cluster.forgetLeader(2);
    // Replica 3 has the whole log, so it may lead: from what it knows.
    cluster.elect(3);
    const resumed = cluster.raft(3).leaseTime.nowMs;
    expect(resumed).toBeLessThan(500);
    cluster.propose(3, "a lease of one second");
    cluster.settle();
    cluster.pass(200);
    cluster.crash(3);
    cluster.restart(1);
    cluster.settle();
    cluster.elect(2);
    expect(cluster.raft(2).leaseTime.nowMs).toBeLessThan(resumed + 500);
  });

  test("heard from a leader whose entries never came is not taken for that of the log", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    const { term } = cluster.raft(1);
    cluster.crash(1);
    cluster.deliver({
      type: "heartbeat",
      ...{ group: 0, from: 1, to: 3, term: term + 1, round: 1, commitIndex: 0, leaseTimeMs: 90_000 },
    });
    cluster.settle();
    cluster.forgetLeader(3);
    cluster.pass(4 * ELECTION_MS);
    const [leader = 0] = cluster.leaders;
    expect(cluster.raft(leader).leaseTime.nowMs).toBeLessThan(5_000);
  });
});
