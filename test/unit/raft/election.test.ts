import { describe, expect, test } from "bun:test";
import type { Message } from "../../../src/raft/types.ts";
import { ELECTION_MS, HEARTBEAT_MS, RaftCluster } from "../../support/raft-cluster.ts";

const at = (from: number, to: number, term: number) => ({ group: 0, from, to, term });

describe("an election", () => {
  test.each([1, 2, 3, 5, 7])("among %i replicas ends with one leader whom all follow", (size) => {
    const cluster = new RaftCluster(size);
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.leaders).toEqual([1]);
    for (const id of cluster.voters) expect([cluster.raft(id).leader, cluster.raft(id).term]).toEqual([1, 1]);
  });

  test("needs no message when there is one voter", () => {
    const cluster = new RaftCluster(1);
    cluster.elect(1);
    cluster.propose(1, "a");
    cluster.settle();
    expect(cluster.replica(1).applied).toEqual(["a"]);
    expect(cluster.sent).toEqual([]);
  });

  test("is not won by a minority", () => {
    const cluster = new RaftCluster(5);
    for (const id of [3, 4, 5]) cluster.isolate(id);
    cluster.pass(10 * ELECTION_MS);
    expect(cluster.leaders).toEqual([]);
    expect(cluster.raft(1).term).toBe(0);
  });

  test("goes on after a tie, because time-outs are drawn anew", () => {
    const cluster = new RaftCluster(3);
    cluster.crash(3);
    cluster.campaign(1);
    cluster.campaign(2);
    cluster.settle();
    expect([cluster.raft(1).vote, cluster.raft(2).vote]).toEqual([1, 2]);
    expect(cluster.leaders).toEqual([]);
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.leaders).toHaveLength(1);
  });

  test("is not won with a log that lacks what a voter has, whatever its length", () => {
    const cluster = new RaftCluster(3);
    cluster.crash(3);
    cluster.replica(1).startWith([1, 1, 1, 1], { term: 1, vote: 1 });
    cluster.replica(2).startWith([1, 2], { term: 2, vote: 2 });
    cluster.pass(8 * ELECTION_MS);
    expect(cluster.leaders).toEqual([2]);
    expect(cluster.replica(1).terms).toEqual(cluster.replica(2).terms);
  });

  test("among equal last terms is won only by a log at least as long", () => {
    const cluster = new RaftCluster(3);
    cluster.crash(3);
    cluster.replica(1).startWith([1], { term: 1, vote: 0 });
    cluster.replica(2).startWith([1, 1], { term: 1, vote: 0 });
    cluster.pass(8 * ELECTION_MS);
    expect(cluster.leaders).toEqual([2]);
  });
});

describe("the election after a leader's silence", () => {
  /** How long the cluster is without a leader, and who leads then. */
  function succession(size: number, leader: number, draw: number): { leader: number; ms: number } {
    const cluster = new RaftCluster(size);
    cluster.elect(leader);
    cluster.pass(2 * HEARTBEAT_MS);
    for (const id of cluster.voters) cluster.replica(id).draw = draw;
    // Heard once more: what is drawn now counts.
    cluster.pass(2 * HEARTBEAT_MS);
    cluster.crash(leader);
    const startMs = cluster.nowMs;
    while (cluster.leaders.length === 0 && cluster.nowMs - startMs < 3 * ELECTION_MS) cluster.pass(10);
    return { leader: cluster.leaders[0] ?? 0, ms: cluster.nowMs - startMs };
  }

  test.each([
    [3, 1, 2],
    [3, 2, 1],
    [5, 1, 2],
    [7, 1, 2],
    [7, 4, 1],
  ])("among %i, when %i is gone, is won by %i, soon after the minimum, whatever is drawn", (size, gone, next) => {
    for (const draw of [0, 0.5, 0.999]) {
      const { leader, ms } = succession(size, gone, draw);
      expect(leader).toBe(next);
      expect(ms).toBeLessThanOrEqual(ELECTION_MS + HEARTBEAT_MS);
    }
  });

  test("is the next one's when the first has gone, too, or cannot win", () => {
    const cluster = new RaftCluster(5);
    cluster.elect(1);
    cluster.pass(2 * HEARTBEAT_MS);
    cluster.crash(1);
    cluster.crash(2);
    cluster.pass(ELECTION_MS + 2 * HEARTBEAT_MS);
    expect(cluster.leaders).toEqual([3]);
  });

  test("has a slot for every follower below twice the minimum", () => {
    const cluster = new RaftCluster(7);
    cluster.elect(1);
    for (const id of cluster.voters) cluster.replica(id).draw = 0.999;
    cluster.pass(2 * HEARTBEAT_MS);
    for (let id = 2; id <= 6; id++) cluster.isolate(id);
    cluster.crash(1);
    cluster.pass(2 * ELECTION_MS, { only: [7] });
    expect(cluster.raft(7).role).toBe("candidate");
  });
});

