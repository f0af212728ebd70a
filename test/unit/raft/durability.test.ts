import { describe, expect, test } from "bun:test";
import type { Entry, Message } from "../../../src/raft/types.ts";
import { bytes, RaftCluster } from "../../support/raft-cluster.ts";

const at = (from: number, to: number, term: number) => ({ group: 0, from, to, term });
const entry = (index: number, term: number): Entry => ({
  index,
  term,
  kind: "command",
  leaseTimeMs: 0,
  payload: bytes(`${term}/${index}`),
});
const append = (from: number, term: number, prevIndex: number, prevTerm: number, entries: Entry[]): Message => ({
  type: "append",
  ...at(from, 2, term),
  prevIndex,
  prevTerm,
  commitIndex: 0,
  leaseTimeMs: 0,
  entries,
});

describe("before {term, vote} is on disk (D1)", () => {
  test("a candidate asks for no vote", () => {
    const cluster = new RaftCluster(3);
    cluster.replica(1).slowDisk = true;
    cluster.campaign(1);
    cluster.settle();
    expect(cluster.raft(1).term).toBe(1);
    expect(cluster.sent.map(({ type }) => type)).not.toContain("voteRequest");
    cluster.replica(1).completeFlush();
    expect(cluster.take("voteRequest")).toHaveLength(2);
  });

  test("no vote is given", () => {
    const cluster = new RaftCluster(3);
    cluster.replica(2).slowDisk = true;
    cluster.deliver({ type: "voteRequest", ...at(1, 2, 4), lastIndex: 0, lastTerm: 0 });
    expect(cluster.transit).toEqual([]);
    cluster.replica(2).completeFlush();
    expect(cluster.transit).toMatchObject([{ type: "voteReply", term: 4, granted: true }]);
    expect(cluster.replica(2).disk.hardState).toEqual({ term: 4, vote: 1 });
  });

  test("nothing else of the term leaves: no refusal, no answer to a heartbeat, none to an append that adds nothing", () => {
    const messages: Message[] = [
      { type: "voteRequest", ...at(1, 2, 4), lastIndex: 0, lastTerm: 0 },
      { type: "heartbeat", ...at(1, 2, 4), round: 1, commitIndex: 0, leaseTimeMs: 0 },
      append(1, 4, 0, 0, []),
      append(1, 4, 7, 3, []),
    ];
    for (const message of messages) {
      const cluster = new RaftCluster(3);
      cluster.replica(2).startWith([3], { term: 3, vote: 0 });
      cluster.replica(2).slowDisk = true;
      cluster.deliver(message);
      cluster.deliver(message);
      expect(cluster.transit).toEqual([]);
      cluster.replica(2).completeFlush();
      cluster.settle();
      expect(cluster.sent.filter(({ from }) => from === 2).length).toBeGreaterThan(0);
    }
  });

  test("a vote that a crash kept from the disk is forgotten together with its answer", () => {
    const cluster = new RaftCluster(3);
    cluster.replica(2).slowDisk = true;
    cluster.deliver({ type: "voteRequest", ...at(1, 2, 4), lastIndex: 0, lastTerm: 0 });
    cluster.restart(2);
    expect([cluster.raft(2).term, cluster.raft(2).vote, cluster.sent.length]).toEqual([0, 0, 0]);
  });

  test("a lone voter leads but commits nothing", () => {
    const cluster = new RaftCluster(1);
    cluster.replica(1).slowDisk = true;
    cluster.elect(1);
    cluster.propose(1, "a");
    cluster.settle();
    expect(cluster.raft(1).log.commitIndex).toBe(0);
    while (cluster.replica(1).flushes.length > 0) cluster.replica(1).completeFlush();
    expect(cluster.replica(1).applied).toEqual(["a"]);
  });
});

