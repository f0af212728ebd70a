import { describe, expect, test } from "bun:test";
import { ELECTION_MS, HEARTBEAT_MS, RaftCluster } from "../../support/raft-cluster.ts";

const at = (from: number, to: number, term: number) => ({ group: 0, from, to, term });

describe("a read", () => {
  test("is answered with the commit index once a majority confirmed its round", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.propose(1, "a");
    cluster.settle();
    cluster.raft(1).read(7);
    cluster.replica(1).pump();
    expect(cluster.replica(1).readsReady).toEqual([]);
    cluster.settle();
    expect(cluster.replica(1).readsReady).toEqual([{ id: 7, index: 2 }]);
  });

  test("is refused by whoever does not lead", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    expect(cluster.raft(2).read(1)).toBe(false);
  });

  test("waits for the new leader's own no-op, and sees it", () => {
    const cluster = new RaftCluster(3);
    cluster.lose((message) => message.type === "appendReply");
    cluster.elect(1);
    expect(cluster.raft(1).read(1)).toBe(true);
    cluster.pass(4 * HEARTBEAT_MS);
    expect(cluster.replica(1).readsReady).toEqual([]);
    cluster.heal();
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.replica(1).readsReady).toEqual([{ id: 1, index: 1 }]);
  });

  test("does not join a round that began before it arrived", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    const { raft } = cluster.replica(1);
    cluster.pass(HEARTBEAT_MS, { only: [1], quiet: true });
    const early = cluster.take("heartbeat");
    expect(early).toHaveLength(2);
    raft.read(1);
    cluster.replica(1).pump();
    const own = cluster.take("heartbeat");
    for (const message of early) cluster.deliver(message);
    cluster.settle();
    expect(cluster.replica(1).readsReady).toEqual([]);
    cluster.deliver(own[0]!);
    cluster.settle();
    expect(cluster.replica(1).readsReady).toEqual([{ id: 1, index: 1 }]);
  });

  test("shares its round with the others of the turn", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    const before = cluster.sent.length;
    for (let id = 1; id <= 100; id++) cluster.raft(1).read(id);
    cluster.settle();
    expect(cluster.replica(1).readsReady).toHaveLength(100);
    expect(cluster.sent.length - before).toBe(4);
  });

  test("is confirmed by an answer to a later round, too", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.raft(1).read(1);
    cluster.replica(1).pump();
    cluster.take("heartbeat");
    cluster.pass(HEARTBEAT_MS);
    expect(cluster.replica(1).readsReady).toEqual([{ id: 1, index: 1 }]);
  });

  test("keeps a bounded number of rounds open; the rest waits and is answered, too", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    const before = cluster.sent.length;
    for (let id = 1; id <= 50; id++) {
      cluster.raft(1).read(id);
      cluster.replica(1).pump();
    }
    expect(cluster.sent.length - before).toBe(16);
    cluster.settle();
    cluster.pass(HEARTBEAT_MS);
    expect(cluster.replica(1).readsReady).toHaveLength(50);
  });

  test("fails when its leader steps down, whether its round had begun or not", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.isolate(1);
    cluster.raft(1).read(1);
    cluster.replica(1).pump();
    for (let id = 2; id <= 20; id++) {
      cluster.raft(1).read(id);
      if (id < 12) cluster.replica(1).pump();
    }
    cluster.pass(3 * ELECTION_MS, { only: [1] });
    expect(cluster.replica(1).readsReady).toEqual([]);
    expect(cluster.replica(1).readsFailed.toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
  });

  test("is not answered by a deposed leader that wakes up", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.pass(HEARTBEAT_MS);
    // Leader 1 is stopped; the others go on without it.
    cluster.isolate(1);
    cluster.pass(4 * ELECTION_MS, { only: [2, 3] });
    const next = cluster.leaders.find((id) => id !== 1) ?? 0;
    cluster.propose(next, "newer");
    cluster.settle();
    cluster.heal();
    cluster.raft(1).read(1);
    cluster.settle();
    expect(cluster.replica(1).readsReady).toEqual([]);
    expect(cluster.replica(1).readsFailed).toEqual([1]);
  });

  test("needs no message in a group of one voter", () => {
    const cluster = new RaftCluster(1);
    cluster.elect(1);
    cluster.raft(1).read(1);
    cluster.settle();
    expect(cluster.replica(1).readsReady).toEqual([{ id: 1, index: 1 }]);
  });

  test("is confirmed by nobody who speaks of a round that has not begun", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.deliver({ type: "heartbeatReply", ...at(2, 1, cluster.raft(1).term), round: 999 });
    cluster.raft(1).read(1);
    cluster.replica(1).pump();
    expect(cluster.replica(1).readsReady).toEqual([]);
  });
});
