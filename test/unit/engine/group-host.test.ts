import { describe, expect, test } from "bun:test";
import type { ForwardedProposal, PeerMessage } from "../../../src/engine/peer-messages.ts";
import { bytes } from "../../support/raft-cluster.ts";
import { nodeFactsOf, FakeNodes } from "../../support/engine-fakes.ts";

function cluster(size = 3): FakeNodes {
  const nodes = new FakeNodes(size);
  nodes.pass(1_000);
  expect(nodes.node(1).host.raft.role).toBe("leader");
  for (const node of nodes.nodes) expect(node.host.ingress.isRegistered).toBe(true);
  return nodes;
}

const proposal = (attempt: number, command = "x", reserved = false): ForwardedProposal => {
  const payload = bytes(JSON.stringify({ ingress: 900, sequence: attempt, command }));
  return { ingress: 900, sequence: attempt, attempt, reserved, payload };
};
const proposals = (...list: ForwardedProposal[]): PeerMessage => ({ type: "proposals", group: 0, proposals: list });

describe("a forwarded proposal", () => {
  test("is answered at the node that took it in, by its own apply", () => {
    const nodes = cluster();
    const ends = nodes.node(2).submit("a");
    nodes.pass(20);
    expect(ends).toEqual(["did a"]);
  });

  test("is refused by a node that does not lead, and finds the leader later", () => {
    const nodes = cluster();
    const [leader, follower] = [nodes.node(1), nodes.node(2)];
    follower.receive(3, proposals(proposal(1), proposal(2)));
    follower.turn();
    expect(follower.network.take().map(({ message }) => message)).toEqual([
      {
        ...{ type: "refused", group: 0, reason: "notLeader", ingress: 900 },
        attempts: [
          { sequence: 1, attempt: 1 },
          { sequence: 2, attempt: 2 },
        ],
      },
    ]);
    expect(leader.host.raft.log.lastIndex).toBe(nodes.node(3).host.raft.log.lastIndex);
  });

  test("is taken or refused once: copies and latecomers are dropped", () => {
    const nodes = cluster();
    const leader = nodes.node(1);
    const { log } = leader.host.raft;
    const before = log.lastIndex;
    leader.receive(3, proposals(proposal(4), proposal(5)));
    leader.receive(3, proposals(proposal(4), proposal(5)));
    leader.receive(3, proposals(proposal(2)));
    leader.receive(3, proposals(proposal(6)));
    leader.turn();
    expect(log.lastIndex - before).toBe(3);
    // A new process of that node counts from the start again.
    leader.receive(3, proposals({ ...proposal(1), ingress: 901 }));
    leader.turn();
    expect(log.lastIndex - before).toBe(4);
  });

  test("that was lost on the way is proposed again and executed once", () => {
    const nodes = cluster();
    const ends = nodes.node(2).submit("a");
    nodes.node(2).turn();
    nodes.node(2).network.take();
    nodes.pass(1_200);
    expect(ends).toEqual(["did a"]);
    expect(nodes.node(3).machine.applied.filter((command) => command === "a")).toHaveLength(1);
  });

  test("waits while its node has no way to the leader, and goes when there is one", () => {
    const nodes = cluster();
    const node = nodes.node(2);
    node.network.disconnected.add(1);
    const ends = node.submit("a");
    node.turn();
    expect(node.network.take()).toEqual([]);
    node.network.disconnected.delete(1);
    node.engine.onConnected(1, nodeFactsOf(1));
    nodes.settle();
    expect(ends).toEqual(["did a"]);
  });
});

describe("a wait", () => {
  test("ends at the node that took it in when a later entry ends it, whoever sent that", () => {
    const nodes = cluster();
    const ends = nodes.node(2).submit("wait");
    nodes.pass(50);
    expect(ends).toEqual([]);
    expect(nodes.node(2).host.ingress.queuedCount).toBe(1);
    // The machine knows sequences only: node 2's waiter is its second operation.
    nodes.node(2).submit("wake 2");
    nodes.pass(50);
    expect(ends).toEqual(["woken"]);
  });
});