describe("a leader whose term is on disk", () => {
  test("sends entries while its own disk still writes them", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.replica(1).slowDisk = true;
    cluster.propose(1, "a");
    cluster.replica(1).pump();
    expect(cluster.take("append")).toHaveLength(2);
    expect(cluster.replica(1).disk.entries).toHaveLength(1);
  });

  test("does not count its own log before it is durable", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.crash(3);
    cluster.replica(1).slowDisk = true;
    cluster.propose(1, "a");
    cluster.settle();
    expect(cluster.raft(1).follower(2)?.matchIndex).toBe(2);
    expect(cluster.raft(1).log.commitIndex).toBe(1);
    cluster.replica(1).completeFlush();
    expect(cluster.raft(1).log.commitIndex).toBe(2);
  });

  test("commits what a majority of others holds, and applies it once it holds it itself (D3)", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.replica(1).slowDisk = true;
    cluster.propose(1, "a");
    cluster.settle();
    expect(cluster.raft(1).log.commitIndex).toBe(2);
    expect(cluster.replica(1).applied).toEqual([]);
    expect(cluster.replica(2).applied).toEqual(["a"]);
    cluster.replica(1).completeFlush();
    expect(cluster.replica(1).applied).toEqual(["a"]);
  });
});

describe("an append reply (D2)", () => {
  test("leaves when its entries are durable", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.replica(2).slowDisk = true;
    cluster.propose(1, "a");
    cluster.settle();
    expect(cluster.raft(1).follower(2)?.matchIndex).toBe(1);
    cluster.replica(2).completeFlush();
    cluster.settle();
    expect(cluster.raft(1).follower(2)?.matchIndex).toBe(2);
  });

  test("to a duplicate waits for the same flush", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.replica(2).slowDisk = true;
    cluster.propose(1, "a");
    cluster.replica(1).pump();
    const [message] = cluster.take("append", 2);
    cluster.deliver(message!);
    cluster.deliver(message!);
    expect(cluster.take("appendReply")).toEqual([]);
    cluster.replica(2).completeFlush();
    expect(cluster.take("appendReply")).toMatchObject([{ index: 2 }]);
    // The duplicate's answer comes behind: it joined a flush of its own, which writes nothing.
    cluster.replica(2).pump();
    expect(cluster.take("appendReply")).toMatchObject([{ index: 2 }]);
  });

  test("to a duplicate of what is durable leaves at once", () => {
    const cluster = new RaftCluster(3);
    cluster.deliver(append(1, 1, 0, 0, [entry(1, 1)]));
    cluster.replica(2).slowDisk = true;
    cluster.transit = [];
    cluster.deliver(append(1, 1, 1, 1, [entry(2, 1)]));
    cluster.deliver(append(1, 1, 0, 0, [entry(1, 1)]));
    expect(cluster.take("appendReply")).toMatchObject([{ success: true, index: 1 }]);
  });

  test("covers what the append brought, not what lies behind it", () => {
    const cluster = new RaftCluster(3);
    cluster.replica(2).startWith([1, 1, 1]);
    cluster.deliver(append(1, 2, 0, 0, [entry(1, 1)]));
    expect(cluster.take("appendReply")).toMatchObject([{ success: true, index: 1 }]);
  });
});

