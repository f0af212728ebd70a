import { describe, expect, test } from "bun:test";
import { nodeFactsOf, FakeNodes } from "../../support/engine-fakes.ts";

/** Replicas of the fakes compare their states after every so many entries. */
const EVERY = 10;

function cluster(size = 3): FakeNodes {
  const nodes = new FakeNodes(size);
  nodes.pass(1_000);
  expect(nodes.node(1).host.raft.role).toBe("leader");
  return nodes;
}

/** Commands through every node, one after the other, until so many entries are applied. */
function fill(nodes: FakeNodes, entries: number): void {
  for (let i = 0; nodes.nodes.every(({ host }) => host.raft.log.appliedIndex < entries); i++) {
    nodes.node(1 + (i % nodes.nodes.length)).submit(`c${i}`);
    nodes.settle();
    nodes.pass(10);
    if (i > 10 * entries) return;
  }
}

/** A command that one replica does not see: its state is another one from then on. */
function losesOne(nodes: FakeNodes, id: number): void {
  const { machine } = nodes.node(id);
  const apply = machine.apply.bind(machine);
  machine.apply = (entry, emit) => {
    machine.apply = apply;
    apply(entry, emit);
    machine.applied.push(`lost by ${id}`);
  };
}

describe("replicas that compare their states", () => {
  test("find that they agree, after every so many entries", () => {
    const nodes = cluster();
    fill(nodes, 5 * EVERY + 1);
    for (const { host, stops } of nodes.nodes) {
      expect(host.stateChecks).toMatchObject({ agreedIndex: 5 * EVERY, checks: 5 });
      expect(stops).toEqual([]);
    }
  });

  test("compare again what they had when they were cut off", () => {
    const nodes = cluster();
    for (const id of [1, 2]) nodes.node(id).network.disconnected.add(3);
    nodes.node(3).network.disconnected.add(1).add(2);
    for (let i = 0; i < 2 * EVERY; i++) {
      nodes.node(1).submit(`c${i}`);
      nodes.pass(10);
    }
    expect(nodes.node(1).host.stateChecks.agreedIndex).toBe(2 * EVERY);
    expect(nodes.node(3).host.stateChecks.agreedIndex).toBe(0);
    for (const { engine, network } of nodes.nodes) {
      const back = [...network.disconnected];
      network.disconnected.clear();
      for (const peer of back) engine.onConnected(peer, nodeFactsOf(peer));
    }
    nodes.pass(2_000);
    expect(nodes.node(3).host.stateChecks.agreedIndex).toBe(2 * EVERY);
    expect(nodes.nodes.flatMap(({ stops }) => stops)).toEqual([]);
  });

  test("stop the one that differs from a majority, and the others go on", () => {
    const nodes = cluster();
    losesOne(nodes, 3);
    const waiting = nodes.node(3).submit("wait");
    fill(nodes, 2 * EVERY);
    const [stop] = nodes.node(3).stops;
    expect(stop).toMatchObject({ reason: "diverged", index: EVERY });
    expect(nodes.node(3).stops).toHaveLength(1);
    expect(nodes.node(3).host.stopped).toEqual(stop);
    // Whoever waited there hears that nobody knows.
    expect(waiting).toEqual(["outcome_unknown"]);
    expect(nodes.node(1).stops).toEqual([]);
    expect(nodes.node(2).stops).toEqual([]);
    const before = nodes.node(3).machine.applied.length;
    const ends = [nodes.node(1).submit("a"), nodes.node(2).submit("b")];
    const read = nodes.node(2).read();
    nodes.pass(200);
    expect(ends).toEqual([["did a"], ["did b"]]);
    expect(read).toHaveLength(1);
    expect(nodes.node(3).machine.applied).toHaveLength(before);
    // It stores entries all the same: with it there is a majority.
    expect(nodes.node(3).host.raft.log.lastIndex).toBe(nodes.node(1).host.raft.log.lastIndex);
  });

  test("stop all where no majority has one state", () => {
    const nodes = cluster();
    losesOne(nodes, 2);
    losesOne(nodes, 3);
    fill(nodes, 2 * EVERY);
    nodes.pass(1_500);
    for (const { stops } of nodes.nodes) expect(stops).toMatchObject([{ reason: "split", index: EVERY }]);
    const ends = nodes.node(1).submit("a");
    nodes.pass(6_000);
    expect(ends).toEqual(["no_leader"]);
  });

  test("stop all even if some did not hear of it at first", () => {
    const nodes = cluster();
    losesOne(nodes, 2);
    losesOne(nodes, 3);
    // Node 1 gets no hash: those who have stopped say theirs again.
    const { engine } = nodes.node(1);
    const onFrame = engine.onFrame.bind(engine);
    const heard: number[] = [];
    engine.onFrame = (peer, frame) => {
      // The code of a state hash; messages of the fakes come one a frame.
      if (frame[0] !== 9 || heard.push(peer) > 2) return onFrame(peer, frame);
      return true;
    };
    fill(nodes, EVERY);
    expect(nodes.node(1).stops).toEqual([]);
    nodes.pass(3_000);
    expect(nodes.node(1).stops).toMatchObject([{ reason: "split", index: EVERY }]);
  });

  test("do not compare what was hashed in another way", () => {
    const nodes = cluster();
    nodes.node(2).receive(1, { type: "stateHash", group: 0, formula: 77, index: EVERY, hash: 1 });
    nodes.node(2).receive(3, { type: "stateHash", group: 0, formula: 77, index: EVERY, hash: 1 });
    fill(nodes, EVERY + 1);
    expect(nodes.node(2).stops).toEqual([]);
    expect(nodes.node(2).host.stateChecks.agreedIndex).toBe(EVERY);
  });
});

