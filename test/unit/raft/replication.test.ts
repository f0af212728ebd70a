import { describe, expect, test } from "bun:test";
import type { Entry, Message } from "../../../src/raft/types.ts";
import { bytes, ELECTION_MS, HEARTBEAT_MS, RaftCluster } from "../../support/raft-cluster.ts";

const at = (from: number, to: number, term: number) => ({ group: 0, from, to, term });
const entry = (index: number, term: number, payload = ""): Entry => ({
  index,
  term,
  kind: "command",
  leaseTimeMs: 0,
  payload: bytes(payload),
});
const append = (prevIndex: number, prevTerm: number, term: number, entries: Entry[], commitIndex = 0) =>
  ({ type: "append", ...at(1, 2, term), prevIndex, prevTerm, commitIndex, leaseTimeMs: 0, entries }) as const;
const appendsTo = (cluster: RaftCluster, to: number) =>
  cluster.sent.filter((message): message is Extract<Message, { type: "append" }> => {
    return message.type === "append" && message.to === to;
  });

describe("what a leader takes", () => {
  test("is applied by every replica, in one order", () => {
    const cluster = new RaftCluster(5);
    cluster.elect(1);
    for (const payload of ["a", "b", "c"]) cluster.propose(1, payload);
    cluster.settle();
    for (const id of cluster.voters) expect(cluster.replica(id).applied).toEqual(["a", "b", "c"]);
  });

  test("is refused by whoever does not lead", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    expect(cluster.propose(2, "a")).toBe("notLeader");
  });

  test("is not committed without a majority, and is once there is one again", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    for (const id of [2, 3]) cluster.crash(id);
    cluster.propose(1, "a");
    cluster.settle();
    expect(cluster.replica(1).applied).toEqual([]);
    cluster.restart(2);
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.replica(1).applied).toEqual(["a"]);
  });

  test("is heard of as committed without waiting for a heartbeat", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.propose(1, "a");
    cluster.settle();
    expect(cluster.raft(3).log.commitIndex).toBe(2);
  });

  test("survives the leader if it was committed", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.crash(3);
    cluster.propose(1, "a");
    cluster.settle();
    cluster.crash(1);
    cluster.restart(3);
    cluster.pass(4 * ELECTION_MS);
    expect(cluster.leaders).toEqual([2]);
    cluster.settle();
    expect(cluster.replica(3).applied).toEqual(["a"]);
  });
});

describe("commitment", () => {
  test("by counting is for entries of the leader's own term only (Raft, figure 8)", () => {
    const cluster = new RaftCluster(5);
    cluster.replica(1).startWith([1, 2], { term: 2, vote: 1 });
    cluster.replica(2).startWith([1, 2], { term: 2, vote: 1 });
    for (const id of [3, 4]) cluster.replica(id).startWith([1], { term: 1, vote: 0 });
    cluster.replica(5).startWith([1, 3], { term: 3, vote: 5 });
    cluster.crash(5);
    // (c) S1 leads again and spreads the entry of term 2 to a majority, but nothing of its own term gets through.
    cluster.lose((message) => message.type === "append" && message.entries.some(({ term }) => term > 2));
    cluster.elect(1);
    const term = cluster.raft(1).term;
    for (let i = 2; i <= 3; i++) {
      const prevTerm = 1;
      cluster.transit.push({
        type: "append",
        ...at(1, i, term),
        prevIndex: 1,
        prevTerm,
        commitIndex: 0,
        leaseTimeMs: 0,
        entries: [entry(2, 2)],
      });
    }
    cluster.settle();
    expect(cluster.raft(1).follower(2)?.matchIndex).toBe(2);
    expect(cluster.raft(1).follower(3)?.matchIndex).toBe(2);
    expect(cluster.raft(1).log.commitIndex).toBe(0);
    // (d) S5 may still win and overwrite it.
    cluster.crash(1);
    cluster.heal();
    cluster.restart(5);
    cluster.forgetLeader(2, 3, 4);
    cluster.elect(5);
    for (const id of [2, 3, 4, 5]) {
      expect(cluster.replica(id).terms).toEqual([1, 3, cluster.raft(5).term]);
      expect(cluster.raft(id).log.commitIndex).toBe(3);
    }
  });

  test("covers the older entries as soon as one of the leader's own term is on a majority", () => {
    const cluster = new RaftCluster(3);
    cluster.replica(1).startWith([1, 2, 2], { term: 2, vote: 1 });
    cluster.elect(1);
    expect(cluster.raft(1).log.commitIndex).toBe(4);
    for (const id of [2, 3]) expect(cluster.replica(id).terms).toEqual([1, 2, 2, cluster.raft(1).term]);
  });

  test("does not read the whole log back to count what it frees", () => {
    const cluster = new RaftCluster(3);
    for (const id of [1, 2, 3]) cluster.replica(id).startWith(Array.from({ length: 500 }, () => 1));
    cluster.lose((message) => message.type === "appendReply");
    cluster.elect(1);
    cluster.propose(1, "a");
    cluster.heal();
    const before = cluster.replica(1).disk.reads;
    const { raft } = cluster.replica(1);
    for (const from of [2, 3]) {
      const index = raft.log.lastIndex;
      raft.step({ type: "appendReply", ...at(from, 1, raft.term), success: true, index, hintTerm: 0, hintIndex: 0 });
    }
    raft.persisted(raft.flushMark());
    expect(raft.log.commitIndex).toBe(502);
    expect(cluster.replica(1).disk.reads - before).toBe(0);
  });
});

