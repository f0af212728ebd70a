import { describe, expect, test } from "bun:test";
import { type FakeNode, FakeNodes } from "../../support/engine-fakes.ts";

/** Node 1 leads, and all are registered. */
function cluster(size = 3): FakeNodes {
  const nodes = new FakeNodes(size);
  nodes.pass(1_000);
  expect(nodes.node(1).host.raft.role).toBe("leader");
  return nodes;
}

function wake(node: FakeNode): void {
  node.engine.wake();
}

/** Frames that tell somebody to stand for election do not arrive. */
function dropTransfers(node: FakeNode): void {
  node.turn();
  for (const { to, message } of node.network.take()) {
    if (message.type === "raft" && message.message.type === "timeoutNow") continue;
    node.network.frames.push({ to, messages: [message] });
  }
}

const executed = (nodes: FakeNodes, command: string): number[] =>
  nodes.nodes.map(({ machine }) => machine.applied.filter((applied) => applied === command).length);

describe("what is asked while leadership is handed over", () => {
  test("at the leader waits there and goes to the new leader, without waiting for any timer", () => {
    const nodes = cluster();
    const leader = nodes.node(1);
    const before = leader.submit("before");
    const transfer = leader.transfer(2);
    const during = leader.submit("during");
    wake(leader);
    nodes.settle();
    expect([before, during, transfer]).toEqual([["did before"], ["did during"], ["transferred"]]);
    expect(nodes.node(2).host.raft.role).toBe("leader");
    expect([executed(nodes, "before"), executed(nodes, "during")].flat()).toEqual([1, 1, 1, 1, 1, 1]);
    expect(leader.handedTo).toEqual([2]);
  });

  test("at another node is refused by the leader, and goes to the new one as soon as that is known", () => {
    const nodes = cluster();
    const ends = nodes.node(3).submit("a");
    const reads = nodes.node(3).read();
    nodes.node(3).turn();
    nodes.node(1).transfer(2);
    wake(nodes.node(1));
    nodes.settle();
    expect(nodes.node(2).host.raft.role).toBe("leader");
    expect(ends).toEqual(["did a"]);
    expect(reads).toEqual([expect.any(Number)]);
    expect(executed(nodes, "a")).toEqual([1, 1, 1]);
  });

  test("is done by the old leader when the other did not take over, and nothing is done twice", () => {
    const nodes = cluster();
    const leader = nodes.node(1);
    const transfer = leader.transfer(2);
    dropTransfers(leader);
    const here = leader.submit("here");
    const there = nodes.node(3).submit("there");
    wake(leader);
    wake(nodes.node(3));
    nodes.pass(250);
    expect([here, there]).toEqual([[], []]);
    nodes.pass(200);
    expect([here, there, transfer]).toEqual([["did here"], ["did there"], ["timedOut"]]);
    expect([executed(nodes, "here"), executed(nodes, "there")].flat()).toEqual([1, 1, 1, 1, 1, 1]);
    expect([leader.engine.statistics.transfers, leader.engine.statistics.transfersFailed]).toEqual([1, 1]);
  });
});

describe("a transfer of leadership", () => {
  test("can be asked of any node", () => {
    const nodes = cluster();
    const ends = nodes.node(3).transfer(2);
    wake(nodes.node(3));
    nodes.settle();
    expect([ends, nodes.node(3).host.raft.leader]).toEqual([["transferred"], 2]);
    expect([nodes.node(1).handedTo, nodes.node(3).handedTo]).toEqual([[2], []]);
    expect(nodes.node(1).engine.statistics.transfersFailed).toBe(0);
  });

  test("without a target goes to a node that is connected", () => {
    const nodes = cluster();
    nodes.node(1).network.disconnected.add(2);
    const ends = nodes.node(1).transfer(0);
    wake(nodes.node(1));
    nodes.settle();
    expect([ends, nodes.node(3).host.raft.role]).toEqual([["transferred"], "leader"]);
  });

  test.each([1, 3])("asked at node %i is refused when the leader has no way to the target", (asked) => {
    const nodes = cluster();
    nodes.node(1).network.disconnected.add(2);
    const ends = nodes.node(asked).transfer(2);
    wake(nodes.node(asked));
    nodes.settle();
    expect([ends, nodes.node(1).host.raft.role]).toEqual([["unreachable"], "leader"]);
  });

  test("is refused while leadership is on its way to somebody else, and joins one to the same node", () => {
    const nodes = cluster();
    const leader = nodes.node(1);
    const first = leader.transfer(2);
    dropTransfers(leader);
    const same = nodes.node(3).transfer(2);
    const any = leader.transfer(0);
    const other = nodes.node(2).transfer(3);
    for (const node of nodes.nodes) wake(node);
    nodes.settle();
    expect(other).toEqual(["busy"]);
    expect([first, same, any]).toEqual([[], [], []]);
    nodes.pass(500);
    expect([first, same, any]).toEqual([["timedOut"], ["timedOut"], ["timedOut"]]);
    expect(leader.engine.statistics.transfers).toBe(1);
  });

  test("to a node that does not vote is refused as that", () => {
    const nodes = cluster();
    const learner = nodes.join(1).self;
    expect(nodes.node(1).transfer(learner)).toEqual(["notVoter"]);
  });

  test("needs somebody who leads, and whoever leads already need do nothing", () => {
    const nodes = cluster();
    expect(nodes.node(1).transfer(1)).toEqual(["transferred"]);
    nodes.node(2).network.disconnected.add(1);
    expect(nodes.node(2).transfer(3)).toEqual(["notLeader"]);
    expect(nodes.node(3).receive(2, { type: "transferRequest", group: 0, id: 7, to: 2 })).toBe(true);
    nodes.node(3).turn();
    expect(
      nodes
        .node(3)
        .network.take()
        .map(({ message }) => message),
    ).toEqual([{ type: "transferRefused", group: 0, id: 7, reason: "notLeader" }]);
  });

  test("that nobody answers ends by itself", () => {
    const nodes = cluster();
    const ends = nodes.node(3).transfer(2);
    nodes.node(3).turn();
    nodes.node(3).network.take();
    nodes.pass(4_900);
    expect(ends).toEqual([]);
    nodes.pass(200);
    expect(ends).toEqual(["timedOut"]);
  });

  test("to one node is refused when another one was elected instead", () => {
    const nodes = cluster();
    const ends = nodes.node(1).transfer(2);
    dropTransfers(nodes.node(1));
    const { term } = nodes.node(1).host.raft;
    nodes.node(3).receive(1, { type: "raft", message: { type: "timeoutNow", group: 0, from: 1, to: 3, term } });
    nodes.settle();
    expect([ends, nodes.node(3).host.raft.role]).toEqual([["elsewhere"], "leader"]);
  });

  test("is asked for by a few at a time", () => {
    const nodes = cluster();
    const ends: ReturnType<FakeNode["transfer"]> = [];
    for (let i = 0; i < 70; i++) nodes.node(3).transfer(2, ends);
    expect(ends).toEqual(["busy", "busy", "busy", "busy", "busy", "busy"]);
  });
});
