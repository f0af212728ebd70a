import { describe, expect, test } from "bun:test";
import type { PeerMessage } from "../../../src/engine/peer-messages.ts";
import type { Entry, Message } from "../../../src/raft/types.ts";
import { bytes } from "../../support/raft-cluster.ts";
import { FakeNode, FakeNodes } from "../../support/engine-fakes.ts";

const at = (from: number, to: number, term: number) => ({ group: 0, from, to, term });
const raft = (message: Message): PeerMessage => ({ type: "raft", message });
const entry = (index: number, term: number): Entry => {
  const payload = bytes(JSON.stringify({ ingress: 1, sequence: index, command: `c${index}` }));
  return { index, term, kind: "command", leaseTimeMs: 0, payload };
};
const append = (prevIndex: number, entries: Entry[], commitIndex = 0): PeerMessage =>
  raft({
    type: "append",
    ...at(1, 2, 1),
    prevIndex,
    prevTerm: prevIndex === 0 ? 0 : 1,
    commitIndex,
    leaseTimeMs: 0,
    entries,
  });
const typesOf = (messages: readonly { message: PeerMessage }[]): string[] =>
  messages.map(({ message }) => (message.type === "raft" ? message.message.type : message.type));

/** Node 1 leads a group of three and is registered; the others hold all of its log. */
function leadingNode(): FakeNode {
  const node = new FakeNode(1, [1, 2, 3]);
  for (let i = 0; i < 50 && node.host.raft.role !== "candidate"; i++) node.tick();
  node.receive(2, raft({ type: "preVoteReply", ...at(2, 1, 1), granted: true }));
  node.turn();
  node.receive(2, raft({ type: "voteReply", ...at(2, 1, 1), granted: true }));
  node.turn();
  acknowledge(node);
  expect(node.host.ingress.isRegistered).toBe(true);
  node.network.take();
  node.trace.length = 0;
  return node;
}

/** The others have everything. */
function acknowledge(node: FakeNode): void {
  const { term, log } = node.host.raft;
  const reply = { type: "appendReply", success: true, index: log.lastIndex, hintTerm: 0, hintIndex: 0 } as const;
  for (const from of [2, 3]) node.receive(from, raft({ ...reply, ...at(from, 1, term) }));
  node.turn();
}

/** Node 2 follows node 1, and has forwarded its registration. */
function followingNode(): FakeNode {
  const node = new FakeNode(2, [1, 2, 3]);
  node.receive(1, raft({ type: "heartbeat", ...at(1, 2, 1), round: 0, commitIndex: 0, leaseTimeMs: 0 }));
  node.turn();
  node.network.take();
  node.trace.length = 0;
  return node;
}

describe("a follower whose disk is slow", () => {
  test("answers nobody with entries that were truncated before they were written (D2)", () => {
    const node = followingNode();
    node.log.slow = true;
    node.receive(1, append(0, [entry(1, 1)]));
    node.turn();
    node.receive(1, append(1, [entry(2, 1), entry(3, 1)]));
    node.turn();
    const newer = { prevIndex: 1, prevTerm: 1, commitIndex: 0, leaseTimeMs: 0, entries: [entry(2, 2)] };
    node.receive(3, raft({ type: "append", ...at(3, 2, 2), ...newer }));
    node.turn();
    for (let i = 0; i < 3 && node.log.flushing; i++) {
      node.log.complete();
      node.turn();
    }
    const replies = node.network.take().flatMap(({ to, message }) => {
      if (message.type !== "raft" || message.message.type !== "appendReply") return [];
      return [{ to, index: message.message.index }];
    });
    expect(replies).toEqual([{ to: 3, index: 2 }]);
  });
});

