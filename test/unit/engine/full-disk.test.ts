import { describe, expect, test } from "bun:test";
import { FakeNodes, type FakeNode } from "../../support/engine-fakes.ts";

const KEPT = 10_000;

/** Node 1 leads a cluster in which every node is registered and has heard of every disk. */
function cluster(size = 3): FakeNodes {
  const nodes = new FakeNodes(size);
  for (let i = 0; i < 100 && nodes.node(1).host.raft.role !== "leader"; i++) nodes.pass(10);
  nodes.pass(2_000);
  for (const node of nodes.nodes) expect(node.host.ingress.isRegistered).toBe(true);
  expect(leader(nodes).self).toBe(1);
  return nodes;
}

function leader(nodes: FakeNodes): FakeNode {
  const leading = nodes.nodes.filter((node) => node.host.raft.role === "leader");
  expect(leading).toHaveLength(1);
  return leading[0]!;
}

function fill(node: FakeNode, entryBytes = KEPT): void {
  node.log.room.refusal = new Error("ENOSPC");
  node.log.room.entryBytes = entryBytes;
}

function makeRoom(node: FakeNode): void {
  node.log.room.refusal = undefined;
  node.log.room.entryBytes = Number.POSITIVE_INFINITY;
}

function submitReserved(node: FakeNode, command: string): string[] {
  const ends: string[] = [];
  node.host.ingress.submit(command, node.nowMs, { reserved: true }, (end) => {
    ends.push("result" in end ? end.result : end.failure);
  });
  return ends;
}

describe("a leader whose disk is full (D9)", () => {
  test("hands over to a node that has room, and what is asked meanwhile is done there", () => {
    const nodes = cluster();
    fill(nodes.node(1));
    fill(nodes.node(2));
    nodes.pass(1_100);
    makeRoom(nodes.node(2));
    nodes.pass(20);
    const ends = nodes.node(1).submit("a");
    nodes.pass(2_500);
    expect(ends).toEqual(["did a"]);
    expect(leader(nodes).self).not.toBe(1);
    expect(nodes.node(1).handedTo).toHaveLength(1);
  });

  test("stays where it is when nobody has room: refuses definitely and at once, and answers reads", () => {
    const nodes = cluster();
    for (const id of [2, 3]) fill(nodes.node(id));
    nodes.pass(100);
    fill(nodes.node(1));
    nodes.pass(100);
    const here = nodes.node(1).submit("a");
    const elsewhere = nodes.node(2).submit("b");
    const reads = nodes.node(2).read();
    nodes.pass(50);
    expect([here, elsewhere]).toEqual([["disk_full"], ["disk_full"]]);
    expect(reads).toHaveLength(1);
    nodes.pass(10_000);
    expect(leader(nodes).self).toBe(1);
    expect(nodes.node(1).handedTo).toEqual([]);
    expect(nodes.node(1).machine.applied).not.toContain("a");
  });

  test("goes on to write what gives back or keeps alive (R9), also for other nodes", () => {
    const nodes = cluster();
    for (const node of nodes.nodes) fill(node);
    nodes.pass(100);
    const ends = [submitReserved(nodes.node(1), "a"), submitReserved(nodes.node(3), "b")];
    nodes.pass(50);
    expect(ends).toEqual([["did a"], ["did b"]]);
  });

  test("that has nothing left refuses that, too, stops lease time, and still answers reads", () => {
    const nodes = cluster();
    for (const node of nodes.nodes) fill(node, 0);
    nodes.pass(100);
    const { leaseTime } = nodes.node(1).host.raft;
    const stoppedMs = leaseTime.nowMs;
    const ends = submitReserved(nodes.node(1), "a");
    nodes.pass(6_000);
    expect(ends).toEqual(["disk_full"]);
    expect(leaseTime.nowMs).toBe(stoppedMs);
    const reads = nodes.node(1).read();
    nodes.pass(100);
    expect(reads).toHaveLength(1);

    for (const node of nodes.nodes) makeRoom(node);
    nodes.pass(100);
    const again = nodes.node(2).submit("b");
    nodes.pass(200);
    expect(again).toEqual(["did b"]);
    expect(leaseTime.nowMs).toBeGreaterThan(stoppedMs);
  });

  test("does not spin on a deadline that is due: a time entry finds no room", () => {
    const nodes = cluster(1);
    const node = nodes.node(1);
    fill(node, 0);
    node.tick();
    node.machine.deadlineMs = 0;
    node.tick();
    expect(node.turnWanted).toBe(false);
  });

  test("alone refuses, asks its disk again with a back-off, and writes when there is room", () => {
    const nodes = cluster(1);
    const node = nodes.node(1);
    let asked = 0;
    node.log.room.retry = () => asked++;
    fill(node);
    nodes.pass(60_000);
    expect(asked).toBeWithin(14, 20);
    const refused = node.submit("a");
    nodes.pass(50);
    makeRoom(node);
    nodes.pass(50);
    const done = node.submit("b");
    nodes.pass(50);
    expect([refused, done]).toEqual([["disk_full"], ["did b"]]);
    expect(node.diskStates).toEqual(["full", "ok"]);
  });
});