describe("a follower", () => {
  test("never truncates what is committed", () => {
    const cluster = new RaftCluster(3);
    cluster.deliver(append(0, 0, 1, [entry(1, 1), entry(2, 1)], 2));
    expect(() => cluster.deliver(append(0, 0, 2, [entry(1, 2)]))).toThrow("a committed entry is never truncated");
  });

  test("truncates on conflict only: an old append that is a prefix removes nothing", () => {
    const cluster = new RaftCluster(3);
    cluster.deliver(append(0, 0, 1, [entry(1, 1), entry(2, 1), entry(3, 1)]));
    cluster.deliver(append(0, 0, 1, [entry(1, 1)]));
    cluster.deliver(append(1, 1, 1, []));
    expect(cluster.replica(2).terms).toEqual([1, 1, 1]);
    cluster.deliver(append(1, 1, 2, [entry(2, 2)]));
    expect(cluster.replica(2).terms).toEqual([1, 2]);
    expect(cluster.replica(2).disk.entries.map(({ term }) => term)).toEqual([1, 2]);
  });

  test("commits no further than what it knows to equal the leader's log", () => {
    const cluster = new RaftCluster(3);
    cluster.replica(2).startWith([1, 1, 1]);
    cluster.deliver(append(1, 1, 2, [], 3));
    expect(cluster.raft(2).log.commitIndex).toBe(1);
  });

  test("refuses an append after a gap with a hint to its end", () => {
    const cluster = new RaftCluster(3);
    cluster.replica(2).startWith([1, 1, 2]);
    cluster.deliver(append(9, 3, 3, [entry(10, 3)]));
    expect(cluster.take("appendReply")).toMatchObject([{ success: false, index: 9, hintTerm: 2, hintIndex: 3 }]);
    expect(cluster.raft(2).log.lastIndex).toBe(3);
  });
});

describe("backtracking", () => {
  const run = (term: number, length: number): number[] => Array.from({ length }, () => term);

  test.each([
    ["is far behind", run(1, 300), [...run(1, 300), ...run(4, 200)]],
    ["has a long uncommitted tail of one old term", [...run(1, 10), ...run(2, 300)], [...run(1, 10), ...run(3, 300)]],
    ["has a longer log", [...run(1, 10), ...run(2, 500)], [...run(1, 10), ...run(3, 5)]],
    ["has nothing", [], run(2, 400)],
  ])("takes few rounds when the follower %s", (_name, followerTerms, leaderTerms) => {
    const cluster = new RaftCluster(3, { maxAppendBytes: 1024 });
    cluster.replica(1).startWith(leaderTerms);
    cluster.replica(3).startWith(leaderTerms);
    cluster.replica(2).startWith(followerTerms);
    cluster.elect(1);
    cluster.pass(HEARTBEAT_MS);
    expect(cluster.replica(2).terms).toEqual(cluster.replica(1).terms);
    const refusals = cluster.sent.filter((message) => message.type === "appendReply" && !message.success);
    expect(refusals.length).toBeLessThanOrEqual(2);
  });

  test("takes one round for each term at most", () => {
    const cluster = new RaftCluster(3);
    const zigzag = (first: number): number[] => [1, 2, 3, 4, 5, 6].flatMap((i) => run(2 * i + first, 20));
    cluster.replica(1).startWith([...run(1, 5), ...zigzag(1)]);
    cluster.replica(3).startWith([...run(1, 5), ...zigzag(1)]);
    cluster.replica(2).startWith([...run(1, 5), ...zigzag(0)]);
    cluster.elect(1);
    cluster.pass(HEARTBEAT_MS);
    expect(cluster.replica(2).terms).toEqual(cluster.replica(1).terms);
    const refusals = cluster.sent.filter((message) => message.type === "appendReply" && !message.success);
    expect(refusals.length).toBeLessThanOrEqual(7);
  });
});