describe("a turn of a leader", () => {
  test("sends entries before its own flush, applies after it", () => {
    const node = leadingNode();
    node.submit("a");
    node.turn();
    expect(node.trace).toEqual(["→2", "→3", "flush", "durable"]);
    node.trace.length = 0;
    acknowledge(node);
    expect(node.trace).toEqual(["→2", "→3", "apply 3"]);
  });

  test("answers a request from its own apply", () => {
    const node = leadingNode();
    const ends = node.submit("a");
    node.turn();
    expect(ends).toEqual([]);
    acknowledge(node);
    expect(ends).toEqual(["did a"]);
    expect(node.machine.applied).toEqual(["register", "a"]);
  });

  test("puts what many clients asked into one append and one flush", () => {
    const node = leadingNode();
    const flushes = node.log.flushed.length;
    for (let i = 0; i < 100; i++) node.submit(`${i}`);
    node.turn();
    const appends = node.network.take();
    expect(typesOf(appends).filter((type) => type === "append")).toHaveLength(2);
    expect(node.log.flushed.length - flushes).toBe(1);
  });

  test("sends a long backlog piece by piece, and wants turns until all of it is on its way", () => {
    const node = leadingNode();
    const { raft: core } = node.host;
    for (let i = 0; i < 30_000; i++) core.propose("command", bytes("x"), false);
    const sent: number[] = [];
    do {
      node.turn();
      const entries = node.network.take().flatMap(({ to, message }) => {
        if (to !== 2 || message.type !== "raft" || message.message.type !== "append") return [];
        return message.message.entries;
      });
      sent.push(entries.length);
    } while (node.turnWanted);
    expect(Math.max(...sent)).toBeLessThanOrEqual(10_000);
    expect(sent.reduce((sum, count) => sum + count, 0)).toBe(30_000);
  });

  test("does not apply or answer what only others hold durably, until its own disk has it", () => {
    const node = leadingNode();
    node.log.slow = true;
    const ends = node.submit("a");
    node.turn();
    acknowledge(node);
    expect(node.host.raft.log.commitIndex).toBe(3);
    expect(ends).toEqual([]);
    node.log.complete();
    expect(node.turnWanted).toBe(true);
    node.turn();
    expect(ends).toEqual(["did a"]);
  });

  test("writes one flush at a time; what comes meanwhile shares the next", () => {
    const node = leadingNode();
    node.log.slow = true;
    const flushes = node.log.flushed.length;
    for (let i = 0; i < 5; i++) {
      node.submit(`${i}`);
      node.turn();
    }
    expect(node.log.flushed.length - flushes).toBe(1);
    node.log.complete();
    node.turn();
    expect(node.log.flushed.length - flushes).toBe(2);
    const entries = node.log.flushed.at(-1)?.flatMap((record) => (record.type === "entries" ? record.entries : []));
    expect(entries).toHaveLength(4);
  });

  test("asks for no further turn when nothing happened", () => {
    const node = leadingNode();
    for (let i = 0; i < 3; i++) node.tick(1);
    expect(node.turnWanted).toBe(false);
  });

  test("stops with the first error of the disk and sends no message that relied on it", () => {
    const node = followingNode();
    node.log.broken = true;
    node.receive(1, append(0, [entry(1, 1)]));
    node.turn();
    expect(node.failures.map(({ message }) => message)).toEqual(["no disk"]);
    expect(node.network.take()).toEqual([]);
    node.tick(1_000);
    expect(node.network.take()).toEqual([]);
    expect(node.failures).toHaveLength(1);
  });
});

