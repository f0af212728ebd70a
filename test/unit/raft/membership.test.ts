import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  decodeConfiguration,
  encodeConfiguration,
  isOneStep,
  isSame,
  withNode,
  withoutNode,
} from "../../../src/raft/configuration.ts";
import { majority } from "../../../src/raft/quorum.ts";
import type { Configuration, ConfigurationFacts, Entry, NodeFacts } from "../../../src/raft/types.ts";
import { decodeSnapshotHead, encodeSnapshotHead } from "../../../src/wal/snapshot-header.ts";
import { ELECTION_MS, HEARTBEAT_MS, RaftCluster } from "../../support/raft-cluster.ts";

const at = (from: number, to: number, term: number) => ({ group: 0, from, to, term });
const of = (voters: number[], learners: number[] = []): Configuration => ({ voters, learners });
const entry = (index: number, term: number, configuration?: Configuration): Entry => {
  const payload = configuration === undefined ? new Uint8Array(0) : encodeConfiguration(configuration);
  return { index, term, kind: configuration === undefined ? "noop" : "configuration", leaseTimeMs: 0, payload };
};
const append = (to: number, prevIndex: number, prevTerm: number, term: number, entries: Entry[], commitIndex = 0) =>
  ({
    type: "append",
    ...at(to === 1 ? 2 : 1, to, term),
    prevIndex,
    prevTerm,
    commitIndex,
    leaseTimeMs: 0,
    entries,
  }) as const;

function node(replica: number, nodeId = `node${replica}`, host = "h"): NodeFacts {
  const address = { host, port: 9000 + replica };
  return {
    nodeId,
    incarnation: 2 ** 50 + replica,
    peerAddress: address,
    clientAddress: host === "h" ? undefined : address,
  };
}

function factsOf(replicas: readonly number[], nextReplica: number, nodeId?: string, host?: string): ConfigurationFacts {
  return { nextReplica, nodes: new Map(replicas.map((replica) => [replica, node(replica, nodeId, host)])) };
}

/** Replica 1 leads `voters` voters, and `outside` more replicas belong to nothing yet. */
function led(voters: number, outside: number): RaftCluster {
  const cluster = new RaftCluster(voters + outside, { firstVoters: voters });
  cluster.elect(1);
  cluster.settle();
  return cluster;
}

describe("a configuration", () => {
  const sound = fc
    .uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 7 })
    .chain((replicas) => fc.tuple(fc.constant(replicas), fc.integer({ min: 1, max: replicas.length })))
    .map(([replicas, voters]) => of(replicas.slice(0, voters), replicas.slice(voters)));

  test("reads as it was written", () => {
    fc.assert(fc.property(sound, (each) => expect(decodeConfiguration(encodeConfiguration(each))).toEqual(each)));
  });

  test.each([
    ["has no voter", of([], [1])],
    ["names a replica twice", of([1, 1])],
    ["has a voter that is a learner, too", of([1, 2], [2])],
    ["names nobody", of([0])],
    ["is too large", of(Array.from({ length: 8 }, (_, i) => i + 1))],
    ["has an id that nobody may have yet", { ...of([1, 5]), facts: factsOf([1, 5], 5) }],
    ["lacks the facts of a replica", { ...of([1, 2]), facts: factsOf([1], 3) }],
  ])("that %s is refused", (_what, each) => {
    expect(() => decodeConfiguration(encodeConfiguration(each))).toThrow();
  });

  test("says where its replicas are, and which id the next one gets", () => {
    const longest = Array.from({ length: 7 }, (_, i) => i + 1);
    const facts = factsOf(longest, 9, "n".repeat(64), "h".repeat(253));
    for (const each of [
      { ...of([3], [1]), facts: factsOf([3, 1], 7) },
      { ...of(longest), facts },
    ]) {
      expect(decodeConfiguration(encodeConfiguration(each))).toEqual(each);
    }
    const head = encodeSnapshotHead({
      ...{ group: 0, heldBytes: 1 },
      snapshot: {
        index: 1,
        term: 1,
        leaseTimeMs: 0,
        totalBytes: 1,
        digest: 1,
        configuration: { ...of(longest), facts },
      },
    });
    expect(decodeSnapshotHead(head)).toMatchObject({ snapshot: { configuration: { facts } } });
  });

  test("may change in its facts alone, and is then the same to the protocol", () => {
    const before = { ...of([1, 2]), facts: factsOf([1, 2], 3) };
    const after = { ...before, facts: withNode(before, 2, { ...node(2), clientAddress: { host: "b", port: 8 } }) };
    expect([isOneStep(before, after), isOneStep(before, before), isSame(before, after)]).toEqual([true, false, true]);
    expect(withNode(after, 5, node(5)).nextReplica).toBe(6);
    expect(withoutNode({ ...after, facts: withNode(after, 5, node(5)) }, 5)).toMatchObject({ nextReplica: 6 });
  });

  test("one step away has a majority in common with every majority of the one before", () => {
    fc.assert(
      fc.property(sound, sound, (before, after) => {
        if (!isOneStep(before, after)) return;
        const all = new Set([...before.voters, ...after.voters]);
        expect(majority(before.voters.length) + majority(after.voters.length)).toBeGreaterThan(all.size);
      }),
      { numRuns: 5_000 },
    );
  });

  test("is one step away when one replica joins, leaves or changes its part", () => {
    const before = of([1, 2, 3], [4]);
    for (const after of [of([1, 2, 3, 5], [4]), of([1, 2], [4]), of([1, 2, 3, 4]), of([1, 2, 3]), of([1, 2], [4, 3])]) {
      expect(isOneStep(before, after)).toBe(true);
    }
    for (const after of [before, of([1, 2, 5], [4]), of([1, 2, 3], [5]), of([1, 2, 4]), of([3, 2, 1], [4])]) {
      expect(isOneStep(before, after)).toBe(false);
    }
    expect(isOneStep(of([1]), of([]))).toBe(false);
  });
});

