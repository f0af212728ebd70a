import { describe, expect, test } from "bun:test";
import { ELECTION_MS, HEARTBEAT_MS, RaftCluster, type Replica } from "../../support/raft-cluster.ts";

const at = (from: number, to: number, term: number) => ({ group: 0, from, to, term });

/** Replica 1 leads term 1, and everybody has what it proposed. */
function ledByFirst(size = 3): RaftCluster {
  const cluster = new RaftCluster(size);
  cluster.elect(1);
  cluster.propose(1, "a");
  cluster.settle();
  return cluster;
}

const applied = ({ applied: commands }: Replica): string[] => commands;

describe("a transfer of leadership", () => {
  test("makes the target lead at once: no time passes, nobody is asked for a pre-vote, nothing is lost", () => {
    const cluster = ledByFirst();
    const before = cluster.sent.length;
    expect(cluster.raft(1).transferTo(3)).toBe("started");
    cluster.settle();
    expect(cluster.leaders).toEqual([3]);
    expect(cluster.voters.map((id) => [cluster.raft(id).leader, cluster.raft(id).term])).toEqual([
      [3, 2],
      [3, 2],
      [3, 2],
    ]);
    expect(cluster.sent.slice(before).map(({ type }) => type)).not.toContain("preVoteRequest");
    cluster.propose(3, "b");
    cluster.settle();
    cluster.pass(HEARTBEAT_MS);
    for (const id of cluster.voters) expect(applied(cluster.replica(id))).toEqual(["a", "b"]);
  });

  test.each([2, 4, 5, 7])("works among %i replicas, all of which hear a healthy leader", (size) => {
    const cluster = ledByFirst(size);
    cluster.raft(1).transferTo(2);
    cluster.settle();
    expect(cluster.leaders).toEqual([2]);
  });

  test("waits until the target has the whole log, and takes no proposal meanwhile", () => {
    const cluster = ledByFirst();
    cluster.propose(1, "b");
    cluster.replica(1).pump();
    const late = cluster.take("append", 3);
    cluster.raft(1).transferTo(3);
    cluster.settle();
    expect(cluster.sent.map(({ type }) => type)).not.toContain("timeoutNow");
    expect(cluster.propose(1, "c")).toBe("notLeader");
    expect(cluster.propose(1, "c", true)).toBe("notLeader");
    expect(cluster.raft(1).transferee).toBe(3);
    for (const append of late) cluster.deliver(append);
    cluster.settle();
    expect(cluster.leaders).toEqual([3]);
    expect(applied(cluster.replica(3))).toEqual(["a", "b"]);
  });

  test("is given up after an election time-out, and the leader goes on", () => {
    const cluster = ledByFirst();
    cluster.crash(3);
    cluster.raft(1).transferTo(3);
    cluster.pass(ELECTION_MS - 20);
    expect(cluster.propose(1, "b")).toBe("notLeader");
    cluster.pass(20);
    expect([cluster.raft(1).transferee, cluster.propose(1, "b")]).toEqual([0, "accepted"]);
    cluster.settle();
    expect([cluster.leaders, cluster.raft(1).term]).toEqual([[1], 1]);
    expect(applied(cluster.replica(1))).toEqual(["a", "b"]);
  });

  test("is given up when the way to the target breaks", () => {
    const cluster = ledByFirst();
    cluster.lose(({ type }) => type === "timeoutNow");
    cluster.raft(1).transferTo(3);
    cluster.raft(1).disconnected(2);
    expect(cluster.propose(1, "b")).toBe("notLeader");
    cluster.raft(1).disconnected(3);
    expect(cluster.propose(1, "b")).toBe("accepted");
  });

  test("goes to one target at a time, a voter, and from a leader", () => {
    const cluster = ledByFirst();
    cluster.lose(({ type }) => type === "timeoutNow");
    const [leader, follower] = [cluster.raft(1), cluster.raft(2)];
    expect([leader.transferTo(9), leader.transferTo(1), follower.transferTo(3)]).toEqual([
      "unknown",
      "unknown",
      "notLeader",
    ]);
    expect(cluster.propose(1, "b")).toBe("accepted");
    cluster.settle();
    expect([leader.transferTo(2), leader.transferTo(2), leader.transferTo(3)]).toEqual(["started", "started", "busy"]);
    cluster.settle();
    expect(cluster.sent.filter(({ type }) => type === "timeoutNow")).toHaveLength(1);
  });

  test("still answers reads of a leader that has not been deposed", () => {
    const cluster = ledByFirst();
    cluster.lose(({ type }) => type === "timeoutNow");
    cluster.raft(1).transferTo(3);
    expect(cluster.raft(1).read(7)).toBe(true);
    cluster.settle();
    expect(cluster.replica(1).readsReady).toEqual([{ id: 7, index: 2 }]);
  });

  test("lets lease time go on from where it was", () => {
    const cluster = ledByFirst();
    cluster.pass(5 * ELECTION_MS);
    const before = cluster.raft(1).leaseTime.nowMs;
    cluster.raft(1).transferTo(2);
    cluster.settle();
    cluster.propose(2, "b");
    cluster.settle();
    const stampMs = cluster.replica(2).disk.entries.at(-1)!.leaseTimeMs;
    expect(cluster.raft(2).leaseTime.nowMs).toBeGreaterThanOrEqual(before - 2 * HEARTBEAT_MS);
    cluster.pass(ELECTION_MS);
    const ranMs = cluster.raft(2).leaseTime.nowMs - stampMs;
    expect(ranMs).toBeGreaterThan(ELECTION_MS - 3 * HEARTBEAT_MS);
    expect(ranMs).toBeLessThanOrEqual(ELECTION_MS);
  });
});

