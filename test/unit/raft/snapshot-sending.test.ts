import { describe, expect, test } from "bun:test";
import type { Snapshot } from "../../../src/raft/types.ts";
import { type ClusterOptions, ELECTION_MS, HEARTBEAT_MS, RaftCluster } from "../../support/raft-cluster.ts";

const COMMANDS = Array.from({ length: 20 }, (_, i) => `command-${i}`);

/** Replica 3 was away while the others applied twenty commands, and the leader has forgotten all of them. */
function clusterWithLaggard(options: ClusterOptions = {}): RaftCluster {
  const cluster = new RaftCluster(3, options);
  cluster.elect(1);
  cluster.crash(3);
  for (const command of COMMANDS) cluster.propose(1, command);
  cluster.pass(2 * ELECTION_MS);
  cluster.replica(1).takeSnapshot();
  expect(cluster.raft(1).log.compacted.index).toBe(21);
  return cluster;
}

/** Time goes on until replica 3 has stored so many bytes of what is sent to it. */
function receive(cluster: RaftCluster, leastBytes: number): Snapshot {
  for (let i = 0; i < 100; i++) {
    const { partial } = cluster.replica(3).snapshots;
    if (partial !== undefined && partial.bytes.length >= leastBytes) return partial.snapshot;
    cluster.pass(10, { quiet: true });
    for (const message of cluster.transit.splice(0)) cluster.deliver(message);
  }
  throw new Error("replica 3 receives nothing");
}

const at = (from: number, to: number, term: number) => ({ group: 0, from, to, term });

function smallestOffset(cluster: RaftCluster): number {
  const offsets = cluster.sent.flatMap((message) =>
    message.type === "snapshotChunk" && message.bytes.length > 0 ? [message.offset] : [],
  );
  return Math.min(...offsets);
}

describe("a follower that lacks what the leader has forgotten", () => {
  test("gets the snapshot, and then the entries behind it, without a gap", () => {
    const cluster = clusterWithLaggard();
    cluster.propose(1, "later");
    cluster.restart(3);
    cluster.pass(2 * ELECTION_MS);
    const { raft, applied, disk } = cluster.replica(3);
    expect(applied).toEqual([...COMMANDS, "later"]);
    expect(raft.log.compacted).toEqual(cluster.raft(1).log.compacted);
    expect(disk.entries.map(({ index }) => index)).toEqual([22]);
    expect(cluster.raft(1).follower(3)?.matchIndex).toBe(22);
    cluster.restart(3);
    expect(cluster.replica(3).applied).toEqual(COMMANDS);
    cluster.pass(2 * HEARTBEAT_MS);
    expect(cluster.replica(3).applied).toEqual([...COMMANDS, "later"]);
  });

  test("counts for a majority again, once it has", () => {
    const cluster = clusterWithLaggard();
    cluster.restart(3);
    cluster.pass(2 * ELECTION_MS);
    cluster.crash(2);
    cluster.propose(1, "later");
    cluster.settle();
    expect(cluster.replica(1).applied.at(-1)).toBe("later");
  });

  test("is first asked what it has, and is then sent pieces within a window", () => {
    const cluster = clusterWithLaggard({ maxSnapshotChunkBytes: 16, maxSnapshotWindowBytes: 40 });
    cluster.restart(3);
    cluster.pass(HEARTBEAT_MS, { quiet: true });
    // It refuses the probe, in which it is told of entries far ahead.
    for (const message of cluster.take("append", 3)) cluster.deliver(message);
    for (const message of cluster.take("appendReply", 1)) cluster.deliver(message);
    const [question] = cluster.take("snapshotChunk", 3);
    expect(question).toMatchObject({ offset: 0, bytes: new Uint8Array(0), snapshot: { index: 21, term: 1 } });
    cluster.deliver(question!);
    for (const message of cluster.take("snapshotReply", 1)) cluster.deliver(message);
    const pieces = cluster.take("snapshotChunk", 3);
    expect(pieces.map(({ offset, bytes: piece }) => [offset, piece.length])).toEqual([
      [0, 16],
      [16, 16],
    ]);
    cluster.deliver(pieces[0]!);
    for (const message of cluster.take("snapshotReply", 1)) cluster.deliver(message);
    expect(cluster.take("snapshotChunk", 3)).toMatchObject([{ offset: 32 }]);
  });

  test("hears its leader all the while: heartbeats go on, and it stands for no election", () => {
    const cluster = clusterWithLaggard();
    cluster.restart(3);
    cluster.replica(3).slowSnapshots = true;
    cluster.pass(5 * ELECTION_MS);
    expect(cluster.raft(1).role).toBe("leader");
    expect(cluster.raft(3).leader).toBe(1);
    expect(cluster.sent.filter(({ type, from }) => type === "preVoteRequest" && from === 3)).toEqual([]);
    expect(cluster.sent.filter(({ type, from }) => type === "heartbeatReply" && from === 3).length).toBeGreaterThan(20);
  });

  test("votes while a snapshot comes in, by the log that it has", () => {
    const cluster = clusterWithLaggard();
    cluster.restart(3);
    cluster.replica(3).slowSnapshots = true;
    cluster.pass(ELECTION_MS);
    expect(cluster.raft(3).snapshots.receiving?.index).toBe(21);
    cluster.crash(1);
    cluster.forgetLeader(2, 3);
    cluster.elect(2);
    expect(cluster.raft(3).vote).toBe(2);
  });

  test("stands for election like any other when its leader is gone", () => {
    const cluster = clusterWithLaggard();
    cluster.restart(3);
    cluster.replica(3).slowSnapshots = true;
    cluster.pass(ELECTION_MS);
    cluster.crash(1);
    cluster.crash(2);
    cluster.campaign(3);
    expect(cluster.take("preVoteRequest", 2)).toMatchObject([{ lastIndex: 1, lastTerm: 1 }]);
  });
});