describe("a change of membership", () => {
  test("is in force as soon as it is appended: the new majority has to hold it (R5)", () => {
    const cluster = led(3, 1);
    cluster.crash(4);
    cluster.isolate(3);
    expect(cluster.raft(1).proposeConfiguration(of([1, 2, 3, 4]))).toBe("accepted");
    expect(cluster.raft(1).configuration).toEqual(of([1, 2, 3, 4]));
    cluster.settle();
    // Two of four are none.
    expect(cluster.raft(1).log.commitIndex).toBe(1);
    cluster.restart(4);
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.raft(1).log.commitIndex).toBe(2);
    expect(cluster.raft(4).configuration).toEqual(of([1, 2, 3, 4]));
  });

  test("falls back when its entry is truncated (R5)", () => {
    const cluster = led(3, 1);
    cluster.isolate(1);
    cluster.raft(1).proposeConfiguration(of([1, 2, 3, 4]));
    cluster.settle();
    cluster.forgetLeader(2, 3);
    cluster.elect(2);
    cluster.heal();
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.raft(1).configuration).toEqual(of([1, 2, 3]));
    expect(cluster.raft(1).log.term(2)).toBe(cluster.raft(2).term);
  });

  test("is one at a time, and by one replica (R5)", () => {
    const cluster = led(3, 2);
    expect(cluster.raft(1).proposeConfiguration(of([1, 2, 3, 4, 5]))).toBe("invalid");
    expect(cluster.raft(1).proposeConfiguration(of([1, 2, 3]))).toBe("invalid");
    expect(cluster.raft(1).proposeConfiguration(of([1, 2, 3], [4]))).toBe("accepted");
    expect(cluster.raft(1).proposeConfiguration(of([1, 2, 3], [4, 5]))).toBe("busy");
    cluster.settle();
    expect(cluster.raft(1).proposeConfiguration(of([1, 2, 3], [4, 5]))).toBe("accepted");
    expect(cluster.raft(2).proposeConfiguration(of([1, 2, 3]))).toBe("notLeader");
  });

  test("waits for an entry of the leader's own term: else two leaders in turn commit what the other never sees", () => {
    // The bug of single-server changes as first published (Ongaro, raft-dev, 2015): voters 1…4; 1 adds 5 and crashes; 2 removes 1.
    const cluster = led(4, 1);
    cluster.lose((message) => message.type === "append" && message.to !== 5);
    expect(cluster.raft(1).proposeConfiguration(of([1, 2, 3, 4, 5]))).toBe("accepted");
    cluster.settle();
    expect(cluster.raft(5).configuration).toEqual(of([1, 2, 3, 4, 5]));
    cluster.crash(1);
    cluster.forgetLeader(2, 3, 4);
    cluster.elect(2);
    // Its no-op has not committed.
    expect(cluster.raft(2).proposeConfiguration(of([2, 3, 4]))).toBe("busy");
    cluster.heal();
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.raft(2).proposeConfiguration(of([2, 3, 4]))).toBe("accepted");
    cluster.settle();
    const { log } = cluster.raft(2);
    expect(log.commitIndex).toBe(log.lastIndex);
    // Replicas 1 and 5 and whoever has not heard elect nobody against that.
    cluster.restart(1);
    for (const id of [2, 3]) cluster.crash(id);
    cluster.pass(20 * ELECTION_MS);
    expect(cluster.leaders).toEqual([]);
  });

  test("waits while leadership is handed over", () => {
    const cluster = led(3, 1);
    cluster.raft(1).transferTo(2);
    expect(cluster.raft(1).proposeConfiguration(of([1, 2, 3, 4]))).toBe("notLeader");
  });

  test("commits at once what the smaller majority holds already", () => {
    const cluster = led(4, 0);
    cluster.isolate(4);
    cluster.isolate(3);
    cluster.propose(1, "a");
    cluster.settle();
    expect(cluster.replica(1).applied).toEqual([]);
    cluster.heal();
    cluster.crash(4);
    expect(cluster.raft(1).proposeConfiguration(of([1, 2, 3]))).toBe("accepted");
    expect(cluster.raft(1).log.commitIndex).toBe(2);
    cluster.pass(ELECTION_MS);
    expect(cluster.replica(1).applied).toEqual(["a"]);
  });

  test("takes room in the log like any entry: none on a full disk, and given back when it has committed (D9)", () => {
    const cluster = new RaftCluster(3, { firstVoters: 2, maxUncommittedBytes: 100 });
    cluster.elect(1);
    cluster.replica(1).fullDisk = true;
    expect(cluster.raft(1).proposeConfiguration(of([1, 2], [3]))).toBe("noRoom");
    expect(cluster.raft(1).configuration).toEqual(of([1, 2]));
    cluster.replica(1).fullDisk = false;
    expect(cluster.raft(1).proposeConfiguration(of([1, 2], [3]))).toBe("accepted");
    cluster.settle();
    expect(cluster.propose(1, "x".repeat(90))).toBe("accepted");
    expect(cluster.propose(1, "x")).toBe("overloaded");
  });

  test("leaves a replica that has left alone", () => {
    const cluster = led(3, 0);
    cluster.raft(1).proposeConfiguration(of([1, 2]));
    cluster.settle();
    cluster.sent.length = 0;
    cluster.propose(1, "a");
    cluster.pass(ELECTION_MS);
    expect(cluster.sent.filter(({ from, to }) => from === 1 && to === 3)).toEqual([]);
    expect(cluster.raft(1).follower(3)?.matchIndex).toBeUndefined();
  });

  test("survives a restart, in the log and in a snapshot", () => {
    const cluster = led(3, 1);
    cluster.raft(1).proposeConfiguration(of([1, 2, 3], [4]));
    cluster.pass(HEARTBEAT_MS);
    cluster.restart(2);
    expect(cluster.raft(2).configuration).toEqual(of([1, 2, 3], [4]));
    cluster.propose(1, "a");
    cluster.pass(2 * HEARTBEAT_MS);
    cluster.replica(2).takeSnapshot();
    cluster.replica(2).pump();
    expect(cluster.raft(2).log.compacted.index).toBe(3);
    cluster.restart(2);
    expect(cluster.raft(2).configuration).toEqual(of([1, 2, 3], [4]));
  });

  test("behind a snapshot falls back to what the snapshot says", () => {
    const cluster = led(3, 1);
    cluster.raft(1).proposeConfiguration(of([1, 2, 3], [4]));
    cluster.pass(HEARTBEAT_MS);
    cluster.replica(1).takeSnapshot();
    cluster.isolate(1);
    cluster.raft(1).proposeConfiguration(of([1, 2, 3, 4]));
    cluster.settle();
    cluster.restart(1);
    expect(cluster.raft(1).configuration).toEqual(of([1, 2, 3, 4]));
    cluster.forgetLeader(2, 3);
    cluster.elect(2);
    cluster.heal();
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.raft(1).configuration).toEqual(of([1, 2, 3], [4]));
  });

  test("reaches a replica that joins by a snapshot", () => {
    const cluster = led(3, 1);
    for (const payload of ["a", "b", "c"]) cluster.propose(1, payload);
    cluster.settle();
    cluster.replica(1).takeSnapshot();
    cluster.raft(1).proposeConfiguration(of([1, 2, 3], [4]));
    cluster.settle();
    cluster.replica(1).takeSnapshot();
    cluster.pass(ELECTION_MS);
    expect(cluster.replica(4).applied).toEqual(["a", "b", "c"]);
    expect(cluster.raft(4).configuration).toEqual(of([1, 2, 3], [4]));
    expect(cluster.raft(4).log.compacted.index).toBeGreaterThan(0);
  });

  test("is part of a snapshot: one that says otherwise is not taken", () => {
    const cluster = led(3, 1);
    cluster.raft(1).proposeConfiguration(of([1, 2, 3], [4]));
    cluster.settle();
    const { raft, snapshots } = cluster.replica(1);
    const point = raft.log.slice(2, 2, 0)[0]!;
    expect(() => raft.snapshots.taken(snapshots.make(point, [], of([1, 2, 3])), Infinity)).toThrow(
      "who belonged to the group",
    );
  });
});