describe("a vote", () => {
  test("is given once in a term, also after a restart", () => {
    const cluster = new RaftCluster(3);
    const ask = (from: number): boolean => {
      cluster.deliver({ type: "voteRequest", ...at(from, 3, 5), lastIndex: 9, lastTerm: 4 });
      return cluster.take("voteReply", from).at(-1)?.granted ?? false;
    };
    expect(ask(1)).toBe(true);
    expect(ask(2)).toBe(false);
    cluster.restart(3);
    expect(cluster.raft(3).term).toBe(5);
    expect(ask(2)).toBe(false);
    expect(ask(1)).toBe(true);
  });

  test("is not given in a term whose leader is known", () => {
    const cluster = new RaftCluster(3);
    cluster.deliver({ type: "heartbeat", ...at(1, 3, 5), round: 1, commitIndex: 0, leaseTimeMs: 0 });
    cluster.deliver({ type: "voteRequest", ...at(2, 3, 5), lastIndex: 0, lastTerm: 0 });
    expect(cluster.take("voteReply", 2).map(({ granted }) => granted)).toEqual([false]);
    expect(cluster.raft(3).vote).toBe(0);
  });

  test("that was given stays given when its replica falls back to follower in the same term", () => {
    const cluster = new RaftCluster(3);
    cluster.campaign(1);
    cluster.take("preVoteRequest");
    cluster.deliver({ type: "preVoteReply", ...at(2, 1, 1), granted: true });
    expect([cluster.raft(1).term, cluster.raft(1).vote]).toEqual([1, 1]);
    cluster.deliver({ type: "heartbeat", ...at(3, 1, 1), round: 1, commitIndex: 0, leaseTimeMs: 0 });
    expect(cluster.raft(1).role).toBe("follower");
    expect(cluster.raft(1).vote).toBe(1);
  });

  test("of an earlier election is not counted in a later one", () => {
    const cluster = new RaftCluster(5);
    cluster.campaign(1);
    cluster.settle();
    expect(cluster.raft(1).term).toBe(1);
    cluster.raft(1).step({ type: "appendReply", ...at(2, 1, 4), success: false, index: 0, hintTerm: 0, hintIndex: 0 });
    expect([cluster.raft(1).role, cluster.raft(1).term]).toEqual(["follower", 4]);
    cluster.isolate(1);
    cluster.campaign(1);
    cluster.deliver({ type: "preVoteReply", ...at(2, 1, 5), granted: true });
    cluster.deliver({ type: "preVoteReply", ...at(3, 1, 5), granted: true });
    expect(cluster.raft(1).term).toBe(5);
    for (const from of [2, 3, 4, 5]) cluster.deliver({ type: "voteReply", ...at(from, 1, 1), granted: true });
    for (const from of [2, 3, 4, 5]) cluster.deliver({ type: "preVoteReply", ...at(from, 1, 5), granted: true });
    expect(cluster.raft(1).role).toBe("candidate");
    cluster.deliver({ type: "voteReply", ...at(2, 1, 5), granted: true });
    cluster.deliver({ type: "voteReply", ...at(2, 1, 5), granted: true });
    expect(cluster.raft(1).role).toBe("candidate");
    cluster.deliver({ type: "voteReply", ...at(3, 1, 5), granted: true });
    expect(cluster.raft(1).role).toBe("leader");
  });

  test("of a stranger, or for somebody else, is not heard", () => {
    const cluster = new RaftCluster(3);
    cluster.campaign(1);
    cluster.deliver({ type: "preVoteReply", ...at(7, 1, 1), granted: true });
    cluster.raft(1).step({ type: "preVoteReply", ...at(2, 3, 1), granted: true });
    expect(cluster.raft(1).term).toBe(0);
  });
});

