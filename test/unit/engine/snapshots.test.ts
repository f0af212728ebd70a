import { describe, expect, test } from "bun:test";
import { FakeNode, FakeNodes, nodeFactsOf } from "../../support/engine-fakes.ts";

/** Tiny: states are compared after every tenth entry, and so often there is a snapshot. */
const tiny = {
  maxSnapshotChunkBytes: 64,
  maxSnapshotWindowBytes: 128,
  maxTrailingEntries: 0,
  maxHeldEntries: 1_000,
  snapshotEveryEntries: 10,
  snapshotEveryBytes: 1_000_000,
};

/** A cluster of three that node 1 leads. */
function started(limits = tiny): { nodes: FakeNodes; leader: FakeNode } {
  const nodes = new FakeNodes(3, [], limits);
  nodes.pass(1_000);
  const leader = nodes.nodes.find(({ host }) => host.raft.role === "leader");
  if (leader === undefined) throw new Error("nobody leads");
  return { nodes, leader };
}

function run(nodes: FakeNodes, node: FakeNode, commands: number): void {
  for (let i = 0; i < commands; i++) {
    node.submit(`command ${i}`);
    node.turn();
    nodes.settle();
  }
}

/** Runs commands until a snapshot is wanted, and has it made. */
function takeOne(nodes: FakeNodes, node: FakeNode): number {
  for (let i = 0; node.maker.orders.length === 0; i++) {
    if (i > 100) throw new Error("no snapshot is wanted");
    run(nodes, node, 1);
    nodes.pass(10);
  }
  node.maker.complete();
  node.tick();
  return node.host.raft.log.snapshot?.index ?? 0;
}

function compactions({ log }: FakeNode): number[] {
  return log.flushed.flat().flatMap((record) => (record.type === "logStart" ? [record.point.index] : []));
}

