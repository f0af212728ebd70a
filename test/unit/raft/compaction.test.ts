import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { RaftLog } from "../../../src/raft/log.ts";
import { Outbox } from "../../../src/raft/outbox.ts";
import type { EntryReader } from "../../../src/raft/storage.ts";
import type { Entry, Snapshot } from "../../../src/raft/types.ts";
import { bytes, ELECTION_MS, HEARTBEAT_MS, RaftCluster } from "../../support/raft-cluster.ts";

const NOTHING: EntryReader = { read: () => [] };
const at = (from: number, to: number, term: number) => ({ group: 0, from, to, term });
const entry = (index: number, term: number, leaseTimeMs = 0): Entry => {
  return { index, term, kind: "command", leaseTimeMs, payload: bytes(`${term}/${index}`) };
};
const snapshotAt = (index: number, term: number, leaseTimeMs = 0): Snapshot => {
  return { index, term, leaseTimeMs, totalBytes: 10, digest: 1, configuration: { voters: [1, 2, 3], learners: [] } };
};
const append = (prevIndex: number, prevTerm: number, term: number, entries: Entry[], commitIndex = 0) =>
  ({ type: "append", ...at(1, 2, term), prevIndex, prevTerm, commitIndex, leaseTimeMs: 0, entries }) as const;

/** Entries of these terms, all durable and applied; each carries its index as lease time. */
function logOf(terms: readonly number[], reader = NOTHING, maxCacheBytes = 1_000_000): RaftLog {
  const log = new RaftLog(0, reader, undefined, maxCacheBytes);
  log.configurations.begin({ voters: [1, 2, 3], learners: [] });
  terms.forEach((term, i) => log.append(entry(i + 1, term, i + 1)));
  log.markDurable(log.lastIndex, log.lastTerm);
  log.commitTo(log.lastIndex);
  log.appliedIndex = log.lastIndex;
  return log;
}

/** A cluster whose leader 1 has applied these commands. */
function clusterWith(payloads: readonly string[], options: ConstructorParameters<typeof RaftCluster>[1] = {}) {
  const cluster = new RaftCluster(3, options);
  cluster.elect(1);
  for (const payload of payloads) cluster.propose(1, payload);
  cluster.settle();
  return cluster;
}

