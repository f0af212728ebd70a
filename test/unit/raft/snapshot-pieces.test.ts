/** What a follower does with a snapshot that comes in, message by message: replica 2 follows 1, and 3 in later terms. */
import { describe, expect, test } from "bun:test";
import { RaftCluster } from "../../support/raft-cluster.ts";
import { append, entries, heartbeat, LARGE, Offer, replies } from "../../support/snapshot-offer.ts";

describe("pieces of a snapshot", () => {
  test("are acknowledged when they are durable, and not before", () => {
    const cluster = new RaftCluster(3);
    const replica = cluster.replica(2);
    replica.slowSnapshots = true;
    const offer = new Offer(10, 1);
    cluster.deliver(offer.piece(0, 20));
    cluster.deliver(offer.piece(20, 40));
    expect(replies(cluster)).toEqual([]);
    replica.completeTask();
    replica.pump();
    expect(replies(cluster)).toEqual([["receiving", 10, 20]]);
    cluster.deliver(offer.piece(0, 0));
    expect(replies(cluster)).toEqual([["receiving", 10, 20]]);
    replica.completeTask();
    replica.pump();
    expect(replies(cluster)).toEqual([["receiving", 10, 40]]);
  });

  test("bring no answer before the term is durable (D1), and the whole is not put in force before", () => {
    const cluster = new RaftCluster(3, LARGE);
    const replica = cluster.replica(2);
    replica.slowDisk = true;
    const offer = new Offer(10, 7);
    cluster.deliver(offer.whole());
    expect(replies(cluster)).toEqual([]);
    expect([replica.snapshots.partial?.bytes.length, replica.raft.log.compacted.index]).toEqual([offer.size, 0]);
    replica.completeFlush();
    replica.pump();
    expect(replica.raft.log.compacted.index).toBe(10);
    expect(replies(cluster)).toEqual([
      ["receiving", 10, offer.size],
      ["installed", 10, offer.size],
    ]);
  });

  test("that were all stored before their term was durable are put in force after a restart, in that term", () => {
    const cluster = new RaftCluster(3, LARGE);
    const replica = cluster.replica(2);
    replica.slowDisk = true;
    replica.slowSnapshots = true;
    const offer = new Offer(10, 7);
    cluster.deliver(offer.whole());
    replica.completeTask();
    cluster.restart(2);
    replica.slowDisk = false;
    replica.slowSnapshots = false;
    replica.pump();
    expect([replica.raft.term, replica.raft.log.compacted.index]).toEqual([0, 0]);
    cluster.deliver(heartbeat(7, 1));
    replica.pump();
    expect([replica.raft.term, replica.raft.log.compacted.index]).toEqual([7, 10]);
    cluster.restart(2);
    expect(replica.applied).toEqual(offer.commands);
  });

  test("that come twice, overlap or leave a gap are put together once", () => {
    const cluster = new RaftCluster(3, LARGE);
    const offer = new Offer(10, 1);
    cluster.deliver(offer.piece(30, 40));
    expect(replies(cluster)).toEqual([["receiving", 10, 0]]);
    cluster.deliver(offer.piece(0, 20));
    cluster.deliver(offer.piece(0, 20));
    cluster.deliver(offer.piece(10, 30));
    cluster.deliver(offer.piece(5, 15));
    expect(replies(cluster).map(([, , offset]) => offset)).toEqual([20, 20, 30, 30]);
    cluster.deliver(offer.piece(25, offer.size));
    expect(cluster.replica(2).applied).toEqual(offer.commands);
  });

  test("beyond what may wait for the disk are not taken", () => {
    const cluster = new RaftCluster(3, { maxSnapshotWindowBytes: 30 });
    const replica = cluster.replica(2);
    replica.slowSnapshots = true;
    const offer = new Offer(10, 1);
    cluster.deliver(offer.piece(0, 20));
    cluster.deliver(offer.piece(20, 40));
    expect(replica.tasks).toHaveLength(1);
  });

  test("of an older snapshot that come late do not disturb a newer one of the same leader", () => {
    const cluster = new RaftCluster(3, LARGE);
    const [older, newer] = [new Offer(5, 1), new Offer(10, 1)];
    cluster.deliver(older.piece(0, 10));
    cluster.deliver(newer.piece(0, 20));
    cluster.deliver(older.piece(10, 20));
    cluster.deliver(newer.piece(20, newer.size));
    expect(cluster.replica(2).applied).toEqual(newer.commands);
  });

  test("of an older snapshot do not disturb one that the leader continued where another had left off", () => {
    const cluster = new RaftCluster(3, LARGE);
    const newer = new Offer(10, 1);
    cluster.deliver(newer.piece(0, 20));
    cluster.deliver(newer.piece(20, 30, 2));
    cluster.deliver(new Offer(5, 1).piece(0, 10, 2));
    cluster.deliver(newer.piece(30, newer.size, 2));
    expect(cluster.replica(2).applied).toEqual(newer.commands);
  });

  test("are not put together with those of another snapshot of the same entry", () => {
    const cluster = new RaftCluster(3, LARGE);
    cluster.deliver(new Offer(10, 1).piece(0, 20));
    const other = new Offer(10, 1, 3, "other");
    cluster.deliver(other.piece(20, 40, 2));
    cluster.deliver(other.whole(2));
    expect(cluster.replica(2).applied).toEqual(other.commands);
  });

  test("are of no use any more once appends brought all of it", () => {
    const cluster = new RaftCluster(3, LARGE);
    cluster.deliver(new Offer(4, 1).piece(0, 20));
    expect(cluster.raft(2).snapshots.receiving?.index).toBe(4);
    cluster.deliver(append(0, 0, 1, entries(1, 6, 1), 6));
    expect(cluster.raft(2).snapshots.receiving).toBeUndefined();
  });

  test("of an older snapshot that come after a newer one is in force change nothing", () => {
    const cluster = new RaftCluster(3, LARGE);
    const [older, newer] = [new Offer(5, 1), new Offer(10, 1)];
    cluster.deliver(newer.whole());
    replies(cluster);
    cluster.deliver(older.whole());
    expect(replies(cluster)).toEqual([["installed", 5, older.size]]);
    expect(cluster.replica(2).applied).toEqual(newer.commands);
    expect(cluster.raft(2).log.compacted.index).toBe(10);
  });

  test("of an older snapshot are taken from a later leader: it may have no newer one", () => {
    const cluster = new RaftCluster(3, LARGE);
    cluster.deliver(new Offer(10, 1).piece(0, 20));
    const older = new Offer(5, 1, 3);
    cluster.deliver(older.whole(2));
    expect(cluster.replica(2).applied).toEqual(older.commands);
  });

  test("of an earlier term are answered with ours: that leader is none any more (R1)", () => {
    const cluster = new RaftCluster(3);
    cluster.replica(2).startWith([1], { term: 5, vote: 0 });
    cluster.deliver(new Offer(10, 1).piece(0, 20));
    expect(cluster.take("snapshotReply")).toMatchObject([{ term: 5, state: "refused", offset: 0 }]);
    expect(cluster.replica(2).snapshots.partial).toBeUndefined();
  });

  test("that are not what they should be are dropped, all of them, and it begins anew", () => {
    const cluster = new RaftCluster(3, LARGE);
    const offer = new Offer(10, 1);
    const damaged = offer.piece(0, 20);
    cluster.deliver({ ...damaged, bytes: damaged.bytes.map((byte, i) => (i === 7 ? byte ^ 1 : byte)) });
    cluster.deliver(offer.piece(20, offer.size));
    expect(replies(cluster).at(-1)).toEqual(["refused", 10, 0]);
    expect(cluster.raft(2).log.lastIndex).toBe(0);
    cluster.deliver(offer.whole());
    expect(cluster.replica(2).applied).toEqual(offer.commands);
  });

  test("for which there is no room are refused, and come again from where the disk is", () => {
    const cluster = new RaftCluster(3, LARGE);
    const { raft } = cluster.replica(2);
    const offer = new Offer(10, 1);
    cluster.deliver(offer.piece(0, 20));
    replies(cluster);
    cluster.replica(2).slowSnapshots = true;
    cluster.deliver(offer.piece(20, 40));
    cluster.deliver(offer.piece(40, 60));
    raft.snapshots.notStored(offer.snapshot, 40);
    cluster.replica(2).pump();
    expect(replies(cluster)).toEqual([["refused", 10, 20]]);
    // Behind the piece that found no room there is a gap; the piece itself is taken when it comes again.
    cluster.deliver(offer.piece(60, 80));
    expect(replies(cluster)).toEqual([["receiving", 10, 20]]);
    raft.snapshots.stored(offer.snapshot, 40);
    cluster.replica(2).pump();
    expect(replies(cluster)).toEqual([["receiving", 10, 40]]);
    cluster.deliver(offer.piece(40, 60));
    expect(replies(cluster)).toEqual([]);
  });

  test("of which the disk has lost what it held are asked for from the first on", () => {
    const cluster = new RaftCluster(3, LARGE);
    const { raft } = cluster.replica(2);
    const offer = new Offer(10, 1);
    cluster.deliver(offer.piece(0, 20));
    raft.snapshots.notStored(offer.snapshot, 0);
    cluster.replica(2).pump();
    expect(replies(cluster)).toEqual([
      ["receiving", 10, 20],
      ["refused", 10, 0],
    ]);
    cluster.deliver(offer.piece(0, 0));
    expect(replies(cluster)).toEqual([["receiving", 10, 0]]);
  });

  test("stand no heartbeat and no append in the way", () => {
    const cluster = new RaftCluster(3);
    cluster.replica(2).slowSnapshots = true;
    const offer = new Offer(10, 1);
    cluster.deliver(offer.piece(0, 20));
    cluster.deliver(heartbeat(1, 7));
    expect(cluster.take("heartbeatReply")).toMatchObject([{ round: 7 }]);
    cluster.deliver(append(0, 0, 1, entries(1, 2, 1), 2));
    expect(cluster.take("appendReply")).toMatchObject([{ success: true, index: 2 }]);
    expect(cluster.replica(2).applied).toEqual(["1/1", "1/2"]);
  });
});