describe("a node takes snapshots", () => {
  test("when enough is applied behind the newest one, of an entry at which the replicas compare their states", () => {
    const { nodes, leader } = started();
    expect(leader.maker.orders).toEqual([]);
    const index = takeOne(nodes, leader);
    expect(index % 10).toBe(0);
    expect(leader.news).toMatchObject([{ type: "taken", snapshot: { index, configuration: { voters: [1, 2, 3] } } }]);
    expect(leader.engine.statistics.snapshotsTaken).toBe(1);
    expect(leader.store.newest(0)?.index).toBe(index);
    expect(takeOne(nodes, leader)).toBeGreaterThan(index);
  });

  test("and forgets what is in two that are durable, never what is in one (PROTOCOLS D8)", () => {
    const { nodes, leader } = started();
    const first = takeOne(nodes, leader);
    expect(compactions(leader)).toEqual([]);
    takeOne(nodes, leader);
    nodes.settle();
    expect(compactions(leader)).toEqual([first]);
    expect(leader.host.raft.log.compacted.index).toBe(first);
  });

  test("one at a time, and lets go of the log that was read however it ended", () => {
    const { nodes, leader } = started();
    run(nodes, leader, 40);
    nodes.pass(100);
    expect(leader.maker.orders).toHaveLength(1);
    expect(leader.log.pins).toBe(1);
    leader.maker.fail({ reason: "died", message: "gone" });
    expect(leader.log.pins).toBe(0);
  });

  test("again after one that came to nothing, a little later each time", () => {
    const { nodes, leader } = started();
    run(nodes, leader, 40);
    const waits: number[] = [];
    for (let round = 0; round < 3; round++) {
      const fromMs = leader.nowMs;
      for (let i = 0; leader.maker.orders.length === 0 && i < 1_000; i++) nodes.pass(10);
      waits.push(leader.nowMs - fromMs);
      leader.maker.fail({ reason: "noRoom", message: "ENOSPC" });
    }
    expect(waits[1]).toBeGreaterThanOrEqual(1_000);
    expect(waits[2]).toBeGreaterThanOrEqual(2_000);
    expect(leader.failures).toEqual([]);
    expect(leader.engine.statistics.snapshotsFailed).toBe(3);
    nodes.pass(5_000);
    leader.maker.complete();
    expect(leader.news.at(-1)?.type).toBe("taken");
  });

  test("but none of a state that is another one than its own (PROTOCOLS R8)", () => {
    const { nodes, leader } = started();
    run(nodes, leader, 40);
    nodes.pass(100);
    const [wanted] = leader.maker.orders;
    const order = { ...wanted!.order, stateHash: wanted!.order.stateHash + 1 };
    leader.maker.orders.splice(0, 1, { ...wanted!, order });
    leader.maker.complete();
    expect(leader.news).toMatchObject([{ type: "failed", failure: { reason: "diverged" } }]);
    expect(leader.files.list()).toEqual([]);
    expect(leader.host.raft.log.snapshot).toBeUndefined();
  });

  test("and begins with the one before when the newest cannot be read", () => {
    const { nodes, leader } = started();
    const first = takeOne(nodes, leader);
    const second = takeOne(nodes, leader);
    run(nodes, leader, 20);
    nodes.pass(100);
    expect(leader.maker.orders[0]?.order.base?.index).toBe(second);
    leader.maker.fail({ reason: "damaged", message: "its bytes are not its own" });
    nodes.pass(2_000);
    expect(leader.maker.orders[0]?.order).toMatchObject({ base: { index: first }, excerpt: { from: first + 1 } });
  });

  test("and stops when the disk fails under one (PROTOCOLS D9)", () => {
    const { nodes, leader } = started();
    run(nodes, leader, 40);
    nodes.pass(100);
    leader.maker.fail({ reason: "disk", message: "EIO" });
    expect(leader.failures.map(({ message }) => message)).toEqual(["EIO"]);
  });

  test("but none that would say that nobody belongs to the group: who joins does not know before its log tells it", () => {
    const { nodes, leader } = started();
    const stranger = new FakeNode(4, [], undefined, 1, tiny);
    run(nodes, leader, 40);
    stranger.engine.onConnected(leader.self, nodeFactsOf(leader.self));
    const { raft } = leader.host;
    const { term } = raft;
    const list = raft.log.slice(1, raft.log.lastIndex, 1e6);
    const append = { type: "append", group: 0, from: leader.self, to: 4, term, prevIndex: 0, prevTerm: 0 } as const;
    const message = { ...append, commitIndex: raft.log.commitIndex, leaseTimeMs: 0, entries: list };
    stranger.receive(leader.self, { type: "raft", message });
    for (let i = 0; i < 20; i++) stranger.tick();
    expect(stranger.host.raft.log.appliedIndex).toBeGreaterThan(2 * tiny.snapshotEveryEntries);
    expect(stranger.maker.orders).toEqual([]);
  });

  test("of large entries sooner, at whatever entry", () => {
    const { nodes, leader } = started({ ...tiny, snapshotEveryEntries: 1_000, snapshotEveryBytes: 150 });
    run(nodes, leader, 5);
    nodes.pass(10);
    expect(leader.maker.orders[0]?.order.point.index).toBe(leader.host.raft.log.appliedIndex);
  });
});

describe("a snapshot that is asked for", () => {
  /** @returns what the asker was told: at most one end */
  function ask(node: FakeNode): { failure?: string; index?: number }[] {
    const ends: { failure?: string; index?: number }[] = [];
    node.host.takeSnapshot((failure, snapshot) => {
      ends.push(snapshot === undefined ? { failure: failure?.reason ?? "none" } : { index: snapshot.index });
    });
    return ends;
  }

  test("is made at once, of all that is applied, however little is behind the newest one", () => {
    const { nodes, leader } = started();
    run(nodes, leader, 3);
    const ends = ask(leader);
    const index = leader.host.raft.log.appliedIndex;
    nodes.pass(10);
    expect([ends, leader.maker.orders[0]?.order.point.index]).toEqual([[], index]);
    leader.maker.complete();
    nodes.pass(10);
    expect(ends).toEqual([{ index }]);
    // The next asker gets the same, while nothing else is applied.
    const again = ask(leader);
    nodes.pass(10);
    expect([again, leader.maker.orders]).toEqual([[{ index }], []]);
  });

  test("is not one that was begun before it was asked for", () => {
    const { nodes, leader } = started();
    run(nodes, leader, 12);
    nodes.pass(10);
    const begun = leader.maker.orders[0]?.order.point.index ?? 0;
    run(nodes, leader, 5);
    const ends = ask(leader);
    const index = leader.host.raft.log.appliedIndex;
    leader.maker.complete();
    nodes.pass(10);
    expect(begun).toBeLessThan(index);
    expect([ends, leader.maker.orders[0]?.order.point.index]).toEqual([[], index]);
    leader.maker.complete();
    nodes.pass(10);
    expect(ends).toEqual([{ index }]);
  });

  test("is refused once with why there is none, and another may be asked for", () => {
    const { nodes, leader } = started();
    run(nodes, leader, 3);
    const ends = ask(leader);
    nodes.pass(10);
    leader.maker.fail({ reason: "noRoom", message: "ENOSPC" });
    nodes.pass(3_000);
    expect([ends, leader.maker.orders]).toEqual([[{ failure: "noRoom" }], []]);
    const again = ask(leader);
    nodes.pass(10);
    leader.maker.complete();
    nodes.pass(10);
    expect(again).toEqual([{ index: leader.host.raft.log.appliedIndex }]);
  });
});