describe("a log that forgets", () => {
  test("knows all terms from its beginning on, and that of its beginning, as if it had not forgotten", () => {
    const steps = fc.array(fc.nat(2), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(steps, fc.nat(), fc.nat(), fc.nat(32), fc.nat(20), (raises, seed, seed2, index, askedTerm) => {
        let term = 1;
        const terms = raises.map((raise) => (term += raise));
        const whole = logOf(terms);
        const log = logOf(terms);
        const upTo = 1 + (seed % terms.length);
        log.adopt(snapshotAt(upTo, whole.term(upTo) ?? 0, upTo));
        const begin = 1 + (seed2 % upTo);
        log.compactTo(begin);
        expect(log.compacted).toEqual({ index: begin, term: whole.term(begin) ?? 0, leaseTimeMs: begin });
        expect([log.lastIndex, log.lastTerm, log.lastLeaseTimeMs]).toEqual([terms.length, term, terms.length]);
        expect(log.term(index)).toBe(index < begin ? undefined : whole.term(index));
        if (index > begin && index <= terms.length)
          expect(log.slice(index, index, 0)).toEqual(whole.slice(index, index, 0));
        const agreed = whole.lastIndexWithTermAtMost(askedTerm, index);
        const found = log.lastIndexWithTermAtMost(askedTerm, index);
        // Of what is forgotten anything may agree: never too little is said.
        if (agreed >= begin) expect(found).toBe(agreed);
        else expect(found).toBe(Math.min(index, begin - 1));
        log.append(entry(terms.length + 1, term, terms.length + 1));
        expect([log.term(terms.length), log.term(terms.length + 1)]).toEqual([term, term]);
      }),
      { numRuns: 1000 },
    );
  });

  test("hands out nothing from before its beginning", () => {
    const log = logOf([1, 1, 2, 2]);
    log.adopt(snapshotAt(3, 2));
    log.compactTo(3);
    expect(() => log.slice(3, 4, 100)).toThrow("lies within the log");
    expect(log.slice(4, 4, 100)).toHaveLength(1);
  });

  test("reaches back to where another snapshot begins, which may have to take the place of the newest (D8)", () => {
    const cluster = clusterWith(["a", "b", "c", "d"]);
    const replica = cluster.replica(1);
    replica.takeSnapshot(0);
    expect([replica.raft.log.snapshot?.index, replica.raft.log.compacted.index]).toEqual([5, 0]);
    cluster.propose(1, "e");
    cluster.settle();
    replica.takeSnapshot(5);
    expect([replica.raft.log.snapshot?.index, replica.raft.log.compacted.index]).toEqual([6, 5]);
  });

  test("forgets nothing that no snapshot holds, and takes none of what is not applied or not its own", () => {
    const log = logOf([1, 1, 2, 2]);
    expect(() => log.compactTo(1)).toThrow("only what a snapshot holds");
    log.appliedIndex = 2;
    expect(() => log.adopt(snapshotAt(3, 2))).toThrow("of what is applied");
    expect(() => log.adopt(snapshotAt(2, 2))).toThrow("of an entry in the log");
    log.adopt(snapshotAt(2, 1));
    expect(() => log.compactTo(3)).toThrow("only what a snapshot holds");
  });

  test("counts the memory of what it forgets as free", () => {
    const log = logOf(
      Array.from({ length: 100 }, () => 1),
      NOTHING,
      100,
    );
    log.adopt(snapshotAt(100, 1));
    log.compactTo(90);
    for (let index = 101; index <= 110; index++) log.append(entry(index, 1, index));
    log.trimCache();
    expect(log.payloadBytes(91, 110)).toBeLessThan(100);
    expect(log.slice(91, 110, 1_000).map(({ index }) => index)).toEqual(Array.from({ length: 20 }, (_, i) => 91 + i));
    expect(log.install(snapshotAt(200, 2, 200))).toBe(false);
    for (let index = 201; index <= 210; index++) log.append(entry(index, 2, index));
    log.markDurable(210, 2);
    log.commitTo(210);
    log.trimCache();
    expect(log.slice(201, 210, 1_000)).toHaveLength(10);
  });

  test("reads nothing from before its beginning back for the term of its beginning", () => {
    const read: number[] = [];
    const log = new RaftLog(
      0,
      { read: (_group, from) => (read.push(from), [entry(from, 1, 7)]) },
      {
        group: 0,
        hardState: { term: 1, vote: 0 },
        lastIndex: 9,
        termRuns: [{ firstIndex: 1, term: 1 }],
        leaseTimeMs: 9,
      },
      1_000,
      snapshotAt(8, 1, 8),
    );
    log.compactTo(5);
    expect(log.compacted).toEqual({ index: 5, term: 1, leaseTimeMs: 7 });
    log.compactTo(8);
    expect(log.compacted).toEqual({ index: 8, term: 1, leaseTimeMs: 8 });
    expect(read).toEqual([5]);
  });
});