describe("a learner", () => {
  /** Voters 1 and 2, learner 3. */
  function withLearner(): RaftCluster {
    const cluster = led(2, 1);
    cluster.raft(1).proposeConfiguration(of([1, 2], [3]));
    cluster.pass(ELECTION_MS);
    return cluster;
  }

  test("gets all that is committed", () => {
    const cluster = withLearner();
    cluster.propose(1, "a");
    cluster.settle();
    expect(cluster.replica(3).applied).toEqual(["a"]);
  });

  test("does not count: not for what is committed, not for reads, not for whether the leader is heard", () => {
    const cluster = withLearner();
    cluster.crash(2);
    cluster.propose(1, "a");
    cluster.raft(1).read(7);
    const lease = cluster.raft(1).leaseTime.nowMs;
    cluster.pass(ELECTION_MS / 2);
    expect(cluster.replica(1).applied).toEqual([]);
    expect(cluster.replica(1).readsReady).toEqual([]);
    expect(cluster.raft(1).leaseTime.nowMs).toBe(lease);
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.leaders).toEqual([]);
  });

  test("stands for no election, not even by its leader's word, and leadership is not handed to it", () => {
    const cluster = withLearner();
    expect(cluster.raft(1).transferTo(3)).toBe("unknown");
    expect(cluster.raft(1).successor((replica) => replica === 3)).toBe(0);
    const { term } = cluster.raft(3);
    cluster.deliver({ type: "timeoutNow", ...at(1, 3, term) });
    expect(cluster.raft(3).role).toBe("follower");
    cluster.crash(1);
    cluster.crash(2);
    cluster.pass(10 * ELECTION_MS);
    expect([cluster.raft(3).role, cluster.raft(3).term]).toEqual(["follower", term]);
  });

  test("is not asked for its vote, and an answer of it does not count", () => {
    const cluster = withLearner();
    cluster.crash(1);
    cluster.campaign(2);
    const { raft } = cluster.replica(2);
    expect(cluster.take("preVoteRequest", 3)).toEqual([]);
    raft.step({ type: "preVoteReply", ...at(3, 2, raft.term + 1), granted: true });
    expect(raft.role).toBe("candidate");
    expect(raft.vote).not.toBe(2);
  });

  test("that was promoted and has not heard of it gives the vote that it is asked for: else nobody could lead", () => {
    const cluster = withLearner();
    cluster.cut(1, 3);
    cluster.raft(1).proposeConfiguration(of([1, 2, 3]));
    cluster.settle();
    expect(cluster.raft(2).log.commitIndex).toBe(3);
    expect(cluster.raft(3).configuration).toEqual(of([1, 2], [3]));
    cluster.crash(1);
    cluster.forgetLeader(3);
    cluster.elect(2);
    cluster.propose(2, "a");
    cluster.settle();
    expect(cluster.replica(3).applied).toEqual(["a"]);
  });

  test("is caught up once it lags no more than by what was committed a moment ago", () => {
    const cluster = led(2, 1);
    for (let i = 0; i < 50; i++) cluster.propose(1, `${i}`);
    cluster.settle();
    cluster.cut(1, 3);
    cluster.raft(1).proposeConfiguration(of([1, 2], [3]));
    cluster.pass(4 * ELECTION_MS);
    expect(cluster.raft(1).isCaughtUp(3)).toBe(false);
    cluster.heal();
    cluster.pass(4 * ELECTION_MS);
    expect(cluster.raft(1).isCaughtUp(3)).toBe(true);
    cluster.raft(1).disconnected(3);
    expect(cluster.raft(1).isCaughtUp(3)).toBe(false);
    cluster.pass(ELECTION_MS);
    cluster.propose(1, "later");
    cluster.settle();
    expect(cluster.raft(1).isCaughtUp(3)).toBe(true);
    cluster.replica(3).slowDisk = true;
    for (let i = 0; i < 20; i++) {
      cluster.propose(1, "still later");
      cluster.pass(ELECTION_MS / 5);
      cluster.replica(3).completeFlush();
    }
    expect(cluster.raft(1).isCaughtUp(3)).toBe(true);
    // It answers, but takes a fifth of what comes.
    for (let i = 0; i < 20; i++) {
      for (let k = 0; k < 5; k++) {
        cluster.propose(1, "too much");
        cluster.settle();
      }
      cluster.pass(ELECTION_MS / 5);
      cluster.replica(3).completeFlush();
    }
    expect(cluster.raft(1).isCaughtUp(3)).toBe(false);
    expect([cluster.raft(1).isCaughtUp(9), cluster.raft(2).isCaughtUp(3)]).toEqual([false, false]);
  });
});

