/** What a follower does with a snapshot that is whole, message by message: replica 2 follows 1, and 3 in later terms. */
import { describe, expect, test } from "bun:test";
import { ELECTION_MS, RaftCluster } from "../../support/raft-cluster.ts";
import { append, at, entries, entry, LARGE, Offer, replies } from "../../support/snapshot-offer.ts";

describe("a snapshot that is whole", () => {
  test("takes the place of a log that ends before it", () => {
    const cluster = new RaftCluster(3, LARGE);
    cluster.deliver(append(0, 0, 1, entries(1, 3, 1), 2));
    const offer = new Offer(10, 1);
    cluster.deliver(offer.whole());
    const { raft, applied, disk } = cluster.replica(2);
    expect(applied).toEqual(offer.commands);
    expect([raft.log.lastIndex, raft.log.lastTerm, raft.log.commitIndex, raft.log.appliedIndex]).toEqual([
      10, 1, 10, 10,
    ]);
    expect(disk.compacted).toEqual({ index: 10, term: 1, leaseTimeMs: 10 });
    expect(disk.entries).toEqual([]);
    expect(replies(cluster)).toEqual([
      ["receiving", 10, offer.size],
      ["installed", 10, offer.size],
    ]);
  });

  test("takes the place of a log that contradicts it, however long that one is (Raft §7)", () => {
    const cluster = new RaftCluster(3, LARGE);
    cluster.replica(2).startWith([1, 1, 2, 2, 2, 2], { term: 2, vote: 0 });
    const offer = new Offer(4, 3);
    cluster.deliver(offer.whole());
    expect(cluster.raft(2).log.lastIndex).toBe(4);
    expect(cluster.replica(2).disk.entries).toEqual([]);
    cluster.restart(2);
    expect(cluster.raft(2).log.lastIndex).toBe(4);
    expect(cluster.replica(2).applied).toEqual(offer.commands);
  });

  test("leaves what follows it in the log, if the log holds its entry by the time that it is in force (Raft §7)", () => {
    const cluster = new RaftCluster(3, LARGE);
    const replica = cluster.replica(2);
    replica.slowSnapshots = true;
    const offer = new Offer(4, 1);
    cluster.deliver(offer.whole());
    replica.completeTask();
    replica.pump();
    expect(replica.raft.snapshots.isInstalling).toBe(true);
    cluster.deliver(append(0, 0, 1, entries(1, 6, 1), 2));
    replica.slowSnapshots = false;
    replica.pump();
    expect([replica.raft.log.compacted.index, replica.raft.log.lastIndex, replica.raft.log.commitIndex]).toEqual([
      0, 6, 4,
    ]);
    expect(replica.applied).toEqual(offer.commands);
    expect(replica.raft.log.snapshot).toEqual(offer.snapshot);
    cluster.deliver(append(6, 1, 1, [], 6));
    expect(replica.applied).toEqual([...offer.commands, "1/5", "1/6"]);
    cluster.restart(2);
    expect([replica.raft.log.lastIndex, replica.raft.log.commitIndex, replica.applied]).toEqual([6, 4, offer.commands]);
  });

  test("is followed by its next entry and by none that leaves a gap", () => {
    const cluster = new RaftCluster(3, LARGE);
    cluster.deliver(new Offer(10, 1).whole());
    cluster.deliver(append(12, 1, 1, [entry(13, 1)], 13));
    expect(cluster.take("appendReply")).toMatchObject([{ success: false, index: 12, hintIndex: 10, hintTerm: 1 }]);
    cluster.deliver(append(10, 1, 1, [entry(11, 1)], 11));
    expect(cluster.take("appendReply")).toMatchObject([{ success: true, index: 11 }]);
    expect(cluster.replica(2).applied.at(-1)).toBe("1/11");
  });

  test("makes an append that was on its way before it harmless", () => {
    const cluster = new RaftCluster(3, LARGE);
    const offer = new Offer(10, 1);
    cluster.deliver(offer.whole());
    cluster.deliver(append(2, 1, 1, entries(3, 5, 1), 5));
    expect(cluster.take("appendReply")).toMatchObject([{ success: true, index: 10 }]);
    expect([cluster.raft(2).log.lastIndex, cluster.raft(2).log.commitIndex]).toEqual([10, 10]);
    expect(cluster.replica(2).applied).toEqual(offer.commands);
  });

  test("counts with its index and term in elections", () => {
    const cluster = new RaftCluster(3, LARGE);
    cluster.deliver(new Offer(10, 4).whole());
    for (const [lastIndex, lastTerm, granted] of [
      [50, 3, false],
      [9, 4, false],
      [10, 4, true],
    ] as const) {
      cluster.forgetLeader(2);
      cluster.deliver({ type: "preVoteRequest", ...at(3, 2, 5), lastIndex, lastTerm });
      expect(cluster.take("preVoteReply", 3)).toMatchObject([{ granted }]);
    }
  });

  test("brings lease time with it (T1): whoever leads next resumes there", () => {
    const cluster = new RaftCluster(3, LARGE);
    const offer = new Offer(500, 1);
    cluster.deliver(offer.piece(0, 10));
    expect(cluster.raft(2).leaseTime.nowMs).toBe(500);
    cluster.deliver(offer.whole());
    expect(cluster.raft(2).log.lastLeaseTimeMs).toBe(500);
    cluster.restart(2);
    expect([cluster.raft(2).leaseTime.nowMs, cluster.raft(2).log.lastLeaseTimeMs]).toEqual([500, 500]);
    cluster.elect(2);
    expect(cluster.raft(2).log.slice(501, 501, 0)[0]?.leaseTimeMs).toBeGreaterThanOrEqual(500);
  });

  test("is put in force although the process ended before its log said so", () => {
    const cluster = new RaftCluster(3, LARGE);
    const replica = cluster.replica(2);
    cluster.deliver(append(0, 0, 1, entries(1, 3, 1), 2));
    replica.slowDisk = true;
    const offer = new Offer(10, 1);
    cluster.deliver(offer.whole());
    expect([replica.raft.log.compacted.index, replica.disk.compacted.index]).toEqual([10, 0]);
    replica.slowDisk = false;
    cluster.restart(2);
    expect([replica.raft.log.compacted.index, replica.raft.log.lastIndex, replica.applied]).toEqual([
      10,
      10,
      offer.commands,
    ]);
    expect(replica.raft.leaseTime.nowMs).toBe(10);
    replica.pump();
    expect(replica.disk.compacted.index).toBe(10);
    cluster.deliver(append(10, 1, 1, [entry(11, 1)], 11));
    expect(replica.applied.at(-1)).toBe("1/11");
  });

  test("voids what was not handed over to the disk yet", () => {
    const cluster = new RaftCluster(3, LARGE);
    const replica = cluster.replica(2);
    replica.startWith([1, 1, 2, 2, 2, 2], { term: 2, vote: 0 });
    replica.slowSnapshots = true;
    const offer = new Offer(9, 3);
    cluster.deliver(offer.whole());
    replica.completeTask();
    replica.pump();
    replica.completeTask();
    replica.raft.step(append(2, 1, 3, [entry(3, 3), entry(4, 3)]));
    replica.completeTask();
    replica.pump();
    expect([replica.disk.compacted.index, replica.disk.entries]).toEqual([9, []]);
    cluster.deliver(append(9, 3, 3, [entry(10, 3)], 10));
    expect(replica.disk.entries).toHaveLength(1);
  });

  test("makes durable what the log holds of it: nothing is applied that is not", () => {
    const cluster = new RaftCluster(3, LARGE);
    const replica = cluster.replica(2);
    replica.startWith([1], { term: 1, vote: 0 });
    replica.slowDisk = true;
    replica.slowSnapshots = true;
    cluster.deliver(new Offer(4, 1).whole());
    cluster.deliver(append(0, 0, 1, entries(1, 6, 1)));
    replica.slowSnapshots = false;
    replica.pump();
    expect([replica.raft.log.appliedIndex, replica.raft.log.durableIndex, replica.raft.log.lastIndex]).toEqual([
      4, 4, 6,
    ]);
  });

  test("voids what the disk still writes: a late completion counts nothing", () => {
    const cluster = new RaftCluster(3, LARGE);
    const replica = cluster.replica(2);
    replica.startWith([1], { term: 1, vote: 0 });
    replica.slowDisk = true;
    cluster.deliver(append(1, 1, 1, entries(2, 12, 1)));
    // The leader of term 2 never had them.
    const offer = new Offer(10, 2, 3);
    cluster.deliver(offer.whole());
    while (replica.raft.log.compacted.index === 0) {
      replica.completeFlush();
      replica.pump();
    }
    expect(replica.raft.log.durableIndex).toBe(10);
    while (replica.flushes.length > 0) replica.completeFlush();
    expect([replica.raft.log.lastIndex, replica.raft.log.durableIndex, replica.disk.entries.length]).toEqual([
      10, 10, 0,
    ]);
    expect(cluster.take("appendReply")).toEqual([]);
  });
});