describe("followers whose disks are full (D9)", () => {
  test("stop lease time also where the rest is not heard of: no majority can take a keepalive (R9)", () => {
    const nodes = cluster();
    fill(nodes.node(2), 0);
    nodes.pass(100);
    for (const id of [1, 2]) {
      nodes.node(id).network.disconnected.add(3);
      nodes.node(id).engine.onDisconnected(3);
    }
    nodes.node(3).network.disconnected.add(1).add(2);
    nodes.pass(6_000);
    const { leaseTime } = nodes.node(1).host.raft;
    const stoppedMs = leaseTime.nowMs;
    nodes.pass(2_000);
    expect(leaseTime.nowMs - stoppedMs).toBe(0);
  });

  test("that are the lesser part stop nothing", () => {
    const nodes = cluster();
    fill(nodes.node(3), 0);
    nodes.pass(100);
    const ends = nodes.node(2).submit("a");
    nodes.pass(100);
    expect(ends).toEqual(["did a"]);
    expect(nodes.node(3).machine.applied).not.toContain("a");
    makeRoom(nodes.node(3));
    nodes.pass(1_500);
    expect(nodes.node(3).machine.applied).toContain("a");
  });

  test("that are the greater part make the leader refuse, although it has room itself", () => {
    const nodes = cluster();
    for (const id of [2, 3]) fill(nodes.node(id));
    nodes.pass(100);
    const ends = nodes.node(1).submit("a");
    nodes.pass(50);
    expect(ends).toEqual(["disk_full"]);
    expect(leader(nodes).self).toBe(1);
  });
});

describe("a leader whose disk is slow (D9)", () => {
  const syncs = (node: FakeNode, durationMs: number): void => {
    for (let i = 0; i < 64; i++) node.syncTimes.observe(durationMs);
  };

  test("hands over once to a node that is not, and no sooner than it was slow for a while", () => {
    const nodes = cluster();
    syncs(nodes.node(1), 30);
    syncs(nodes.node(2), 29);
    syncs(nodes.node(3), 1);
    nodes.pass(2_000);
    expect(leader(nodes).self).toBe(1);
    nodes.pass(4_000);
    expect(leader(nodes).self).toBe(3);
    expect(nodes.node(1).handedTo).toEqual([3]);
    // Somebody hands it back: a minute long nobody is bothered with it again.
    nodes.node(3).transfer(1);
    nodes.pass(30_000);
    expect(leader(nodes).self).toBe(1);
    nodes.pass(40_000);
    expect(leader(nodes).self).toBe(3);
  });

  test("stays when its disk recovers in time, when all are as slow, and when who is faster is full", () => {
    const nodes = cluster();
    syncs(nodes.node(1), 30);
    for (const id of [2, 3]) syncs(nodes.node(id), 1);
    nodes.pass(3_000);
    syncs(nodes.node(1), 1);
    nodes.pass(5_000);
    expect(leader(nodes).self).toBe(1);
    for (const node of nodes.nodes) syncs(node, 40);
    nodes.pass(5_000);
    expect(leader(nodes).self).toBe(1);
    syncs(nodes.node(3), 1);
    fill(nodes.node(3));
    nodes.pass(10_000);
    expect(leader(nodes).self).toBe(1);
    expect(nodes.node(1).handedTo).toEqual([]);
  });
});