describe("a pre-vote", () => {
  test("changes no term, no vote and no timer of whom it asks", () => {
    const cluster = new RaftCluster(3);
    cluster.pass(ELECTION_MS - 10);
    for (let i = 0; i < 10; i++) {
      cluster.deliver({ type: "preVoteRequest", ...at(1, 2, 40 + i), lastIndex: 5, lastTerm: 5 });
      cluster.pass(4, { only: [2], quiet: true });
    }
    expect([cluster.raft(2).term, cluster.raft(2).vote]).toEqual([0, 0]);
    cluster.pass(2 * ELECTION_MS * 0.1 + 10, { only: [2], quiet: true });
    expect(cluster.raft(2).role).toBe("candidate");
  });

  test("that fails leaves the asker's term as it is", () => {
    const cluster = new RaftCluster(3);
    cluster.isolate(1);
    cluster.pass(20 * ELECTION_MS, { only: [1] });
    expect([cluster.raft(1).role, cluster.raft(1).term]).toEqual(["candidate", 0]);
  });

  test("is refused by who heard a leader within the minimum time-out, and by the leader", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.cut(1, 3);
    cluster.pass(10 * ELECTION_MS);
    expect(cluster.leaders).toEqual([1]);
    expect(cluster.raft(1).term).toBe(1);
    expect(cluster.sent.some((message) => message.type === "preVoteRequest" && message.from === 3)).toBe(true);
    expect(cluster.sent.some((message) => message.type === "preVoteReply" && message.to === 3 && message.granted)).toBe(
      false,
    );
  });

  test("is granted once the leader has been silent for the minimum time-out", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    const ask = (): boolean => {
      cluster.deliver({ type: "preVoteRequest", ...at(3, 2, 2), lastIndex: 1, lastTerm: 1 });
      return cluster.take("preVoteReply", 3).at(-1)?.granted ?? false;
    };
    cluster.pass(HEARTBEAT_MS);
    cluster.isolate(1);
    cluster.pass(ELECTION_MS - 10, { only: [2], quiet: true });
    expect(ask()).toBe(false);
    cluster.pass(10, { only: [2], quiet: true });
    cluster.heal();
    expect(ask()).toBe(true);
  });

  test("with an older log is refused", () => {
    const cluster = new RaftCluster(3);
    cluster.replica(2).startWith([1, 1]);
    cluster.deliver({ type: "preVoteRequest", ...at(3, 2, 2), lastIndex: 1, lastTerm: 1 });
    expect(cluster.take("preVoteReply", 3).map(({ granted }) => granted)).toEqual([false]);
  });

  test("of an earlier probe is not counted", () => {
    const cluster = new RaftCluster(3);
    cluster.campaign(1);
    cluster.deliver({ type: "preVoteReply", ...at(2, 1, 9), granted: true });
    expect(cluster.raft(1).term).toBe(0);
  });
});

describe("a vote request", () => {
  test("of a higher term does not disturb who hears a healthy leader", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    for (const to of [1, 2]) cluster.deliver({ type: "voteRequest", ...at(3, to, 7), lastIndex: 9, lastTerm: 6 });
    expect([cluster.raft(1).term, cluster.raft(2).term]).toEqual([1, 1]);
    expect(cluster.take("voteReply")).toEqual([]);
    expect(cluster.leaders).toEqual([1]);
  });
});

