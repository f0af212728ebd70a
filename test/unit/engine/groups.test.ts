import { describe, expect, test } from "bun:test";
import type { GroupHost } from "../../../src/engine/group-host.ts";
import { readPeerMessages } from "../../../src/engine/peer-messages.ts";
import { EchoMachine, FakeNode, FakeNodes } from "../../support/engine-fakes.ts";

type Host = GroupHost<string, string>;

/** Node 1 leads group 0 of all nodes, and has for a while. */
function cluster(size: number, level = 1): FakeNodes {
  const nodes = new FakeNodes(
    size,
    Array.from({ length: size }, () => level),
  );
  nodes.pass(1_000);
  expect(nodes.node(1).host.raft.role).toBe("leader");
  return nodes;
}

/** Groups whose heartbeats are in each frame from node 1 to node 2 that has any. */
function beats(nodes: FakeNodes, ms: number): string[] {
  const found: string[] = [];
  for (let passed = 0; passed < ms; passed += 10) {
    for (const node of nodes.nodes) node.tick();
    for (const { to, messages } of nodes.node(1).network.frames) {
      const groups = messages.flatMap((each) =>
        each.type === "raft" && each.message.type === "heartbeat" ? [each.message.group] : [],
      );
      if (to === 2 && groups.length > 0) found.push(groups.join());
    }
    nodes.settle();
  }
  return found;
}

/** From now on: which groups the messages of consensus to and from the node speak of. */
function watched(nodes: FakeNodes, id: number): Set<number> {
  const groups = new Set<number>();
  for (const { self, network } of nodes.nodes) {
    const send = network.send.bind(network);
    network.send = (peer, frame) => {
      const messages = self === id || peer === id ? (readPeerMessages(frame.slice()) ?? []) : [];
      for (const each of messages) if (each.type === "raft") groups.add(each.message.group);
      return send(peer, frame);
    };
  }
  return groups;
}

describe("groups that one node leads", () => {
  test.each([10, 20, 30, 40])("beat in one frame a peer, also when they began %i ms apart (R3)", (apartMs) => {
    const nodes = cluster(3);
    for (const group of [1, 2]) {
      nodes.pass(apartMs);
      nodes.addGroup(group, [1, 2, 3]);
    }
    nodes.pass(2_000);
    for (const group of [0, 1, 2]) expect(nodes.node(1).engine.group(group)?.raft.role).toBe("leader");
    expect(beats(nodes, 500)).toEqual(Array.from({ length: 10 }, () => "0,1,2"));
  });

  test("share what a turn may take where all have much to apply (D10)", () => {
    const applied = (groups: number): { ms: number; least: number } => {
      const node = new FakeNode(1, [1]);
      const machines = [node.machine];
      for (let group = 1; group < groups; group++) node.addGroup(group, [1], (machines[group] = new EchoMachine()));
      for (let i = 0; i < 200; i++) node.tick();
      for (let i = 0; i < 4_000; i++) {
        for (let group = 0; group < groups; group++) node.submit(`c${i}`, [], node.engine.group(group) as Host);
      }
      for (const machine of machines) machine.onApply = () => void (node.nowMs += 0.004);
      const [startMs, before] = [node.nowMs, machines.map((machine) => machine.applied.length)];
      node.turn();
      return {
        ms: node.nowMs - startMs,
        least: Math.min(...machines.map((machine, i) => machine.applied.length - before[i]!)),
      };
    };
    expect(applied(1).ms).toBeWithin(8, 10);
    const four = applied(4);
    expect(four.ms).toBeWithin(8, 13);
    expect(four.least).toBeGreaterThan(256);
  });

  test("each leave a node without room at once, and not one after the other (D9)", () => {
    const nodes = cluster(3);
    for (const group of [1, 2, 3]) nodes.addGroup(group, [1, 2, 3]);
    nodes.pass(2_000);
    const { engine, log } = nodes.node(1);
    log.room.refusal = new Error("ENOSPC");
    log.room.entryBytes = 10_000;
    nodes.pass(200);
    for (const group of [0, 1, 2, 3]) expect(engine.group(group)?.raft.role).toBe("follower");
  });
});