describe("pipelining", () => {
  test("sends ahead without waiting for answers, up to the window", () => {
    const cluster = new RaftCluster(3, { maxInflightAppends: 4 });
    cluster.elect(1);
    const before = appendsTo(cluster, 2).length;
    for (let i = 0; i < 10; i++) {
      cluster.propose(1, `${i}`);
      cluster.replica(1).pump();
    }
    expect(appendsTo(cluster, 2).length - before).toBe(4);
    cluster.settle();
    expect(cluster.replica(2).applied).toHaveLength(10);
  });

  test("puts what waited behind the window into few messages", () => {
    const cluster = new RaftCluster(3, { maxInflightAppends: 2 });
    cluster.elect(1);
    const before = appendsTo(cluster, 2).length;
    for (let i = 0; i < 100; i++) {
      cluster.propose(1, `${i}`);
      cluster.replica(1).pump();
    }
    cluster.settle();
    expect(cluster.replica(2).applied).toHaveLength(100);
    expect(appendsTo(cluster, 2).length - before).toBeLessThanOrEqual(4);
  });

  test("cuts appends by bytes, yet always carries one entry", () => {
    const cluster = new RaftCluster(3, { maxAppendBytes: 100 });
    cluster.elect(1);
    const before = appendsTo(cluster, 2).length;
    for (const size of [40, 40, 40, 500, 10]) cluster.propose(1, "x".repeat(size));
    cluster.settle();
    const sizes = appendsTo(cluster, 2)
      .slice(before)
      .map(({ entries }) => entries.map(({ payload }) => payload.length));
    expect(sizes).toEqual([[40, 40], [40], [500], [10]]);
  });

  test("cuts appends by entries too: empty ones take room in a frame", () => {
    const cluster = new RaftCluster(3);
    cluster.replica(1).startWith(Array.from({ length: 20_000 }, () => 1));
    cluster.elect(1);
    cluster.settle();
    expect(cluster.replica(2).terms).toHaveLength(20_001);
    for (const { entries } of appendsTo(cluster, 2)) expect(entries.length).toBeLessThanOrEqual(4096);
  });

  test("is followed by no second copy when the first is only a little late after a silence", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.propose(1, "a");
    cluster.pass(5 * ELECTION_MS);
    const before = appendsTo(cluster, 2).length;
    cluster.propose(1, "b");
    cluster.replica(1).pump();
    const late = cluster.take("append");
    cluster.pass(HEARTBEAT_MS + 10);
    expect(appendsTo(cluster, 2).length - before).toBe(1);
    cluster.transit.push(...late);
    cluster.settle();
    expect(cluster.replica(2).applied).toEqual(["a", "b"]);
  });
});

describe("a lost append", () => {
  test("is made good when a later one is refused", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.propose(1, "a");
    cluster.replica(1).pump();
    cluster.take("append", 2);
    cluster.propose(1, "b");
    cluster.settle();
    expect(cluster.replica(2).applied).toEqual(["a", "b"]);
  });

  test("is made good after silence, when nothing follows it", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.propose(1, "a");
    cluster.replica(1).pump();
    cluster.take("append", 2);
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.replica(2).applied).toEqual(["a"]);
  });

  test("is made good at once when its connection breaks and comes back", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.propose(1, "a");
    cluster.replica(1).pump();
    cluster.take("append", 2);
    cluster.raft(1).disconnected(2);
    cluster.settle();
    expect(cluster.replica(2).applied).toEqual(["a"]);
  });

  test("takes no window for ever: replies lost on the way are made good by the next", () => {
    const cluster = new RaftCluster(3, { maxInflightAppends: 2 });
    cluster.elect(1);
    cluster.cut(2, 1);
    for (let i = 0; i < 2; i++) {
      cluster.propose(1, `${i}`);
      cluster.settle();
    }
    cluster.heal();
    for (let i = 2; i < 10; i++) cluster.propose(1, `${i}`);
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.replica(2).applied).toHaveLength(10);
    expect(cluster.raft(1).follower(2)?.matchIndex).toBe(11);
  });

  test("that told of a commit leaves the follower no heartbeat behind", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.propose(1, "a");
    cluster.replica(1).pump();
    // Follower 2 has the entry, but the append that tells of its commit is lost with its connection.
    cluster.deliver(cluster.take("append", 2)[0]!);
    cluster.deliver(cluster.take("appendReply", 1)[0]!);
    cluster.take("heartbeat", 2);
    cluster.raft(1).disconnected(2);
    cluster.settle();
    expect(cluster.replica(2).applied).toEqual(["a"]);
  });
});

