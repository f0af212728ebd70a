import { describe, expect, test } from "bun:test";
import {
  connected,
  eventually,
  nodesOfThisFile,
  pairOfNodes,
  TestNode,
  type TestNodeOptions,
} from "../../support/peer-nodes.ts";

const { stopLater, startedPair } = nodesOfThisFile();

/** As a log says it that has written down whose replica 2 is. @param settledBelow 2: that may yet fall back */
function followAsWritten(
  { network, addresses }: TestNode,
  incarnation: number,
  settledBelow = 3,
  nodeId = "node2",
): void {
  const peerAddress = nodeId === "node2" ? addresses.get(2)! : { host: "127.0.0.1", port: 1 };
  const replicas = new Map([[2, { nodeId, incarnation, peerAddress, clientAddress: undefined }]]);
  network.follow({ configuration: { voters: [1, 2], learners: [] }, replicas, onlyVoter: 0, settledBelow });
}

/** Two nodes, one of which other nodes may dial without having been told where. */
function pairByItself(first: TestNodeOptions, second: TestNodeOptions): [TestNode, TestNode] {
  const [a, b] = pairOfNodes(first, second);
  stopLater(a, b);
  Object.assign(b.identity, { peerAddress: b.address });
  return [a, b];
}

describe("a node whose place the log of another one knows", () => {
  test("whose replica has left is told so, and the others keep no connection to it", async () => {
    const [a, b] = startedPair();
    await eventually("they are connected", () => a.network.isConnected(2) && b.network.isConnected(1));
    a.follow([], 3);
    await eventually("it is told", () => b.refusals.length > 0);
    expect(b.refusals[0]).toMatchObject({ nodeId: "node1", code: "removed_node" });
    expect(b.refusals[0]?.sentence).toContain("this node was removed from the cluster");
    expect(a.network.isConnected(2) || b.network.isConnected(1)).toBe(false);
    // No event comes of a peer that is none any more.
    expect(a.happened).not.toContain("disconnected 2");
  });

  test("is refused as wiped by one that it never met, if its log says which data that node had (M1)", async () => {
    const [a, b] = pairOfNodes({}, { incarnation: "8" });
    stopLater(a, b);
    followAsWritten(a, 7);
    a.start();
    b.start();
    await eventually("it is told", () => b.refusals.some(({ code }) => code === "wiped_node"));
    expect(a.happened).toEqual([]);
    expect([a.known.size, a.network.isConnected(2), b.network.isConnected(1)]).toEqual([0, false, false]);
  });

  test("is let in by one that never met it when it has the data that the log says", async () => {
    const [a, b] = pairOfNodes({}, { incarnation: "7" });
    stopLater(a, b);
    followAsWritten(a, 7);
    a.start();
    b.start();
    await eventually("both are connected", () => a.network.isConnected(2) && b.network.isConnected(1));
  });

  test("is cut off when the log comes to say that another had its place (M1)", async () => {
    const [a, b] = startedPair({}, { incarnation: "8" });
    await eventually("they are connected", () => a.network.isConnected(2) && b.network.isConnected(1));
    followAsWritten(a, 7);
    await eventually("it is told", () => b.refusals.some(({ code }) => code === "wiped_node"));
    expect(a.network.isConnected(2) || b.network.isConnected(1)).toBe(false);
  });

  test("keeps a peer that joined later than what its log tells of at the moment, and tells nobody that it has left", async () => {
    const [a, b] = startedPair();
    a.follow([2], 3);
    await eventually("they are connected", () => a.network.isConnected(2) && b.network.isConnected(1));
    // What it knew when it joined makes room for the first configurations of its log.
    a.follow([], 2);
    a.network.send(2, Uint8Array.of(1));
    await eventually("a frame arrives", () => b.frames.length > 0);
    expect([a.network.isConnected(2), b.network.isConnected(1), b.refusals]).toEqual([true, true, []]);
    a.follow([], 3);
    await eventually("it is told when that is known", () => b.refusals.some(({ code }) => code === "removed_node"));
  });

  test("is reached by a peer that joined while it was away, and finds it", async () => {
    const [a, b] = pairOfNodes();
    stopLater(a, b);
    Object.assign(b.identity, { peerAddress: b.address });
    a.follow([], 2).start();
    b.start();
    await eventually("both are connected", () => a.network.isConnected(2) && b.network.isConnected(1));
    expect(b.refusals).toEqual([]);
  });

  test.each([
    ["another node", "node9", 9],
    ["other data", "node2", 7],
  ])(
    "is believed where an entry that may fall back gives its place to %s, also while that entry stays",
    async (_what, nodeId, incarnation) => {
      const [a, b] = pairByItself({}, { incarnation: "8" });
      // ↯ An old leader lets node9 in as replica 2, in an entry that reaches node1 alone. Another leader lets node2 in as replica 2;
      // node2 comes to lead. Who but node2 could overwrite that entry, and node1 never talks to it.
      followAsWritten(a, incarnation, 2, nodeId);
      a.start();
      b.start();
      await connected(a, b);
      followAsWritten(a, incarnation, 2, nodeId);
      a.network.send(2, Uint8Array.of(1));
      b.network.send(1, Uint8Array.of(1));
      await eventually("frames arrive both ways", () => a.frames.length > 0 && b.frames.length > 0);
      // The new leader's entry takes that one's place, and commits.
      for (const settledBelow of [2, 3]) followAsWritten(a, 8, settledBelow);
      a.network.send(2, Uint8Array.of(2));
      await eventually("another frame arrives", () => b.frames.length > 1);
      expect([a.happened.includes("disconnected 2"), b.refusals]).toEqual([false, []]);
    },
  );

  test("is not believed where what gives its place to another node has committed (M1)", async () => {
    const [a, b] = pairByItself({}, { incarnation: "8" });
    followAsWritten(a, 9, 3, "node9");
    a.start();
    b.start();
    await eventually("it is told", () => b.refusals.some(({ code }) => code === "unknown_node"));
    expect(a.happened).toEqual([]);
  });

  test("is not believed by one that met other data in its place, whatever an entry says that may fall back (M1)", async () => {
    const [a, b] = pairByItself({ known: new Map([["node2", "6"]]) }, { incarnation: "8" });
    followAsWritten(a, 9, 2, "node9");
    a.start();
    b.start();
    await eventually("it is told", () => b.refusals.some(({ code }) => code === "wiped_node"));
    expect([a.happened, b.network.isConnected(1)]).toEqual([[], false]);
  });

  test("is cut off when the entry that gives its place to another node commits", async () => {
    const [a, b] = pairByItself({}, { incarnation: "8" });
    followAsWritten(a, 9, 2, "node9");
    a.start();
    b.start();
    await connected(a, b);
    followAsWritten(a, 9, 3, "node9");
    await eventually("it is told", () => b.refusals.some(({ code }) => code === "unknown_node"));
    expect(a.network.isConnected(2) || b.network.isConnected(1)).toBe(false);
  });

  test("that was replaced does not dial itself where its log still has the replica that it was", async () => {
    const [a] = startedPair();
    const node = new TestNode(5, []).listen();
    stopLater(node);
    a.follow([2, 5]);
    const self = { nodeId: "node5", incarnation: 0, peerAddress: node.address, clientAddress: undefined };
    const other = { nodeId: "node1", incarnation: 0, peerAddress: a.address, clientAddress: undefined };
    const replicas = new Map([
      [3, self],
      [1, other],
    ]);
    // Its removal is behind it in the log, and settled: as a stranger it would tell itself to stop.
    node.network.follow({ configuration: { voters: [1, 3], learners: [5] }, replicas, onlyVoter: 0, settledBelow: 6 });
    node.start();
    await eventually("it is connected to the other", () => node.network.isConnected(1));
    expect(node.refusals).toEqual([]);
    expect(node.network.statistics.refusals).toBe(0);
  });
});

test("whoever is the only voter has that remembered, and that it is so no more", () => {
  const [a, b] = pairOfNodes();
  stopLater(a, b);
  a.follow([]);
  expect(a.alone).toBe(true);
  a.follow([2]);
  expect(a.alone).toBe(false);
});