describe("a group that has fewer voters than the control group", () => {
  test("lives on them alone: nobody else votes, stands, or hears of it", () => {
    const nodes = cluster(3);
    nodes.addGroup(1, [1, 2]);
    const third = nodes.node(3).engine.group(1);
    const told = watched(nodes, 3);
    nodes.pass(2_000);
    const ends = nodes.node(2).submit("a", [], nodes.node(2).engine.group(1) as Host);
    nodes.pass(100);
    expect(ends).toEqual(["did a"]);
    expect([...told]).toEqual([0]);
    expect(third?.raft).toMatchObject({ term: 0, role: "follower", leader: 0 });
    expect(
      nodes
        .node(3)
        .log.flushed.flat()
        .some((record) => "group" in record && record.group === 1),
    ).toBe(false);
  });

  test("grows by nodes that had no replica of it, and peers stay those of the control group", () => {
    const nodes = cluster(4, 2);
    nodes.pass(2_000);
    const hosts = nodes.addGroup(1, [1, 2]);
    const { members } = nodes.node(1).network;
    nodes.pass(8_000);
    const ends = nodes.node(1).submit("a", [], hosts[0]);
    nodes.pass(2_000);
    expect(ends).toEqual(["did a"]);
    for (const host of hosts) {
      expect(host.raft.configuration).toEqual({ voters: [1, 2, 3, 4], learners: [] });
      expect(host.machine.digest()).toContain("a");
    }
    expect(nodes.node(1).network.members).toBe(members);
    expect([...(members?.replicas.keys() ?? [])]).toEqual([1, 2, 3, 4]);
  });

  test("makes its only voter one that may not lose its log, until another one votes (D7)", () => {
    const nodes = cluster(2, 2);
    nodes.pass(2_000);
    const hosts = nodes.addGroup(1, [1]);
    nodes.pass(1_000);
    expect(nodes.nodes.map(({ network }) => network.members?.onlyVoter)).toEqual([1, 0]);
    nodes.pass(3_000);
    expect(hosts[0]?.raft.configuration.voters).toEqual([1, 2]);
    expect(nodes.nodes.map(({ network }) => network.members?.onlyVoter)).toEqual([0, 0]);
  });

  test("takes nothing that its own voters have no room for, while the control group goes on (D9)", () => {
    const nodes = cluster(5);
    const hosts = nodes.addGroup(1, [1, 2, 3]);
    nodes.pass(2_000);
    for (const id of [2, 3]) {
      nodes.node(id).log.room.refusal = new Error("ENOSPC");
      nodes.node(id).log.room.entryBytes = 10_000;
    }
    nodes.pass(1_500);
    const shard = nodes.node(1).submit("a", [], hosts[0]);
    const control = nodes.node(1).submit("b");
    nodes.pass(500);
    expect(shard).toEqual(["disk_full"]);
    expect(control).toEqual(["did b"]);
  });
});

describe("a group that stops on a node (R7)", () => {
  test("stops no other group", () => {
    const nodes = cluster(3);
    for (const { journal } of nodes.nodes) for (let i = 0; i < 3; i++) journal.threw(1, 3, "no room in the ark");
    const hosts = nodes.addGroup(1, [1, 2, 3]);
    nodes.pass(1_000);
    for (const host of hosts) host.ingress.submit("a", 0, {}, undefined);
    const ends = nodes.node(2).submit("b");
    nodes.pass(1_000);
    for (const host of hosts) expect(host.stopped).toMatchObject({ reason: "poisoned", index: 3, deaths: 3 });
    for (const { host } of nodes.nodes) expect(host.stopped).toBe(undefined);
    expect(ends).toEqual(["did b"]);
    expect(nodes.node(1).host.raft.role).toBe("leader");
  });
});