describe("an answer that comes late", () => {
  test("of an earlier term counts nothing", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.crash(3);
    cluster.propose(1, "a");
    cluster.settle();
    cluster.cut(2, 1);
    cluster.crash(1);
    cluster.restart(3);
    cluster.forgetLeader(3);
    cluster.heal();
    cluster.elect(2);
    const { term } = cluster.raft(2);
    cluster.cut(3, 2);
    cluster.propose(2, "b");
    cluster.settle();
    const match = cluster.raft(2).follower(3)?.matchIndex;
    const late = { type: "appendReply", success: true, index: 99, hintTerm: 0, hintIndex: 0 } as const;
    cluster.deliver({ ...late, ...at(3, 2, term - 1), index: cluster.raft(2).log.lastIndex });
    expect(cluster.raft(2).follower(3)?.matchIndex).toBe(match);
    // One that claims more than there is, is not believed either.
    cluster.deliver({ ...late, ...at(3, 2, term) });
    expect(cluster.raft(2).follower(3)?.matchIndex).toBe(match);
  });

  test("and refuses what has since been matched moves nothing back", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    for (let i = 0; i < 5; i++) cluster.propose(1, `${i}`);
    cluster.settle();
    const before = cluster.sent.length;
    const refusal = { type: "appendReply", success: false, index: 3, hintTerm: 0, hintIndex: 0 } as const;
    cluster.deliver({ ...refusal, ...at(2, 1, cluster.raft(1).term) });
    cluster.settle();
    expect(cluster.raft(1).follower(2)?.matchIndex).toBe(6);
    expect(cluster.sent.length).toBe(before);
  });

  test("and succeeds lowers no match", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    for (let i = 0; i < 5; i++) cluster.propose(1, `${i}`);
    cluster.settle();
    const reply = { type: "appendReply", success: true, index: 2, hintTerm: 0, hintIndex: 0 } as const;
    cluster.deliver({ ...reply, ...at(2, 1, cluster.raft(1).term) });
    expect(cluster.raft(1).follower(2)?.matchIndex).toBe(6);
  });
});

describe("back-pressure", () => {
  test("refuses beyond the bytes that may be uncommitted, but for a reserved tenth", () => {
    const cluster = new RaftCluster(3, { maxUncommittedBytes: 1000 });
    cluster.elect(1);
    for (const id of [2, 3]) cluster.crash(id);
    expect(cluster.propose(1, "x".repeat(900))).toBe("accepted");
    expect(cluster.propose(1, "x")).toBe("overloaded");
    expect(cluster.propose(1, "x".repeat(100), true)).toBe("accepted");
    expect(cluster.propose(1, "x", true)).toBe("overloaded");
  });

  test("ends with the commit, to the byte", () => {
    const cluster = new RaftCluster(3, { maxUncommittedBytes: 1000 });
    cluster.elect(1);
    for (let i = 0; i < 20; i++) {
      expect(cluster.propose(1, "x".repeat(450))).toBe("accepted");
      expect(cluster.propose(1, "x".repeat(450))).toBe("accepted");
      expect(cluster.propose(1, "x")).toBe("overloaded");
      cluster.settle();
    }
  });

  test("counts a leader's own proposals alone, not what earlier leaders left uncommitted", () => {
    const cluster = new RaftCluster(3, { maxUncommittedBytes: 1000 });
    cluster.elect(1);
    cluster.isolate(1);
    cluster.propose(1, "x".repeat(900));
    cluster.settle();
    cluster.heal();
    cluster.restart(1);
    cluster.forgetLeader(2, 3);
    cluster.lose((message) => message.type === "append");
    cluster.elect(1);
    expect(cluster.propose(1, "y".repeat(900))).toBe("accepted");
    cluster.heal();
    // The earlier leader's entry and this one's no-op commit; this leader's own 900 bytes stay uncommitted.
    const { raft } = cluster.replica(1);
    raft.disconnected(2);
    raft.persisted(raft.flushMark());
    const reply = { type: "appendReply", success: true, index: 3, hintTerm: 0, hintIndex: 0 } as const;
    raft.step({ ...reply, ...at(2, 1, raft.term) });
    expect(raft.log.commitIndex).toBe(3);
    expect(cluster.propose(1, "z")).toBe("overloaded");
  });
});