describe("a recovered log", () => {
  const recovered = {
    group: 0,
    hardState: { term: 3, vote: 0 },
    compacted: { index: 10, term: 2, leaseTimeMs: 100 },
    lastIndex: 12,
    termRuns: [
      { firstIndex: 8, term: 2 },
      { firstIndex: 12, term: 3 },
    ],
    leaseTimeMs: 120,
  };

  test("begins behind what was forgotten, with what its snapshot holds committed and applied", () => {
    const log = new RaftLog(0, NOTHING, recovered, 1_000, snapshotAt(11, 2));
    expect([9, 10, 11, 12, 13].map((index) => log.term(index))).toEqual([undefined, 2, 2, 3, undefined]);
    expect([log.commitIndex, log.appliedIndex, log.durableIndex, log.lastIndex]).toEqual([11, 11, 12, 12]);
    expect(log.restarted).toBe(false);
  });

  test("that is empty behind what was forgotten still has a last term and lease time", () => {
    const empty = { ...recovered, lastIndex: 10, termRuns: [], leaseTimeMs: 100 };
    const log = new RaftLog(0, NOTHING, empty, 1_000, snapshotAt(10, 2, 100));
    expect([log.lastIndex, log.lastTerm, log.lastLeaseTimeMs]).toEqual([10, 2, 100]);
    expect(() => log.append(entry(11, 2, 99))).toThrow("lease time never falls");
  });

  test("without the snapshot that holds what it has forgotten is refused", () => {
    expect(() => new RaftLog(0, NOTHING, recovered, 1_000)).toThrow("is in a snapshot");
    expect(() => new RaftLog(0, NOTHING, recovered, 1_000, snapshotAt(9, 2))).toThrow("is in a snapshot");
  });

  test.each([
    ["ends before", snapshotAt(20, 3, 200)],
    ["contradicts", snapshotAt(11, 3, 110)],
  ])("that %s an installed snapshot gives way to it", (_, snapshot) => {
    const log = new RaftLog(0, NOTHING, recovered, 1_000, snapshot);
    const { index, term, leaseTimeMs } = snapshot;
    expect(log.restarted).toBe(true);
    expect(log.compacted).toEqual({ index, term, leaseTimeMs });
    expect([log.lastIndex, log.lastTerm, log.lastLeaseTimeMs]).toEqual([index, term, leaseTimeMs]);
    expect([log.commitIndex, log.appliedIndex, log.durableIndex]).toEqual([index, index, index]);
    expect(log.term(12)).toBeUndefined();
  });
});

describe("compaction", () => {
  test("reaches the disk, and a restart begins with the snapshot", () => {
    const cluster = clusterWith(["a", "b", "c"]);
    const replica = cluster.replica(2);
    replica.takeSnapshot();
    replica.pump();
    expect(replica.disk.compacted).toMatchObject({ index: 4, term: 1 });
    expect(replica.disk.entries).toEqual([]);
    cluster.restart(2);
    expect(replica.applied).toEqual(["a", "b", "c"]);
    expect(replica.raft.log.appliedIndex).toBe(4);
    cluster.propose(1, "d");
    cluster.settle();
    cluster.pass(2 * HEARTBEAT_MS);
    expect(replica.applied).toEqual(["a", "b", "c", "d"]);
  });

  test("stays behind the snapshot by the entries that are kept for whoever is a little late", () => {
    const cluster = clusterWith(["a", "b", "c"], { maxTrailingEntries: 3 });
    cluster.replica(2).takeSnapshot();
    expect(cluster.raft(2).log.compacted.index).toBe(1);
    expect(cluster.raft(2).log.snapshot?.index).toBe(4);
  });

  test("waits for a follower that answers and is behind, up to a bound", () => {
    const cluster = clusterWith(["a"], { maxHeldEntries: 4 });
    cluster.replica(3).slowDisk = true;
    cluster.propose(1, "b");
    cluster.settle();
    cluster.replica(1).takeSnapshot();
    expect([cluster.raft(1).log.snapshot?.index, cluster.raft(1).log.compacted.index]).toEqual([3, 2]);
    for (const payload of ["c", "d", "e", "f", "g"]) cluster.propose(1, payload);
    cluster.settle();
    cluster.replica(1).takeSnapshot();
    expect([cluster.raft(1).log.snapshot?.index, cluster.raft(1).log.compacted.index]).toEqual([8, 4]);
  });

  test("does not wait for a follower that is gone", () => {
    const cluster = clusterWith(["a"]);
    cluster.crash(3);
    cluster.propose(1, "b");
    cluster.pass(2 * ELECTION_MS);
    cluster.replica(1).takeSnapshot();
    expect(cluster.raft(1).log.compacted.index).toBe(3);
  });

  test("leaves a replica's last index and term to votes: an empty log is not an old one", () => {
    const cluster = clusterWith(["a", "b"]);
    cluster.replica(2).takeSnapshot();
    cluster.replica(2).pump();
    cluster.restart(2);
    const { raft } = cluster.replica(2);
    for (const [lastIndex, lastTerm, granted] of [
      [2, 1, false],
      [3, 1, true],
    ] as const) {
      cluster.deliver({ type: "preVoteRequest", ...at(3, 2, raft.term + 1), lastIndex, lastTerm });
      expect(cluster.take("preVoteReply", 3)).toMatchObject([{ granted }]);
    }
    cluster.crash(1);
    cluster.campaign(2);
    expect(cluster.take("preVoteRequest", 3)).toMatchObject([{ lastIndex: 3, lastTerm: 1 }]);
  });

  test("leaves lease time where it is: its next leader resumes there, with an empty log", () => {
    const cluster = clusterWith(["a"]);
    cluster.pass(5 * HEARTBEAT_MS);
    cluster.propose(1, "b");
    cluster.settle();
    const stampMs = cluster.raft(2).log.lastLeaseTimeMs;
    expect(stampMs).toBeGreaterThan(0);
    for (const id of [2, 3]) {
      cluster.replica(id).takeSnapshot();
      cluster.replica(id).pump();
      cluster.restart(id);
    }
    cluster.crash(1);
    cluster.elect(2);
    expect(cluster.raft(2).log.lastLeaseTimeMs).toBeGreaterThanOrEqual(stampMs);
    expect(cluster.raft(2).leaseTime.nowMs).toBeGreaterThanOrEqual(stampMs);
  });
});