describe("a leader that is removed", () => {
  test("does not count itself, and steps down when its removal has committed (R5)", () => {
    const cluster = led(3, 0);
    cluster.crash(3);
    expect(cluster.raft(1).proposeConfiguration(of([2, 3]))).toBe("accepted");
    cluster.pass(HEARTBEAT_MS);
    // 1 and 2 hold it, and are no majority of 2 and 3.
    expect(cluster.raft(1).log.commitIndex).toBe(1);
    expect(cluster.raft(1).role).toBe("leader");
    cluster.restart(3);
    cluster.raft(1).disconnected(3);
    cluster.pass(HEARTBEAT_MS);
    expect(cluster.raft(1).log.commitIndex).toBe(2);
    expect(cluster.raft(1).role).toBe("follower");
    expect(cluster.raft(2).log.commitIndex).toBe(2);
    cluster.pass(4 * ELECTION_MS);
    expect(cluster.leaders).not.toContain(1);
    expect(cluster.leaders).toHaveLength(1);
    expect(cluster.raft(1).term).toBe(1);
  });

  test("steps down also when it becomes a learner, and then follows", () => {
    const cluster = led(3, 0);
    cluster.raft(1).proposeConfiguration(of([2, 3], [1]));
    cluster.pass(6 * ELECTION_MS);
    const [leader] = cluster.leaders;
    expect([2, 3]).toContain(leader!);
    cluster.propose(leader!, "a");
    cluster.settle();
    expect(cluster.replica(1).applied).toEqual(["a"]);
  });

  test("stands for election while its removal has not committed, if nobody else can lead, and does not vote for itself", () => {
    const cluster = led(2, 0);
    cluster.cut(1, 2);
    cluster.raft(1).proposeConfiguration(of([2]));
    cluster.settle();
    cluster.restart(1);
    cluster.heal();
    // 2 lacks the entry of its own sole majority; 1 has it.
    cluster.pass(10 * ELECTION_MS);
    expect(cluster.leaders).toEqual([2]);
    expect(cluster.raft(2).configuration).toEqual(of([2]));
    expect(cluster.raft(2).established).toBe(true);
  });
});