describe("the replica to hand over to", () => {
  test("is the one that holds most", () => {
    const cluster = ledByFirst();
    cluster.cut(1, 2);
    cluster.propose(1, "b");
    cluster.settle();
    expect(cluster.raft(1).successor(() => true)).toBe(3);
  });

  test("is the one that answers, among equals", () => {
    const cluster = ledByFirst();
    cluster.pass(2 * HEARTBEAT_MS);
    cluster.crash(2);
    cluster.pass(3 * HEARTBEAT_MS);
    expect([cluster.raft(1).follower(2)?.matchIndex, cluster.raft(1).follower(3)?.matchIndex]).toEqual([2, 2]);
    expect(cluster.raft(1).successor(() => true)).toBe(3);
  });

  test("is nobody when none is eligible, and for whoever does not lead", () => {
    const cluster = ledByFirst();
    expect(cluster.raft(1).successor((replica) => replica === 2)).toBe(2);
    expect(cluster.raft(1).successor(() => false)).toBe(0);
    expect(cluster.raft(2).successor(() => true)).toBe(0);
  });
});

describe("a message that tells a follower to stand for election", () => {
  test("harms nothing when its receiver is behind: nobody votes for it, and the committed entry stays", () => {
    const cluster = ledByFirst();
    cluster.isolate(3);
    cluster.propose(1, "b");
    cluster.settle();
    cluster.heal();
    cluster.deliver({ type: "timeoutNow", ...at(1, 3, 1) });
    expect(cluster.raft(3).role).toBe("candidate");
    cluster.settle();
    expect(cluster.leaders).not.toContain(3);
    cluster.pass(4 * ELECTION_MS);
    const [leader] = cluster.leaders;
    expect(leader).not.toBe(3);
    for (const id of cluster.voters) expect(applied(cluster.replica(id))).toEqual(["a", "b"]);
  });

  test("is ignored from anybody but the leader of the same term", () => {
    const cluster = ledByFirst();
    cluster.deliver({ type: "timeoutNow", ...at(2, 3, 1) });
    cluster.deliver({ type: "timeoutNow", ...at(1, 3, 0) });
    expect([cluster.raft(3).role, cluster.raft(3).term]).toEqual(["follower", 1]);
    // Of a term in which it has heard no leader yet.
    cluster.deliver({ type: "timeoutNow", ...at(1, 3, 5) });
    expect([cluster.raft(3).role, cluster.raft(3).term, cluster.raft(3).vote]).toEqual(["follower", 5, 0]);
  });

  test("does nothing when it comes twice, during the election or after it", () => {
    const cluster = ledByFirst();
    cluster.raft(1).transferTo(3);
    cluster.replica(1).pump();
    const [message] = cluster.take("timeoutNow");
    cluster.deliver(message!);
    cluster.deliver(message!);
    expect([cluster.raft(3).role, cluster.raft(3).term]).toEqual(["candidate", 2]);
    cluster.settle();
    cluster.deliver(message!);
    cluster.settle();
    expect([cluster.leaders, cluster.raft(3).term]).toEqual([[3], 2]);
  });

  test("asks for no vote before term and own vote are durable (D1)", () => {
    const cluster = ledByFirst();
    const target = cluster.replica(3);
    target.slowDisk = true;
    cluster.raft(1).transferTo(3);
    cluster.settle();
    expect(target.raft.role).toBe("candidate");
    expect(cluster.sent.filter(({ type, from }) => type === "voteRequest" && from === 3)).toEqual([]);
    expect(target.disk.hardState.term).toBe(1);
    target.slowDisk = false;
    target.completeFlush();
    expect(target.disk.hardState).toEqual({ term: 2, vote: 3 });
    cluster.settle();
    expect(cluster.leaders).toEqual([3]);
  });
});

