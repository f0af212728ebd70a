import { describe, expect, test } from "bun:test";
import { relevantEvents } from "../../../src/sim/relevant-events.ts";
import type { TraceLine } from "../../../src/sim/trace.ts";

const line = (node: number, what: string, detail?: unknown): TraceLine => ({ atMs: 0, node, what, detail });
const raft = (from: number, to: number, rest: object) => line(from, `→ node${to}`, { from, to, ...rest });

const crash = line(2, "crashes (power)");
const otherCrash = line(3, "crashes (process)");
const partition = line(0, "partition", { cut: [1] });
const append = raft(1, 2, { type: "append", term: 4, prevIndex: 10, entries: [{}, {}] });
const otherAppend = raft(1, 2, { type: "append", term: 4, prevIndex: 20, entries: [{}] });
const reply = raft(2, 1, { type: "appendReply", term: 4, index: 12 });
const vote = raft(2, 1, { type: "voteReply", term: 4, granted: true });
const oldVote = raft(2, 1, { type: "voteReply", term: 3, granted: true });
const asks = line(1, "client 1 asks", { type: "acquire", lock: "lock-1" });
const asksOther = line(1, "client 2 asks", { type: "acquire", lock: "lock-10" });
const snapshot = line(2, "snapshot taken", { snapshot: { index: 12 } });
const noise = Array.from({ length: 4 }, () => line(1, "→ node3", { type: "features", level: 1 }));
const all = [
  crash,
  otherCrash,
  partition,
  append,
  otherAppend,
  reply,
  vote,
  oldVote,
  asks,
  asksOther,
  snapshot,
  ...noise,
];

const told = (message: string) => relevantEvents(all, message).slice(0, -noise.length);

describe("of all that happened in a run", () => {
  test("who brought and acknowledged an entry has to do with it, and what befell its node", () => {
    expect(told("D2: node2 acknowledges 12, durable is 9")).toEqual([crash, partition, append, reply, snapshot]);
  });

  test("the votes of a term have to do with it", () => {
    expect(told("one vote a term: node2 votes for node1 in term 4 after node3")).toEqual([
      ...[crash, otherCrash, partition, vote],
    ]);
  });

  test("who asked for a lock has to do with it, and not who asked for one whose name begins so", () => {
    expect(told("L2: owner-1 gets lock-1 with 5")).toEqual([crash, otherCrash, partition, asks]);
  });

  test("who was given a message has to do with it, and no other consumer", () => {
    const receipt = (message: number) => ({ type: "settle", receipts: [{ message, attempt: 1, nonce: 7 }] });
    const [own, other] = [line(1, "consumer 1 asks", receipt(1)), line(1, "consumer 2 asks", receipt(16))];
    const found = relevantEvents(
      [own, other, ...noise],
      "U1 attempts rise: message 1 is delivered as attempt 1 after 1",
    );
    expect(found).toEqual([own, ...noise]);
  });

  test("the last things stand there, whatever they were, and no more than a person reads", () => {
    expect(relevantEvents(all, "liveness: nobody leads").slice(-4)).toEqual(noise);
    const many = Array.from({ length: 1_000 }, () => partition);
    expect(relevantEvents(many, "liveness: nobody leads")).toHaveLength(40);
  });
});
