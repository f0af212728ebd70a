import { describe, expect, test } from "bun:test";
import { Progress } from "../../../src/raft/progress.ts";
import { ELECTION_MS, RaftCluster } from "../../support/raft-cluster.ts";

const vote = { type: "voteRequest", group: 0 } as const;

/** Replica 1 leads term 1; entries 1 (its no-op) to 4 are committed on replicas 1 and `other` alone. */
function committedOnTwo(other = 2): RaftCluster {
  const cluster = new RaftCluster(3);
  cluster.elect(1);
  const third = 5 - other;
  cluster.isolate(third);
  for (const payload of ["a", "b", "c"]) cluster.propose(1, payload);
  cluster.settle();
  expect(cluster.raft(1).log.commitIndex).toBe(4);
  return cluster;
}

describe("a replica that lost a log of which it knows the end (D7)", () => {
  test("votes by the end that its log had, and never by what is left of it", () => {
    const cluster = committedOnTwo();
    cluster.replica(2).loseLog("known");
    expect(cluster.raft(2).floor).toEqual({ index: 4, term: 1 });
    // The schedule that loses entry 4: 1 is away, and 3 never had it.
    cluster.crash(1);
    cluster.mend();
    cluster.pass(10 * ELECTION_MS);
    expect(cluster.leaders).toEqual([]);
    cluster.restart(1);
    cluster.pass(10 * ELECTION_MS);
    expect(cluster.leaders).toEqual([1]);
    expect(cluster.replica(3).applied).toEqual(["a", "b", "c"]);
  });

  test("votes for whoever has as much", () => {
    const cluster = committedOnTwo();
    cluster.replica(2).loseLog("known");
    cluster.mend();
    const candidacy = { ...vote, from: 3, to: 2, term: 5 };
    for (const [lastTerm, lastIndex, granted] of [
      [1, 3, false],
      [1, 4, true],
    ] as const) {
      cluster.forgetLeader(2);
      cluster.deliver({ ...candidacy, lastTerm, lastIndex });
      expect(cluster.take("voteReply", 3).at(-1)).toMatchObject({ granted });
    }
  });

  test("keeps the vote that it gave", () => {
    const cluster = new RaftCluster(3);
    cluster.replica(2).startWith([1, 1], { term: 9, vote: 1 });
    cluster.replica(2).loseLog("known");
    cluster.deliver({ ...vote, from: 3, to: 2, term: 9, lastIndex: 7, lastTerm: 8 });
    expect(cluster.take("voteReply", 3)).toMatchObject([{ term: 9, granted: false }]);
    cluster.deliver({ ...vote, from: 1, to: 2, term: 9, lastIndex: 7, lastTerm: 8 });
    expect(cluster.take("voteReply", 1)).toMatchObject([{ term: 9, granted: true }]);
  });

  test("neither campaigns nor heeds its leader's word to stand", () => {
    const cluster = committedOnTwo();
    cluster.isolate(2);
    cluster.replica(2).loseLog("known");
    cluster.pass(10 * ELECTION_MS, { only: [2] });
    expect(cluster.raft(2).role).toBe("follower");
    cluster.deliver({
      ...{ type: "heartbeat", group: 0, from: 1, to: 2, term: 1 },
      ...{ round: 1, commitIndex: 0, leaseTimeMs: 0 },
    });
    cluster.deliver({ type: "timeoutNow", group: 0, from: 1, to: 2, term: 1 });
    expect(cluster.raft(2).role).toBe("follower");
    expect(cluster.raft(2).term).toBe(1);
  });

  test("is refilled by the leader that had its acknowledgements in this very term, and is one like the others again", () => {
    const cluster = committedOnTwo();
    cluster.replica(2).loseLog("known");
    expect(cluster.raft(1).follower(2)?.matchIndex).toBe(4);
    cluster.pass(4 * ELECTION_MS);
    expect(cluster.leaders).toEqual([1]);
    expect(cluster.raft(2).floor).toBeUndefined();
    expect(cluster.replica(2).disk.hardState).toEqual({ term: 1, vote: 1 });
    expect(cluster.replica(2).applied).toEqual(["a", "b", "c"]);
    // It counts: the third is still away.
    cluster.propose(1, "d");
    cluster.pass(ELECTION_MS);
    expect(cluster.raft(1).log.commitIndex).toBe(5);
  });

  test("counts for no commit before it is refilled, but for check-quorum and reads", () => {
    const cluster = committedOnTwo();
    cluster.replica(2).loseLog("known");
    // Only a part of what is lost comes through.
    cluster.lose((message) => message.type === "append" && message.entries.some(({ index }) => index === 4));
    cluster.propose(1, "d");
    cluster.pass(6 * ELECTION_MS);
    expect(cluster.leaders).toEqual([1]);
    expect(cluster.raft(1).log.commitIndex).toBe(4);
    expect(cluster.sent.some((message) => message.type === "appendReply" && message.repairing === true)).toBe(true);
    cluster.raft(1).read(7);
    cluster.pass(ELECTION_MS);
    expect(cluster.replica(1).readsReady).toEqual([{ id: 7, index: 4 }]);
    cluster.heal();
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.raft(1).log.commitIndex).toBe(5);
  });

  test("is no successor of a leader that hands over", () => {
    const cluster = committedOnTwo();
    cluster.replica(2).loseLog("known");
    cluster.lose((message) => message.type === "append" && message.entries.length > 0);
    cluster.pass(ELECTION_MS);
    expect(cluster.raft(1).successor((replica) => replica === 2)).toBe(0);
  });

  test("is refilled by a snapshot where the leader's log does not reach back", () => {
    const cluster = committedOnTwo();
    cluster.pass(2 * ELECTION_MS);
    cluster.replica(1).takeSnapshot();
    expect(cluster.raft(1).log.compacted.index).toBe(4);
    cluster.replica(2).loseLog("known");
    cluster.pass(4 * ELECTION_MS);
    expect(cluster.raft(2).floor).toBeUndefined();
    expect(cluster.replica(2).applied).toEqual(["a", "b", "c"]);
    cluster.propose(1, "d");
    cluster.pass(ELECTION_MS);
    expect(cluster.raft(1).log.commitIndex).toBe(5);
  });

  test("writes what reaches its floor and that it is reached in one flush", () => {
    const cluster = committedOnTwo();
    cluster.replica(2).loseLog("known");
    cluster.replica(2).slowDisk = true;
    cluster.pass(2 * ELECTION_MS);
    // Killed before the flush: neither is there.
    cluster.replica(2).restart();
    expect(cluster.raft(2).floor).toEqual({ index: 4, term: 1 });
    expect(cluster.raft(2).log.lastIndex).toBe(0);
    const { disk, flushes } = cluster.replica(2);
    for (let steps = 0; disk.hardState.floor !== undefined; steps++) {
      expect([steps < 100, disk.entries.length < 4]).toEqual([true, true]);
      if (flushes.length > 0) cluster.replica(2).completeFlush();
      else cluster.pass(10);
    }
    expect(disk.entries.length).toBeGreaterThanOrEqual(4);
  });
});