describe("a change of leader", () => {
  test("loses no request: each is executed by the next one", () => {
    const nodes = cluster();
    const [old, ...rest] = nodes.nodes;
    const ends = rest.flatMap((node) => [node.submit("a"), node.submit("b")]);
    // Leader 1 hears of them and falls silent.
    for (const node of rest) node.turn();
    for (let i = 0; i < 200; i++) {
      for (const node of rest) {
        node.tick();
        for (const { to, message } of node.network.take()) if (to !== 1) nodes.node(to).receive(node.self, message);
      }
    }
    expect(rest.some((node) => node.host.raft.role === "leader")).toBe(true);
    expect(ends).toEqual([["did a"], ["did b"], ["did a"], ["did b"]]);
    expect(old?.host.raft.role).toBe("leader");
  });

  test("fails the questions of readers, who ask the next leader", () => {
    const nodes = cluster();
    const rest = nodes.nodes.slice(1);
    const ends = nodes.node(2).read();
    nodes.node(2).turn();
    for (let i = 0; i < 200; i++) {
      for (const node of rest) {
        node.tick();
        for (const { to, message } of node.network.take()) if (to !== 1) nodes.node(to).receive(node.self, message);
      }
    }
    expect(ends).toHaveLength(1);
    expect(ends[0]).toBeGreaterThan(0);
  });
});

describe("a read", () => {
  test.each([1, 2])("on node %i sees what was acknowledged before it", (id) => {
    const nodes = cluster();
    nodes.node(3).submit("a");
    nodes.pass(50);
    const acknowledged = nodes.node(3).host.raft.log.appliedIndex;
    const ends = nodes.node(id).read();
    nodes.node(id).turn();
    nodes.settle();
    expect(ends).toHaveLength(1);
    expect(ends[0]).toBeGreaterThanOrEqual(acknowledged);
  });

  test("ends without an answer when there is no leader", () => {
    const nodes = cluster();
    const node = nodes.node(2);
    const ends = node.read();
    for (let i = 0; i < 600; i++) {
      node.tick();
      node.network.take();
    }
    expect(ends).toEqual([undefined]);
  });
});

describe("a time entry", () => {
  const timeEntries = (nodes: FakeNodes): number =>
    nodes
      .node(1)
      .log.flushed.flatMap((records) =>
        records.flatMap((record) =>
          record.type === "entries" ? record.entries.filter(({ kind }) => kind === "time") : [],
        ),
      ).length;

  test("is appended when a deadline is due, once, behind what came in before", () => {
    const nodes = cluster();
    const leader = nodes.node(1);
    const dueMs = leader.host.raft.leaseTime.nowMs + 300;
    for (const node of nodes.nodes) node.machine.deadlineMs = dueMs;
    nodes.pass(200);
    expect(timeEntries(nodes)).toBe(0);
    nodes.pass(1_000);
    expect(timeEntries(nodes)).toBe(1);
    for (const node of nodes.nodes) expect(node.machine.deadlineMs).toBeUndefined();
  });

  test("stands behind the keepalive of its own turn", () => {
    const nodes = cluster();
    const leader = nodes.node(1);
    nodes.pass(100);
    leader.machine.deadlineMs = leader.host.raft.leaseTime.nowMs;
    leader.submit("keepalive");
    leader.turn();
    const [last] = leader.log.flushed.slice(-1);
    const kinds = last?.flatMap((record) => (record.type === "entries" ? record.entries.map(({ kind }) => kind) : []));
    expect(kinds).toEqual(["command", "time"]);
  });

  test("is not asked for turn after turn while leadership is handed over", () => {
    const nodes = cluster();
    const leader = nodes.node(1);
    leader.transfer(2);
    leader.machine.deadlineMs = leader.host.raft.leaseTime.nowMs;
    leader.turn();
    expect(leader.host.raft.transferee).toBe(2);
    leader.turn();
    expect(leader.turnWanted).toBe(false);
  });

  test("comes every five seconds while a deadline is far", () => {
    const nodes = cluster();
    for (const node of nodes.nodes) node.machine.deadlineMs = 1_000_000;
    nodes.pass(10_500);
    expect(timeEntries(nodes)).toBeWithin(2, 4);
  });

  test("does not come when nothing is pending", () => {
    const nodes = cluster();
    nodes.pass(12_000);
    expect(timeEntries(nodes)).toBe(0);
  });
});

describe("a follower that connects again", () => {
  test("gets what it missed at once", () => {
    const nodes = cluster();
    const leader = nodes.node(1);
    leader.network.disconnected.add(3);
    leader.engine.onDisconnected(3);
    leader.submit("a");
    leader.turn();
    nodes.settle();
    expect(nodes.node(3).machine.applied).not.toContain("a");
    leader.network.disconnected.delete(3);
    leader.engine.onConnected(3, nodeFactsOf(3));
    nodes.settle();
    expect(nodes.node(3).machine.applied).toContain("a");
  });
});