describe("a replica whose term is ahead of its cluster", () => {
  test("brings the leader to its term and comes back", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.propose(1, "a");
    cluster.settle();
    cluster.crash(3);
    cluster.replica(3).disk.hardState = { term: 9, vote: 3 };
    cluster.restart(3);
    cluster.pass(6 * ELECTION_MS);
    expect(cluster.leaders).toHaveLength(1);
    expect(cluster.raft(3).term).toBeGreaterThan(9);
    const [leader = 0] = cluster.leaders;
    cluster.propose(leader, "b");
    cluster.pass(HEARTBEAT_MS);
    for (const id of cluster.voters) expect(cluster.replica(id).applied).toEqual(["a", "b"]);
  });

  test("answers what is of a lower term with its own", () => {
    const lower: Message[] = [
      { type: "append", ...at(1, 3, 8), prevIndex: 0, prevTerm: 0, commitIndex: 0, leaseTimeMs: 0, entries: [] },
      { type: "heartbeat", ...at(1, 3, 8), round: 4, commitIndex: 0, leaseTimeMs: 0 },
      { type: "preVoteRequest", ...at(1, 3, 8), lastIndex: 50, lastTerm: 8 },
      { type: "voteRequest", ...at(1, 3, 8), lastIndex: 50, lastTerm: 8 },
    ];
    for (const message of lower) {
      const cluster = new RaftCluster(3);
      cluster.replica(3).startWith([], { term: 9, vote: 3 });
      cluster.deliver(message);
      expect(cluster.transit.map(({ to, term }) => [to, term])).toEqual([[1, 9]]);
      expect(cluster.raft(3).leader).toBe(0);
    }
  });

  test("but has the shorter log does not keep the others from electing", () => {
    const cluster = new RaftCluster(3);
    cluster.replica(1).startWith([1], { term: 9, vote: 1 });
    cluster.replica(2).startWith([1, 2, 2], { term: 2, vote: 2 });
    cluster.crash(3);
    cluster.pass(8 * ELECTION_MS);
    expect(cluster.leaders).toEqual([2]);
    expect(cluster.raft(2).term).toBeGreaterThan(9);
  });
});

describe("a leader", () => {
  test("steps down when it hears no majority within an election time-out", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.isolate(1);
    cluster.pass(2 * ELECTION_MS + HEARTBEAT_MS, { only: [1] });
    expect(cluster.raft(1).role).not.toBe("leader");
    expect(cluster.raft(1).leader).toBe(0);
  });

  test("stays while a majority answers, whoever they are", () => {
    const cluster = new RaftCluster(5);
    cluster.elect(1);
    for (const id of [4, 5]) cluster.isolate(id);
    cluster.pass(10 * ELECTION_MS, { only: [1, 2, 3] });
    expect(cluster.leaders).toEqual([1]);
  });

  test("that can send but not hear gives way", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    for (const id of [2, 3]) cluster.cut(id, 1);
    cluster.pass(6 * ELECTION_MS);
    expect(cluster.leaders).toHaveLength(1);
    expect(cluster.leaders).not.toEqual([1]);
  });

  test("that can hear but not send is replaced and follows", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    for (const id of [2, 3]) cluster.cut(1, id);
    cluster.pass(4 * ELECTION_MS);
    expect(cluster.leaders).toHaveLength(1);
    expect(cluster.raft(1).role).toBe("follower");
    expect(cluster.raft(1).leader).toBe(cluster.leaders[0] ?? 0);
  });

  test("that was paused counts one interval only, and follows whoever was elected meanwhile", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.nowMs += 10_000;
    cluster.raft(1).tick(cluster.nowMs);
    expect(cluster.raft(1).role).toBe("leader");
    cluster.crash(1);
    cluster.pass(4 * ELECTION_MS);
    const [next = 0] = cluster.leaders;
    expect(next).toBeGreaterThan(1);
  });
});

describe("a follower", () => {
  test("that was paused does not stand for election before it has read what came in", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.pass(HEARTBEAT_MS);
    cluster.nowMs += 60_000;
    cluster.raft(2).tick(cluster.nowMs);
    expect(cluster.raft(2).role).toBe("follower");
    expect(cluster.raft(2).leader).toBe(1);
  });

  test("whose clock goes backwards counts nothing", () => {
    const cluster = new RaftCluster(3);
    cluster.raft(2).tick(cluster.nowMs - 5_000);
    for (let i = 0; i < 100; i++) cluster.raft(2).tick(cluster.nowMs - 5_000 - i);
    expect(cluster.raft(2).role).toBe("follower");
  });
});