describe("what the disk is told", () => {
  test("truncates nothing that it never had: a log that begins anew forgets what was handed over before", () => {
    const outbox = new Outbox(12);
    outbox.restart({ index: 10, term: 2, leaseTimeMs: 0 });
    for (const index of [11, 12]) outbox.append(entry(index, 3));
    outbox.truncate(12);
    outbox.append(entry(12, 4));
    const { logStart, truncateFrom, entries } = outbox.take();
    expect([logStart?.keepsRest, truncateFrom]).toEqual([false, undefined]);
    expect(entries.map(({ index, term }) => [index, term])).toEqual([
      [11, 3],
      [12, 4],
    ]);
  });
});

describe("an append that begins before what its receiver has forgotten", () => {
  const prepared = () => {
    const cluster = new RaftCluster(3);
    cluster.deliver(
      append(
        0,
        0,
        1,
        [1, 2, 3, 4].map((index) => entry(index, 1)),
        4,
      ),
    );
    cluster.replica(2).takeSnapshot();
    cluster.replica(2).pump();
    cluster.take("appendReply");
    return cluster;
  };

  test("and ends there is acknowledged: what is committed is the same everywhere", () => {
    const cluster = prepared();
    cluster.deliver(append(1, 1, 1, [entry(2, 1)], 2));
    expect(cluster.take("appendReply")).toMatchObject([{ success: true, index: 4 }]);
    expect([cluster.raft(2).log.lastIndex, cluster.raft(2).log.commitIndex]).toEqual([4, 4]);
  });

  test("and ends behind it brings what is new", () => {
    const cluster = prepared();
    cluster.deliver(append(2, 1, 1, [entry(3, 1), entry(4, 1), entry(5, 1)], 5));
    expect(cluster.take("appendReply")).toMatchObject([{ success: true, index: 5 }]);
    expect(cluster.replica(2).applied).toEqual(["1/1", "1/2", "1/3", "1/4", "1/5"]);
  });

  test("gives no hint from before that: a refusal names a place that can be told", () => {
    const cluster = prepared();
    cluster.deliver(append(9, 7, 8, [entry(10, 8)]));
    expect(cluster.take("appendReply")).toMatchObject([{ success: false, hintIndex: 4, hintTerm: 1 }]);
  });
});