describe("a write that completes after its entries were truncated", () => {
  test("counts nothing for the entries in their place", () => {
    const cluster = new RaftCluster(3);
    const replica = cluster.replica(2);
    cluster.deliver(append(1, 1, 0, 0, [entry(1, 1)]));
    replica.slowDisk = true;
    cluster.deliver(append(1, 1, 1, 1, [entry(2, 1), entry(3, 1)]));
    cluster.deliver(append(3, 2, 1, 1, [entry(2, 2), entry(3, 2)]));
    cluster.transit = [];
    replica.completeFlush();
    expect(replica.raft.log.durableIndex).toBe(1);
    replica.completeFlush();
    expect(replica.raft.log.durableIndex).toBe(3);
    expect(replica.disk.entries.map(({ term }) => term)).toEqual([1, 2, 2]);
  });

  test("leaves no answer that claims them", () => {
    const cluster = new RaftCluster(3);
    const replica = cluster.replica(2);
    cluster.deliver(append(1, 1, 0, 0, [entry(1, 1)]));
    replica.slowDisk = true;
    cluster.deliver(append(1, 1, 1, 1, [entry(2, 1), entry(3, 1)]));
    cluster.deliver(append(3, 2, 1, 1, [entry(2, 2)]));
    cluster.transit = [];
    replica.completeFlush();
    replica.completeFlush();
    const replies = cluster.take("appendReply");
    expect(replies.map(({ term, to, index }) => [term, to, index])).toEqual([[2, 3, 2]]);
  });

  test("lowers what counts as durable when it was durable before", () => {
    const cluster = new RaftCluster(3);
    cluster.deliver(append(1, 1, 0, 0, [entry(1, 1), entry(2, 1), entry(3, 1)]));
    const replica = cluster.replica(2);
    replica.slowDisk = true;
    cluster.transit = [];
    cluster.deliver(append(3, 2, 1, 1, [entry(2, 2)]));
    expect(replica.raft.log.durableIndex).toBe(1);
    expect(cluster.take("appendReply")).toEqual([]);
    cluster.restart(2);
    expect(replica.terms).toEqual([1, 1, 1]);
  });

  test("is followed on disk by truncation and entries in the order in which they came", () => {
    const cluster = new RaftCluster(3);
    const replica = cluster.replica(2);
    replica.slowDisk = true;
    cluster.deliver(append(1, 1, 0, 0, [entry(1, 1), entry(2, 1), entry(3, 1), entry(4, 1)]));
    cluster.deliver(append(3, 2, 2, 1, [entry(3, 2), entry(4, 2)]));
    cluster.deliver(append(1, 3, 1, 1, [entry(2, 3)]));
    cluster.deliver(append(1, 3, 2, 3, [entry(3, 3)]));
    while (replica.flushes.length > 0) replica.completeFlush();
    expect(replica.disk.entries.map(({ term }) => term)).toEqual([1, 3, 3]);
    expect(replica.raft.log.durableIndex).toBe(3);
    replica.slowDisk = false;
    cluster.restart(2);
    expect(replica.terms).toEqual([1, 3, 3]);
  });
});

describe("truncations within one turn", () => {
  test("hand over one truncation, to the lowest index, and the entries that stand in the end", () => {
    const cluster = new RaftCluster(3);
    const { raft } = cluster.replica(2);
    cluster.deliver(append(1, 1, 0, 0, [entry(1, 1), entry(2, 1), entry(3, 1), entry(4, 1)]));
    raft.step(append(1, 1, 4, 1, [entry(5, 1)]));
    raft.step(append(3, 2, 2, 1, [entry(3, 2), entry(4, 2), entry(5, 2)]));
    raft.step(append(1, 3, 3, 2, [entry(4, 3)]));
    raft.step(append(3, 4, 1, 1, [entry(2, 4), entry(3, 4)]));
    const effects = raft.takeEffects(cluster.nowMs);
    expect(effects.truncateFrom).toBe(2);
    expect(effects.entries.map(({ index, term }) => [index, term])).toEqual([
      [2, 4],
      [3, 4],
    ]);
  });

  test("of what was never handed over hand over none", () => {
    const cluster = new RaftCluster(3);
    const { raft } = cluster.replica(2);
    raft.step(append(1, 1, 0, 0, [entry(1, 1), entry(2, 1)]));
    raft.step(append(3, 2, 1, 1, [entry(2, 2)]));
    const effects = raft.takeEffects(cluster.nowMs);
    expect(effects.truncateFrom).toBeUndefined();
    expect(effects.entries.map(({ term }) => term)).toEqual([1, 2]);
  });
});