describe("a replica that has stopped", () => {
  test("hands leadership over, and the new leader serves", () => {
    const nodes = cluster();
    losesOne(nodes, 1);
    fill(nodes, EVERY);
    expect(nodes.node(1).stops).toMatchObject([{ reason: "diverged" }]);
    nodes.pass(200);
    expect(nodes.node(1).host.raft.leader).not.toBe(1);
    const ends = nodes.node(2).submit("a");
    nodes.pass(100);
    expect(ends).toEqual(["did a"]);
  });

  test("leads where its log is longer than the others', until they have it", () => {
    const nodes = cluster();
    losesOne(nodes, 1);
    fill(nodes, EVERY);
    nodes.pass(200);
    const leader = nodes.node(1).host.raft.leader;
    expect([2, 3]).toContain(leader);
    const behind = 5 - leader;
    // The one that is behind misses an entry, and then the leader is gone: only the stopped one has all that was committed.
    for (const id of [1, leader]) nodes.node(id).network.disconnected.add(behind);
    nodes.node(behind).network.disconnected.add(1).add(leader);
    const ends = nodes.node(leader).submit("only two have it");
    nodes.pass(60);
    expect(ends).toEqual(["did only two have it"]);
    for (const id of [1, behind]) {
      const { network, engine } = nodes.node(id);
      network.disconnected.clear();
      network.disconnected.add(leader);
      engine.onConnected(1 + behind - id, nodeFactsOf(1 + behind - id));
    }
    nodes.node(leader).network.disconnected.add(1).add(behind);
    nodes.pass(5_000);
    expect(nodes.node(behind).host.raft.role).toBe("leader");
    expect(nodes.node(behind).machine.applied).toContain("only two have it");
    const after = nodes.node(behind).submit("b");
    nodes.pass(100);
    expect(after).toEqual(["did b"]);
  });

  test("because an entry threw is told of with that entry, and the process goes on", () => {
    const nodes = cluster();
    const node = nodes.node(3);
    for (let i = 0; i < 2; i++) {
      const index = node.host.raft.log.appliedIndex + 1;
      // What two processes before this one left behind.
      node.journal.threw(0, index, "Error: no such lock");
    }
    node.machine.onApply = () => {
      throw new Error("no such lock");
    };
    nodes.node(1).submit("a");
    nodes.pass(100);
    const index = node.host.raft.log.appliedIndex + 1;
    expect(node.stops).toEqual([{ reason: "poisoned", index, deaths: 3, error: "Error: no such lock" }]);
    expect(node.host.raft.log.commitIndex).toBeGreaterThanOrEqual(index);
    const ends = nodes.node(1).submit("b");
    nodes.pass(100);
    expect(ends).toEqual(["did b"]);
  });
});

test("a leader that has stopped, alone, does not ask for turn after turn when a lease is over", () => {
  const nodes = cluster(1);
  const node = nodes.node(1);
  for (let i = 0; i < 2; i++) node.journal.threw(0, node.host.raft.log.appliedIndex + 1, "Error: no such lock");
  node.machine.onApply = () => {
    throw new Error("no such lock");
  };
  node.submit("a");
  nodes.pass(100);
  expect(node.stops).toMatchObject([{ reason: "poisoned" }]);
  expect(node.host.raft.role).toBe("leader");
  node.machine.deadlineMs = 1;
  node.tick(50);
  node.turn();
  expect(node.turnWanted).toBe(false);
});

test("a turn that takes too long is told of with its phase and what it had to do", () => {
  const nodes = cluster();
  const node = nodes.node(1);
  node.machine.onApply = () => void (node.nowMs += 15);
  node.submit("a");
  node.submit("b");
  nodes.pass(20);
  expect(node.longTurns).toEqual([
    { durationMs: 30, phase: "apply", phaseMs: 30, messages: expect.any(Number), flushedEntries: 0, appliedEntries: 2 },
  ]);
});