describe("a snapshot that brings nothing new", () => {
  test("is answered as installed, and nothing is stored", () => {
    const cluster = new RaftCluster(3);
    cluster.deliver(append(0, 0, 1, entries(1, 8, 1), 8));
    const offer = new Offer(6, 1);
    cluster.deliver(offer.piece(0, 10));
    expect(replies(cluster)).toEqual([["installed", 6, offer.size]]);
    expect(cluster.replica(2).snapshots.partial).toBeUndefined();
  });

  test("is so even if its entry was not known to be committed: now it is", () => {
    const cluster = new RaftCluster(3);
    cluster.deliver(append(0, 0, 1, entries(1, 8, 1), 2));
    const offer = new Offer(6, 1);
    cluster.deliver(offer.piece(0, 0));
    expect(replies(cluster)).toEqual([["installed", 6, offer.size]]);
    expect(cluster.raft(2).log.commitIndex).toBe(6);
    expect(cluster.replica(2).applied).toHaveLength(6);
  });

  test("is answered only when what the log holds of it is durable (D2)", () => {
    const cluster = new RaftCluster(3);
    const replica = cluster.replica(2);
    replica.startWith([1], { term: 1, vote: 0 });
    replica.slowDisk = true;
    cluster.deliver(append(1, 1, 1, entries(2, 8, 1), 8));
    const offer = new Offer(6, 1);
    cluster.deliver(offer.piece(0, 0));
    expect(replies(cluster)).toEqual([]);
    while (replica.flushes.length > 0) replica.completeFlush();
    expect(replies(cluster)).toEqual([["installed", 6, offer.size]]);
  });

  test("of what is committed otherwise is a broken promise, and the replica stops", () => {
    const cluster = new RaftCluster(3);
    cluster.deliver(append(0, 0, 1, entries(1, 8, 1), 8));
    expect(() => cluster.deliver(new Offer(6, 2).piece(0, 0))).toThrow("agrees with what is committed");
  });
});