describe("a snapshot on its way", () => {
  test("goes on where it was when a piece is lost", () => {
    const cluster = clusterWithLaggard();
    let lost = 0;
    cluster.lose((message) => message.type === "snapshotChunk" && message.offset === 32 && lost++ < 3);
    cluster.restart(3);
    cluster.pass(6 * ELECTION_MS);
    expect(lost).toBeGreaterThan(3);
    expect(cluster.replica(3).applied).toEqual(COMMANDS);
  });

  test("goes on where it was when the answers are lost", () => {
    const cluster = clusterWithLaggard();
    cluster.restart(3);
    receive(cluster, 64);
    cluster.lose(({ type }) => type === "snapshotReply");
    cluster.pass(2 * ELECTION_MS);
    cluster.heal();
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.replica(3).applied).toEqual(COMMANDS);
  });

  test("is known to be installed although the word of it was lost", () => {
    const cluster = clusterWithLaggard();
    cluster.lose((message) => message.type === "snapshotReply" && message.state === "installed");
    cluster.restart(3);
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.replica(3).applied).toEqual(COMMANDS);
    expect(cluster.raft(1).follower(3)?.matchIndex).toBe(1);
    cluster.heal();
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.raft(1).follower(3)?.matchIndex).toBe(21);
  });

  test("goes on where it was after its connection broke: what is there is not sent again", () => {
    const cluster = clusterWithLaggard();
    cluster.restart(3);
    receive(cluster, 64);
    cluster.transit.length = 0;
    cluster.sent.length = 0;
    cluster.raft(1).disconnected(3);
    cluster.pass(ELECTION_MS);
    expect(cluster.replica(3).applied).toEqual(COMMANDS);
    expect(smallestOffset(cluster)).toBeGreaterThanOrEqual(64);
  });

  test("goes on where it was after a restart of the follower", () => {
    const cluster = clusterWithLaggard();
    cluster.restart(3);
    receive(cluster, 64);
    cluster.crash(3);
    cluster.pass(2 * ELECTION_MS);
    cluster.restart(3);
    cluster.sent.length = 0;
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.replica(3).applied).toEqual(COMMANDS);
    expect(smallestOffset(cluster)).toBeGreaterThanOrEqual(64);
  });

  test("goes on with what is left when the follower has lost a part of it", () => {
    const cluster = clusterWithLaggard();
    cluster.restart(3);
    const snapshot = receive(cluster, 64);
    cluster.crash(3);
    const { snapshots } = cluster.replica(3);
    snapshots.partial = { snapshot, bytes: snapshots.partial!.bytes.slice(0, 20) };
    cluster.restart(3);
    cluster.sent.length = 0;
    cluster.pass(3 * ELECTION_MS);
    expect(cluster.replica(3).applied).toEqual(COMMANDS);
    expect(smallestOffset(cluster)).toBe(20);
  });

  test("is continued by the next leader, if it has the same one", () => {
    const cluster = clusterWithLaggard();
    cluster.replica(2).takeSnapshot();
    cluster.restart(3);
    receive(cluster, 64);
    cluster.crash(1);
    cluster.forgetLeader(2, 3);
    cluster.sent.length = 0;
    cluster.elect(2);
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.replica(3).applied).toEqual(COMMANDS);
    expect(smallestOffset(cluster)).toBeGreaterThanOrEqual(64);
  });

  test("starts over with another leader's, older or newer", () => {
    const cluster = clusterWithLaggard();
    // A state of fewer entries, of which replica 2 has forgotten as many.
    const { raft, snapshots } = cluster.replica(2);
    raft.snapshots.taken(snapshots.make(raft.log.slice(11, 11, 0)[0]!, COMMANDS.slice(0, 10)), 11);
    cluster.replica(2).pump();
    cluster.restart(3);
    receive(cluster, 64);
    cluster.crash(1);
    cluster.forgetLeader(2, 3);
    cluster.sent.length = 0;
    cluster.elect(2);
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.replica(3).applied).toEqual(COMMANDS);
    expect(smallestOffset(cluster)).toBe(0);
    expect(cluster.raft(3).log.compacted.index).toBe(11);
  });

  test("starts over when its bytes are not what they should be, later and later", () => {
    const cluster = clusterWithLaggard();
    const { snapshots } = cluster.replica(1);
    const [stored] = snapshots.whole.values();
    stored!.bytes[5]! ^= 1;
    cluster.restart(3);
    cluster.pass(30 * ELECTION_MS);
    const refusals = cluster.sent.filter((message) => message.type === "snapshotReply" && message.state === "refused");
    expect(refusals.length).toBeGreaterThanOrEqual(3);
    expect(refusals.length).toBeLessThanOrEqual(5);
    stored!.bytes[5]! ^= 1;
    cluster.pass(40 * ELECTION_MS);
    expect(cluster.replica(3).applied).toEqual(COMMANDS);
  });

  test("stays the same while newer ones are made, and what follows it stays in the log: one is enough", () => {
    const cluster = clusterWithLaggard();
    cluster.restart(3);
    cluster.replica(3).slowSnapshots = true;
    for (let i = 0; cluster.raft(3).log.compacted.index === 0; i++) {
      expect(i).toBeLessThan(100);
      cluster.propose(1, `later-${i}`);
      cluster.pass(HEARTBEAT_MS);
      if (i % 3 === 0) cluster.replica(1).takeSnapshot();
      for (const id of cluster.replica(3).tasks.splice(0, 1)) id();
    }
    cluster.replica(3).slowSnapshots = false;
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.replica(3).applied).toEqual(cluster.replica(1).applied);
    const sent = cluster.sent.flatMap((message) => (message.type === "snapshotChunk" ? [message.snapshot.index] : []));
    expect([...new Set(sent)]).toEqual([21]);
  });

  test("is kept for a follower that is there, and given up for the newest when it is not", () => {
    const cluster = clusterWithLaggard();
    cluster.restart(3);
    receive(cluster, 32);
    cluster.replica(3).slowSnapshots = true;
    cluster.propose(1, "later");
    cluster.settle();
    cluster.replica(1).takeSnapshot();
    expect([21, 22].map((index) => cluster.raft(1).snapshots.isNeeded(index))).toEqual([true, true]);
    expect(cluster.raft(1).log.compacted.index).toBe(21);
    cluster.crash(3);
    cluster.pass(20 * ELECTION_MS);
    expect([21, 22].map((index) => cluster.raft(1).snapshots.isNeeded(index))).toEqual([false, true]);
    cluster.propose(1, "still later");
    cluster.settle();
    cluster.replica(1).takeSnapshot();
    expect(cluster.raft(1).log.compacted.index).toBe(23);
    cluster.restart(3);
    cluster.replica(3).slowSnapshots = false;
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.replica(3).applied).toEqual([...COMMANDS, "later", "still later"]);
  });

  test("is given up for the newest when the log cannot wait any longer", () => {
    const cluster = clusterWithLaggard({ maxHeldEntries: 5 });
    cluster.restart(3);
    receive(cluster, 32);
    cluster.replica(3).slowSnapshots = true;
    for (let i = 0; i < 10; i++) cluster.propose(1, `later-${i}`);
    cluster.pass(HEARTBEAT_MS);
    cluster.replica(1).takeSnapshot();
    expect(cluster.raft(1).log.compacted.index).toBe(26);
    cluster.replica(3).slowSnapshots = false;
    cluster.pass(3 * ELECTION_MS);
    expect(cluster.replica(3).applied).toEqual(cluster.replica(1).applied);
    expect(cluster.raft(3).log.snapshot?.index).toBe(31);
  });

  test("is not begun for a follower that has the log: its connection broke before it could say so", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    for (const command of COMMANDS) cluster.propose(1, command);
    cluster.settle();
    for (const id of cluster.voters) cluster.replica(id).takeSnapshot();
    cluster.crash(1);
    cluster.lose(({ type }) => type === "append" || type === "appendReply");
    cluster.forgetLeader(2, 3);
    cluster.elect(2);
    cluster.raft(2).disconnected(3);
    cluster.pass(2 * ELECTION_MS);
    cluster.heal();
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.raft(2).established).toBe(true);
    expect(cluster.sent.filter(({ type }) => type === "snapshotChunk")).toEqual([]);
  });

  test("waits while the follower's disk is full, and goes on where it was when there is room (D9)", () => {
    const cluster = clusterWithLaggard();
    cluster.restart(3);
    receive(cluster, 64);
    cluster.raft(1).hold(3, true);
    cluster.transit.length = 0;
    cluster.sent.length = 0;
    cluster.pass(5 * ELECTION_MS);
    expect(smallestOffset(cluster)).toBe(Infinity);
    cluster.raft(1).hold(3, false);
    cluster.pass(ELECTION_MS);
    expect(cluster.replica(3).applied).toEqual(COMMANDS);
    expect(smallestOffset(cluster)).toBeGreaterThanOrEqual(64);
  });

  test("waits while the follower has no room for pieces, later and later, and goes on where it was when it has", () => {
    const cluster = clusterWithLaggard();
    cluster.restart(3);
    receive(cluster, 32);
    const before = cluster.replica(3).snapshots.partial?.bytes.length ?? 0;
    cluster.replica(3).slowSnapshots = true;
    cluster.sent.length = 0;
    for (let i = 0; i < 200; i++) {
      cluster.pass(HEARTBEAT_MS);
      const { tasks, raft, snapshots } = cluster.replica(3);
      if (tasks.length > 0 && snapshots.partial) raft.snapshots.notStored(snapshots.partial.snapshot, before);
      tasks.length = 0;
    }
    const questions = cluster.sent.filter((m) => m.type === "snapshotChunk" && m.bytes.length === 0).length;
    expect(questions).toBeGreaterThan(2);
    expect(questions).toBeLessThan(10);
    cluster.replica(3).slowSnapshots = false;
    cluster.sent.length = 0;
    cluster.pass(40 * ELECTION_MS);
    expect(cluster.replica(3).applied).toEqual(COMMANDS);
    expect(smallestOffset(cluster)).toBe(before);
  });

  test("is asked about again soon when the question was lost", () => {
    const cluster = clusterWithLaggard();
    let lost = 0;
    cluster.lose((message) => message.type === "snapshotChunk" && lost++ === 0);
    cluster.restart(3);
    cluster.pass(4 * HEARTBEAT_MS);
    expect(lost).toBeGreaterThan(0);
    expect(cluster.replica(3).applied).toEqual(COMMANDS);
  });

  test("does not stop for late answers to appends", () => {
    const cluster = clusterWithLaggard();
    cluster.restart(3);
    receive(cluster, 32);
    cluster.sent.length = 0;
    const { raft } = cluster.replica(1);
    const late = { type: "appendReply", ...at(3, 1, raft.term), hintTerm: 1, hintIndex: 1 } as const;
    raft.step({ ...late, success: true, index: 1 });
    raft.step({ ...late, success: false, index: 20 });
    cluster.pass(HEARTBEAT_MS);
    expect(cluster.replica(3).applied).toEqual(COMMANDS);
    const questions = cluster.sent.filter((message) => message.type === "snapshotChunk" && message.bytes.length === 0);
    expect(questions).toEqual([]);
  });

  test("is not needed any more when the follower holds, by whatever way, what the log still has", () => {
    const cluster = clusterWithLaggard();
    cluster.propose(1, "later");
    cluster.settle();
    cluster.restart(3);
    receive(cluster, 32);
    cluster.sent.length = 0;
    const { raft } = cluster.replica(1);
    const { compacted } = raft.log;
    raft.step({ type: "snapshotReply", ...at(3, 1, raft.term), index: 5, offset: 9, state: "installed" });
    expect(raft.follower(3)?.matchIndex).toBe(5);
    cluster.replica(1).pump();
    expect(cluster.take("append", 3)).toEqual([]);
    raft.step({ type: "snapshotReply", ...at(3, 1, raft.term), index: 21, offset: 9, state: "installed" });
    cluster.replica(1).pump();
    expect(cluster.take("append", 3)).toMatchObject([{ prevIndex: compacted.index, prevTerm: compacted.term }]);
  });

  test("of which the follower says more than there is is not believed", () => {
    const cluster = clusterWithLaggard();
    cluster.restart(3);
    const { index } = receive(cluster, 16);
    const { raft } = cluster.replica(1);
    raft.step({ type: "snapshotReply", ...at(3, 1, raft.term), index: 99, offset: 0, state: "installed" });
    raft.step({ type: "snapshotReply", ...at(3, 1, raft.term), index, offset: 10_000, state: "receiving" });
    raft.step({ type: "snapshotReply", ...at(3, 1, raft.term), index: index - 1, offset: 200, state: "receiving" });
    cluster.sent.length = 0;
    cluster.replica(1).pump();
    expect(cluster.sent.filter(({ type }) => type === "snapshotChunk")).toEqual([]);
    expect(raft.follower(3)?.matchIndex).toBe(1);
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.replica(3).applied).toEqual(COMMANDS);
  });
});