describe("a follower that is too far behind", () => {
  /** The leader has forgotten what the third node lacks. */
  function behind(): { nodes: FakeNodes; leader: FakeNode; late: FakeNode } {
    const { nodes, leader } = started();
    const late = nodes.nodes.find(({ host }) => host.raft.role !== "leader")!;
    nodes.isolate(late.self);
    for (let i = 0; i < 3; i++) takeOne(nodes, leader);
    run(nodes, leader, 3);
    expect(leader.host.raft.log.compacted.index).toBeGreaterThan(late.host.raft.log.lastIndex);
    return { nodes, leader, late };
  }

  test("gets the leader's snapshot in pieces, then the log, and has the same state", () => {
    const { nodes, leader, late } = behind();
    nodes.connect();
    nodes.pass(1_000);
    expect(late.news).toMatchObject([{ type: "installed" }]);
    expect(late.machine.digest()).toBe(leader.machine.digest());
    expect(late.host.raft.log.appliedIndex).toBe(leader.host.raft.log.appliedIndex);
    const content = [...leader.machine.snapshot()][0]?.length ?? 0;
    expect(content).toBeGreaterThan(2 * tiny.maxSnapshotWindowBytes);
    expect(leader.engine.statistics.snapshotBytesSent).toBeGreaterThan(2 * tiny.maxSnapshotWindowBytes);
    run(nodes, leader, 3);
    expect(late.machine.digest()).toBe(leader.machine.digest());
  });

  test("asks again for what it had taken in and saw no end of", () => {
    const { nodes, late } = behind();
    const ends = late.submit("mine");
    nodes.connect();
    nodes.pass(1_000);
    expect(ends).toEqual(["did mine"]);
  });

  test("keeps its own state while the snapshot is on its way, and goes on from where a connection broke", () => {
    const { nodes, leader, late } = behind();
    const before = late.machine.digest();
    nodes.connect();
    const sent = (): number => leader.engine.statistics.snapshotBytesSent;
    while (sent() <= tiny.maxSnapshotWindowBytes) {
      for (const node of nodes.nodes) node.tick();
      nodes.round();
    }
    nodes.isolate(late.self);
    nodes.settle();
    expect(late.machine.digest()).toBe(before);
    const sentBefore = sent();
    nodes.connect();
    nodes.pass(1_000);
    expect(late.machine.digest()).toBe(leader.machine.digest());
    // What was durable is not sent again.
    const { totalBytes } = leader.host.raft.log.snapshot!;
    expect(sent() - sentBefore).toBeLessThan(totalBytes);
  });

  test("puts nothing in force that is not what its sender said, and gets it once it is", () => {
    const { nodes, leader, late } = behind();
    const before = late.machine.digest();
    const name = leader.files.list().toSorted().at(-1) ?? "";
    const flip = (): void => {
      const at = leader.files.size(name) - 5;
      const [byte = 0] = leader.files.read(name, at, 1);
      leader.files.write(name, at, Uint8Array.of(byte ^ 1));
    };
    flip();
    nodes.connect();
    nodes.pass(400);
    expect(late.news.map(({ type }) => type)).toContain("refused");
    expect(late.machine.digest()).toBe(before);
    expect(late.failures).toEqual([]);
    flip();
    nodes.pass(5_000);
    expect(late.machine.digest()).toBe(leader.machine.digest());
  });

  test("waits for room where its disk has none, and says so", () => {
    const { nodes, leader, late } = behind();
    late.files.roomBytes = 0;
    nodes.connect();
    nodes.pass(500);
    expect(late.news.map(({ type }) => type)).toContain("refused");
    expect(late.failures).toEqual([]);
    late.files.roomBytes = Number.POSITIVE_INFINITY;
    nodes.pass(5_000);
    expect(late.machine.digest()).toBe(leader.machine.digest());
  });
});