/** Replica 2 has all of the snapshot and is putting it in force. */
function installing(offer: Offer): RaftCluster {
  const cluster = new RaftCluster(3, LARGE);
  const replica = cluster.replica(2);
  replica.slowSnapshots = true;
  cluster.deliver(offer.whole());
  replica.completeTask();
  replica.pump();
  expect(replica.raft.snapshots.isInstalling).toBe(true);
  return cluster;
}

describe("while a snapshot is put in force", () => {
  test("appends may overtake it: then it changes nothing", () => {
    const offer = new Offer(4, 1);
    const cluster = installing(offer);
    const replica = cluster.replica(2);
    cluster.deliver(append(0, 0, 1, entries(1, 6, 1), 6));
    replies(cluster);
    replica.slowSnapshots = false;
    replica.pump();
    expect(replica.applied).toEqual([...offer.commands, "1/5", "1/6"]);
    expect([replica.raft.log.compacted.index, replica.raft.log.appliedIndex]).toEqual([0, 6]);
    expect(replies(cluster)).toEqual([["installed", 4, offer.size]]);
    cluster.restart(2);
    expect(replica.raft.log.lastIndex).toBe(6);
  });

  test("another one does not begin, and is taken afterwards", () => {
    const offer = new Offer(4, 1);
    const newer = new Offer(9, 1);
    const cluster = installing(offer);
    const replica = cluster.replica(2);
    cluster.deliver(newer.whole());
    expect(replica.raft.snapshots.receiving).toEqual(offer.snapshot);
    replica.slowSnapshots = false;
    replica.pump();
    expect(replica.applied).toEqual(offer.commands);
    cluster.deliver(newer.whole());
    expect(replica.applied).toEqual(newer.commands);
  });

  test("a snapshot of this replica's own that was begun before is of no use: it is older", () => {
    const cluster = new RaftCluster(3, LARGE);
    const replica = cluster.replica(2);
    cluster.deliver(append(0, 0, 1, entries(1, 3, 1), 3));
    replica.slowSnapshots = true;
    replica.takeSnapshot();
    const own = replica.tasks.shift()!;
    replica.slowSnapshots = false;
    const offer = new Offer(10, 1);
    cluster.deliver(offer.whole());
    own();
    replica.pump();
    expect([replica.raft.log.snapshot?.index, replica.raft.log.compacted.index]).toEqual([10, 10]);
    expect([...replica.snapshots.whole.keys()]).toEqual([10]);
    cluster.restart(2);
    expect(replica.applied).toEqual(offer.commands);
  });

  test("the leader hears that all of it is there, and waits", () => {
    const offer = new Offer(4, 1);
    const cluster = installing(offer);
    replies(cluster);
    cluster.deliver(offer.piece(0, 0));
    expect(replies(cluster)).toEqual([["receiving", 4, offer.size]]);
  });

  test("a leader's word to stand for election is not heeded", () => {
    const cluster = installing(new Offer(4, 1));
    cluster.deliver({ type: "timeoutNow", ...at(1, 2, 1) });
    expect([cluster.raft(2).role, cluster.raft(2).term]).toEqual(["follower", 1]);
  });

  test("a new leader is followed, and hears of its end", () => {
    const offer = new Offer(4, 1);
    const cluster = installing(offer);
    cluster.take("snapshotReply");
    cluster.deliver({ ...append(0, 0, 2, [], 0, 3) });
    cluster.replica(2).slowSnapshots = false;
    cluster.replica(2).pump();
    expect(cluster.take("snapshotReply")).toMatchObject([{ to: 3, term: 2, state: "installed", index: 4 }]);
  });

  test("a crash leaves either the old state or the new one", () => {
    for (const tasks of [0, 1]) {
      const offer = new Offer(4, 1);
      const cluster = installing(offer);
      const replica = cluster.replica(2);
      for (let i = 0; i < tasks; i++) replica.completeTask();
      cluster.crash(2);
      cluster.restart(2);
      expect(replica.raft.log.lastIndex).toBe(tasks === 0 ? 0 : 4);
      replica.slowSnapshots = false;
      replica.pump();
      expect(replica.applied).toEqual(offer.commands);
      cluster.pass(ELECTION_MS);
      expect(replica.raft.log.commitIndex).toBe(4);
    }
  });
});