test("a replica that appended its own removal stands for election after a restart, though it was no voter at first", () => {
  const cluster = led(1, 1);
  cluster.raft(1).proposeConfiguration(of([1, 2]));
  cluster.pass(ELECTION_MS);
  cluster.raft(1).transferTo(2);
  cluster.settle();
  expect(cluster.leaders).toEqual([2]);
  cluster.cut(2, 1);
  expect(cluster.raft(2).proposeConfiguration(of([1]))).toBe("accepted");
  cluster.settle();
  cluster.restart(2);
  cluster.heal();
  cluster.pass(10 * ELECTION_MS);
  expect(cluster.leaders).toEqual([1]);
  expect(cluster.raft(1).configuration).toEqual(of([1]));
});

describe("a message of a replica that our configuration does not know", () => {
  test("is heard: it may lead by a newer one", () => {
    const cluster = new RaftCluster(4, { firstVoters: 3 });
    cluster.deliver({ ...append(2, 0, 0, 5, [entry(1, 4), entry(2, 5, of([1, 2, 3, 4]))]), from: 4 });
    expect([cluster.raft(2).leader, cluster.raft(2).configuration]).toEqual([4, of([1, 2, 3, 4])]);
    cluster.deliver({ type: "voteRequest", ...at(4, 3, 6), lastIndex: 2, lastTerm: 5 });
    expect(cluster.take("voteReply", 4)).toMatchObject([{ granted: true }]);
  });
});