describe("a turn of a follower", () => {
  test("answers an append after the flush, and not before", () => {
    const node = followingNode();
    node.log.slow = true;
    node.receive(1, append(0, [entry(1, 1)], 1));
    node.turn();
    expect(node.network.take()).toEqual([]);
    expect(node.machine.applied).toEqual([]);
    node.log.complete();
    expect(node.trace).toEqual(["flush", "durable"]);
    node.turn();
    expect(typesOf(node.network.take())).toEqual(["appendReply"]);
    expect(node.machine.applied).toEqual(["c1"]);
  });

  test("answers a heartbeat without waiting for a flush that is under way", () => {
    const node = followingNode();
    node.receive(1, append(0, [entry(1, 1)]));
    node.turn();
    node.network.take();
    node.log.slow = true;
    node.receive(1, append(1, [entry(2, 1)]));
    node.receive(1, raft({ type: "heartbeat", ...at(1, 2, 1), round: 3, commitIndex: 1, leaseTimeMs: 0 }));
    node.turn();
    expect(typesOf(node.network.take())).toEqual(["heartbeatReply"]);
  });

  test("keeps the term, the truncation and the entries of a turn in one flush, in this order", () => {
    const node = followingNode();
    node.receive(1, append(0, [entry(1, 1), entry(2, 1)]));
    node.turn();
    const newer = { prevIndex: 1, prevTerm: 1, commitIndex: 0, leaseTimeMs: 0, entries: [entry(2, 2)] };
    node.receive(3, raft({ type: "append", ...at(3, 2, 2), ...newer }));
    node.turn();
    expect(node.log.flushed.at(-1)?.map(({ type }) => type)).toEqual(["hardState", "truncate", "entries"]);
  });

  test("sends what may leave at once in one frame, and what waited for the flush in another", () => {
    const node = followingNode();
    node.receive(1, append(0, [entry(1, 1)]));
    for (let round = 1; round <= 5; round++) {
      node.receive(1, raft({ type: "heartbeat", ...at(1, 2, 1), round, commitIndex: 0, leaseTimeMs: 0 }));
    }
    node.receive(1, { type: "readRequest", group: 0, id: 9 });
    node.turn();
    expect(node.network.frames.map(({ to, messages }) => [to, messages.length])).toEqual([
      [1, 6],
      [1, 1],
    ]);
  });

  test("applies in slices: a long one gives way to the loop", () => {
    const node = followingNode();
    const entries = Array.from({ length: 5_000 }, (_, i) => entry(i + 1, 1));
    node.machine.onApply = () => void (node.nowMs += 0.1);
    node.receive(1, append(0, entries, 5_000));
    node.turn();
    expect(node.machine.applied.length).toBeWithin(80, 600);
    let turns = 1;
    for (; node.turnWanted; turns++) node.turn();
    expect(node.machine.applied).toHaveLength(5_000);
    expect(turns).toBeGreaterThan(8);
    expect(node.machine.applied.slice(0, 3)).toEqual(["c1", "c2", "c3"]);
  });
});

describe("a frame", () => {
  test("that cannot be decoded is refused", () => {
    const node = new FakeNode(2, [1, 2, 3]);
    expect(node.engine.onFrame(1, new Uint8Array([250, 1, 2]))).toBe(false);
  });

  test("in which one peer speaks for another is refused", () => {
    const node = new FakeNode(2, [1, 2, 3]);
    expect(node.receive(3, append(0, [entry(1, 1)]))).toBe(false);
    node.turn();
    expect(node.host.raft.log.lastIndex).toBe(0);
  });

  test("for a group that is not here is ignored", () => {
    const node = new FakeNode(2, [1, 2, 3]);
    expect(node.receive(1, { type: "readRequest", group: 5, id: 1 })).toBe(true);
    node.turn();
    expect(node.network.take()).toEqual([]);
  });

  test("is not looked at after its call: the network takes the bytes back", () => {
    const node = new FakeNode(2, [1, 2, 3]);
    const others = new FakeNode(1, [1, 2, 3]);
    others.engine.send(2, append(0, [entry(1, 1)], 1));
    let borrowed = new Uint8Array(0);
    others.network.send = (_peer, frame) => {
      borrowed = frame.slice();
      return true;
    };
    others.turn();
    node.engine.onFrame(1, borrowed);
    borrowed.fill(0xff);
    node.turn();
    expect(node.machine.applied).toEqual(["c1"]);
  });
});

describe("three nodes", () => {
  test("elect, register each ingress and answer every client at the node that it asked", () => {
    const cluster = new FakeNodes(3);
    cluster.pass(1_000);
    const ends = cluster.nodes.map((node) => node.submit(`by ${node.self}`));
    cluster.pass(100);
    expect(ends).toEqual([["did by 1"], ["did by 2"], ["did by 3"]]);
    for (const node of cluster.nodes) expect(node.machine.applied).toHaveLength(6);
  });

  test("answer a request within the turns that its messages need, without waiting for time", () => {
    const cluster = new FakeNodes(3);
    cluster.pass(1_000);
    const ends = cluster.node(3).submit("a");
    const read = cluster.node(2).read();
    for (const node of cluster.nodes) node.engine.wake();
    cluster.settle();
    expect(ends).toEqual(["did a"]);
    expect(read).toHaveLength(1);
  });
});