describe("a replica that lost a log of which nobody knows the end (D7)", () => {
  test("enters a new term once, durably, and with no vote", () => {
    const cluster = committedOnTwo();
    cluster.isolate(2);
    cluster.replica(2).loseLog("unknown");
    cluster.replica(2).pump();
    expect(cluster.replica(2).disk.hardState).toMatchObject({ term: 2, vote: 0, floor: { term: 1 } });
    cluster.replica(2).restart();
    expect(cluster.raft(2).term).toBe(2);
  });

  test("votes for nobody who may lack what it lost", () => {
    const cluster = committedOnTwo();
    cluster.replica(2).loseLog("unknown");
    cluster.crash(1);
    cluster.mend();
    cluster.pass(10 * ELECTION_MS);
    expect(cluster.leaders).toEqual([]);
    expect(cluster.raft(2).vote).toBe(0);
  });

  test("is repaired by a leader that was elected without what it forgot", () => {
    const cluster = committedOnTwo();
    cluster.replica(2).loseLog("unknown");
    cluster.mend();
    cluster.pass(10 * ELECTION_MS);
    const [leader = 0] = cluster.leaders;
    expect(cluster.raft(leader).term).toBeGreaterThan(1);
    expect(cluster.raft(2).floor).toBeUndefined();
    expect(cluster.replica(2).applied).toEqual(["a", "b", "c"]);
  });
});

describe("what a leader knows of a follower that says it lost entries", () => {
  /** It acknowledged all up to 100, and is sent what follows. */
  function acknowledged(): Progress {
    const progress = new Progress(101);
    progress.acknowledged(100, 0);
    return progress;
  }

  test("is set back by its refusal of what it had acknowledged, and only by such a one", () => {
    const progress = acknowledged();
    progress.answered(0, false);
    expect(progress.refused(100, 40)).toBe(false);
    progress.answered(0, true);
    expect(progress.refused(100, 40)).toBe(true);
    expect([progress.state, progress.matchIndex, progress.nextIndex]).toEqual(["probe", 0, 41]);
  });

  test("survives a late copy of an old acknowledgement", () => {
    const progress = acknowledged();
    progress.answered(0, true);
    progress.refused(100, 40);
    progress.answered(0, false);
    progress.acknowledged(100, 0);
    expect(progress.nextIndex).toBe(101);
    progress.sent(105, 10, 0);
    progress.answered(0, true);
    expect(progress.refused(100, 40)).toBe(true);
    expect([progress.matchIndex, progress.nextIndex]).toEqual([0, 41]);
  });

  test("is not changed by its refusals while a snapshot is on its way to it", () => {
    const progress = acknowledged();
    progress.state = "snapshot";
    progress.answered(0, true);
    expect(progress.refused(100, 40)).toBe(false);
    expect(progress.state).toBe("snapshot");
  });
});