describe("a vote request that the leader asked for", () => {
  test("passes the refusal of whoever hears that leader, and no other does (R1)", () => {
    const cluster = ledByFirst();
    const request = { type: "voteRequest", lastIndex: 2, lastTerm: 1 } as const;
    cluster.deliver({ ...request, ...at(3, 2, 2) });
    expect(cluster.raft(2).term).toBe(1);
    cluster.deliver({ ...request, ...at(3, 2, 2), transfer: true });
    expect([cluster.raft(2).term, cluster.raft(2).vote]).toEqual([2, 3]);
  });

  test("gets one vote a term and none for a log that is behind, as any other", () => {
    const cluster = ledByFirst();
    const request = { type: "voteRequest", lastIndex: 2, lastTerm: 1, transfer: true } as const;
    cluster.deliver({ ...request, ...at(3, 2, 2), lastIndex: 1 });
    expect([cluster.raft(2).term, cluster.raft(2).vote]).toEqual([2, 0]);
    cluster.deliver({ ...request, ...at(3, 2, 2) });
    cluster.deliver({ ...request, ...at(1, 2, 2) });
    expect(cluster.raft(2).vote).toBe(3);
  });
});

describe("a replica that should not lead", () => {
  test("votes and stores entries, and leaves elections to the others", () => {
    const cluster = ledByFirst();
    cluster.raft(3).avoidLeading();
    for (const round of [1, 2, 3, 4]) {
      const leader = cluster.leaders[0] ?? 0;
      cluster.crash(leader);
      cluster.pass(3 * ELECTION_MS);
      expect(cluster.leaders).toEqual([3 - leader]);
      expect(cluster.raft(3).term).toBe(1 + round);
      cluster.restart(leader);
      cluster.pass(ELECTION_MS);
    }
    cluster.propose(cluster.leaders[0] ?? 0, "b");
    cluster.settle();
    cluster.pass(HEARTBEAT_MS);
    expect(applied(cluster.replica(3))).toEqual(["a", "b"]);
  });

  test("does not take over when it is asked to", () => {
    const cluster = ledByFirst();
    cluster.raft(3).avoidLeading();
    cluster.raft(1).transferTo(3);
    cluster.settle();
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.leaders).toEqual([1]);
    expect(cluster.raft(1).transferee).toBe(0);
  });

  test("leads when nobody else can: what the others lack of the log, only it can send them", () => {
    const cluster = ledByFirst();
    cluster.raft(3).avoidLeading();
    cluster.crash(2);
    cluster.propose(1, "b");
    cluster.settle();
    cluster.crash(1);
    cluster.restart(2);
    cluster.pass(20 * ELECTION_MS);
    expect(cluster.leaders).toEqual([3]);
    cluster.pass(HEARTBEAT_MS);
    expect(applied(cluster.replica(2))).toEqual(["a", "b"]);
    expect(cluster.raft(3).transferTo(2)).toBe("started");
    cluster.settle();
    expect(cluster.leaders).toEqual([2]);
  });
});
