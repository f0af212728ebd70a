import { describe, expect, test } from "bun:test";
import { frameTypes } from "../../../src/io/peer-frames.ts";
import { decodeRefusal, PEER_PROTOCOL_VERSION } from "../../../src/io/peer-handshake.ts";
import { StartError } from "../../../src/kernel/start-error.ts";
import {
  connected,
  eventually,
  frameOf,
  nodesOfThisFile,
  pairOfNodes,
  ScriptedPeer,
  TestNode,
  type TestNodeOptions,
} from "../../support/peer-nodes.ts";

const { stops, stopLater, startedPair } = nodesOfThisFile();

/** node1, listening and started, whose only peer node2 is played by the test. */
function loneNode(options: TestNodeOptions = {}): TestNode {
  const node = new TestNode(1, [2], options).listen().start();
  stopLater(node);
  return node;
}

async function dial(node: TestNode): Promise<ScriptedPeer> {
  const peer = await ScriptedPeer.dial(node.address.port);
  stops.push(() => peer.close());
  return peer;
}

/** node2 played by the test, which node1 dials. */
function scripted(reply: (peer: ScriptedPeer) => void, options: TestNodeOptions & { deaf?: boolean } = {}) {
  const played = ScriptedPeer.accept(reply, options.deaf);
  stops.push(() => played.stop());
  const node = new TestNode(1, [2], options).listen().reach(2, played.port).start();
  stopLater(node);
  return { node, peer: played.peer };
}

function refusalIn(peer: ScriptedPeer) {
  const frame = peer.received.find(({ type }) => type === frameTypes.refusal);
  return frame === undefined ? undefined : decodeRefusal(frame.body);
}

describe("two nodes", () => {
  test("connect and exchange frames in order", async () => {
    const [a, b] = startedPair();
    await connected(a, b);
    for (let i = 0; i < 100; i++) {
      expect(a.network.send(2, Uint8Array.of(i, 1))).toBe(true);
      expect(b.network.send(1, Uint8Array.of(i, 2))).toBe(true);
    }
    await eventually("all have arrived", () => a.frames.length === 100 && b.frames.length === 100);
    expect(b.frames.map(({ from, bytes }) => [from, ...bytes])).toEqual(
      Array.from({ length: 100 }, (_, i) => [1, i, 1]),
    );
    expect(a.frames.map(({ from, bytes }) => [from, ...bytes])).toEqual(
      Array.from({ length: 100 }, (_, i) => [2, i, 2]),
    );
    expect(a.network.statistics).toMatchObject({
      framesSent: 100,
      framesReceived: 100,
      framesDropped: 0,
      badFrames: 0,
    });
  });

  test("exchange an empty frame and one as large as allowed, unchanged", async () => {
    const [a, b] = startedPair();
    await connected(a, b);
    const large = crypto.getRandomValues(new Uint8Array(65_536));
    const largest = new Uint8Array(8 * 1024 * 1024);
    for (let at = 0; at < largest.length; at += large.length) largest.set(large, at);
    for (const frame of [new Uint8Array(0), largest, Uint8Array.of(9)]) expect(a.network.send(2, frame)).toBe(true);
    await eventually("all have arrived", () => b.frames.length === 3);
    expect(Bun.hash(b.frames[1]!.bytes)).toBe(Bun.hash(largest));
    expect(b.frames.map(({ bytes }) => bytes.length)).toEqual([0, largest.length, 1]);
    expect(a.network.bufferedBytes(2)).toBe(0);
  });

  test("remember each other's incarnation before any frame passes", async () => {
    const [a, b] = startedPair();
    await connected(a, b);
    a.network.send(2, Uint8Array.of(1));
    b.network.send(1, Uint8Array.of(1));
    await eventually("both have a frame", () => a.frames.length === 1 && b.frames.length === 1);
    for (const [node, peer] of [
      [a, 2],
      [b, 1],
    ] as const) {
      expect(node.happened[0]).toBe(`remember node${peer} incarnation-${peer}`);
      expect(node.happened.filter((event) => event.startsWith("remember"))).toHaveLength(1);
    }
  });

  test("do not talk while an incarnation cannot be remembered, and do once it can", async () => {
    const [a, b] = pairOfNodes();
    stopLater(a, b);
    a.remembers = false;
    a.start();
    b.start();
    await eventually("some handshakes failed", () => a.failedToRemember >= 4);
    expect(a.network.isConnected(2) || b.happened.includes("connected 1")).toBe(false);
    a.remembers = true;
    await connected(a, b);
  });

  test("connect again after one of them restarted, and the survivor says so", async () => {
    const [a, b] = startedPair();
    await connected(a, b);
    b.network.stop();
    await eventually("the loss is noticed", () => a.happened.includes("disconnected 2"));
    expect(a.network.isConnected(2)).toBe(false);
    expect(a.network.send(2, Uint8Array.of(1))).toBe(false);
    const again = new TestNode(2, [1], { port: b.address.port, known: b.known })
      .listen()
      .reach(1, a.address.port)
      .start();
    stopLater(again);
    await connected(a, again);
    expect(a.network.send(2, Uint8Array.of(5))).toBe(true);
    await eventually("a frame arrives", () => again.frames.length === 1);
    expect(a.network.statistics.reconnects).toBe(1);
    expect(a.happened.filter((event) => !event.startsWith("frame"))).toEqual([
      "remember node2 incarnation-2",
      "connected 2",
      "disconnected 2",
      "connected 2",
    ]);
  });

  test("cut the connection when a frame cannot be decoded, and connect again", async () => {
    const [a, b] = startedPair();
    await connected(a, b);
    b.decodable = false;
    a.network.send(2, Uint8Array.of(1));
    await eventually("the connection is cut", () => a.happened.includes("disconnected 2"));
    expect(b.network.statistics.badFrames).toBe(1);
    b.decodable = true;
    await connected(a, b);
  });

  test("hear nothing more after stop", async () => {
    const [a, b] = startedPair();
    await connected(a, b);
    b.network.stop();
    const before = [...b.happened];
    a.network.send(2, Uint8Array.of(1));
    await eventually("the loss is noticed", () => a.happened.includes("disconnected 2"));
    expect(b.happened).toEqual(before);
    expect(b.network.isConnected(1)).toBe(false);
  });

  test("keep a quiet connection for many keepalive intervals", async () => {
    const timings = { keepaliveIntervalMs: 5, unansweredKeepalives: 20, silentKeepalives: 20 };
    const [a, b] = startedPair({ timings }, { timings });
    await connected(a, b);
    const before = a.network.statistics.bytesReceived;
    await eventually("pings and pongs flow", () => a.network.statistics.bytesReceived > before + 60 * 18);
    expect([...a.happened, ...b.happened].some((event) => event.startsWith("disconnected"))).toBe(false);
  });
});

describe("a node that accepts", () => {
  test.each([
    ["wrong_cluster", { clusterId: "another" }],
    ["wrong_target", { targetNodeId: "node3" }],
    ["duplicate_node", { nodeId: "node1", incarnation: "another" }],
    ["unknown_node", { nodeId: "node7", replica: 7 }],
    ["wiped_node", { incarnation: "after the wipe" }],
  ] as const)("refuses with %s, closes, and passes no frame", async (code, greeting) => {
    const node = loneNode({ known: new Map([["node2", "incarnation-2"]]) });
    const peer = await dial(node);
    peer.hello(greeting);
    peer.send(frameTypes.payload, Uint8Array.of(1));
    await eventually("the refusal arrives", () => refusalIn(peer) !== undefined && peer.closed);
    expect(refusalIn(peer)?.code).toBe(code);
    expect(node.frames).toEqual([]);
    expect(node.happened).toEqual([]);
    expect(node.network.statistics.refusals).toBe(1);
  });

  test("refuses another protocol version", async () => {
    const node = loneNode();
    for (const [version, code] of [
      [PEER_PROTOCOL_VERSION + 1, "newer_protocol"],
      [0, "unknown_protocol"],
    ] as const) {
      const peer = await dial(node);
      const body = new Uint8Array(30);
      new DataView(body.buffer).setUint32(0, 0x504b464d, true);
      new DataView(body.buffer).setUint32(4, version, true);
      peer.send(frameTypes.hello, body);
      await eventually("the refusal arrives", () => refusalIn(peer) !== undefined);
      expect(refusalIn(peer)?.code).toBe(code);
    }
  });

  test("refuses a second process with the same id while the first lives", async () => {
    const node = loneNode();
    const first = await dial(node);
    first.hello({});
    await eventually("the first is welcome", () => first.received[0]?.type === frameTypes.welcome);
    const second = await dial(node);
    second.hello({ incarnation: "another" });
    await eventually("the second is refused", () => refusalIn(second)?.code === "duplicate_node");
    first.send(frameTypes.payload, Uint8Array.of(1));
    await eventually("the first goes on", () => node.frames.length === 1);
  });

  test("cuts strangers that speak something else, or nothing", async () => {
    const node = loneNode({ timings: { handshakeTimeoutMs: 100 } });
    const http = await dial(node);
    http.raw("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await eventually("HTTP is cut", () => http.closed);
    const early = await dial(node);
    early.send(frameTypes.payload, Uint8Array.of(1));
    await eventually("a frame before the hello is cut", () => early.closed);
    const huge = await dial(node);
    huge.raw(frameOf(frameTypes.hello, new Uint8Array(4097)).subarray(0, 8));
    await eventually("a large hello is cut before it arrives", () => huge.closed);
    const silent = await dial(node);
    await eventually("silence is cut", () => silent.closed);
    expect(node.frames).toEqual([]);
  });

  test("cuts a connection with a corrupted frame and hands nothing out", async () => {
    const node = loneNode();
    const peer = await dial(node);
    peer.hello({});
    await eventually("it is welcome", () => peer.received.length === 1);
    const frame = frameOf(frameTypes.payload, Uint8Array.of(1, 2, 3));
    frame[10]! ^= 1;
    peer.raw(frame);
    await eventually("the connection is cut", () => peer.closed);
    expect(node.frames).toEqual([]);
    expect(node.network.statistics.badFrames).toBe(1);
  });

  test("lets a newer connection of the same peer replace the older", async () => {
    const node = loneNode();
    const older = await dial(node);
    older.hello({});
    await eventually("the older is welcome", () => older.received.length === 1);
    const newer = await dial(node);
    newer.hello({});
    await eventually("the older is closed", () => older.closed && newer.received.length === 1);
    newer.send(frameTypes.payload, Uint8Array.of(4));
    await eventually("the newer is heard", () => node.frames.length === 1);
  });

  test("reads a frame that trickles in byte by byte", async () => {
    const node = loneNode();
    const peer = await dial(node);
    peer.hello({});
    for (const byte of frameOf(frameTypes.payload, Uint8Array.of(1, 2, 3))) {
      peer.raw(Uint8Array.of(byte));
      await Bun.sleep(0);
    }
    await eventually("it has arrived", () => node.frames.length === 1);
    expect(node.frames[0]?.bytes).toEqual(Uint8Array.of(1, 2, 3));
  });

  test("holds no more strangers than allowed", async () => {
    const node = loneNode({ bounds: { maxPendingHandshakes: 2 } });
    const strangers = [await dial(node), await dial(node), await dial(node)];
    await eventually("one too many is cut", () => strangers.filter(({ closed }) => closed).length === 1);
  });
});

describe("a node that dials", () => {
  test.each([
    ["wrong_cluster", { clusterId: "another" }],
    ["wrong_target", { nodeId: "node3" }],
    ["wrong_target", { targetNodeId: "node3" }],
    ["unknown_node", { replica: 3 }],
    ["wiped_node", { incarnation: "after the wipe" }],
  ] as const)("checks the welcome: %s for %j", async (code, greeting) => {
    const known = new Map([["node2", "incarnation-2"]]);
    const { node, peer } = scripted((by) => by.welcome(greeting), { known });
    await eventually("the refusal arrives", () => refusalIn(peer) !== undefined);
    expect(refusalIn(peer)?.code).toBe(code);
    expect(node.happened).toEqual([]);
    expect(node.network.isConnected(2)).toBe(false);
  });

  test("tells its host once why a peer refuses it, however often it tries", async () => {
    const [a, b] = startedPair({}, { known: new Map([["node1", "before the wipe"]]) });
    await eventually("it was refused several times", () => b.network.statistics.refusals >= 4);
    const cure = expect.stringContaining("this node was wiped: run `mufakat cluster replace node1`");
    expect(a.refusals).toEqual([{ nodeId: "node2", code: "wiped_node", sentence: cure }]);
    expect([...a.frames, ...b.frames]).toEqual([]);
    expect(b.network.isConnected(1)).toBe(false);
  });

  test("reaches a peer that joins later, and one that has moved", async () => {
    const [a, b] = pairOfNodes();
    stopLater(a, b);
    a.follow([]).start();
    b.start();
    await eventually("b is not known yet", () => b.refusals.some(({ code }) => code === "unknown_node"));
    a.addresses.set(2, { host: "127.0.0.1", port: 1 });
    a.follow([2]);
    await eventually("b is welcome", () => b.network.isConnected(1));
    a.addresses.set(2, b.address);
    a.follow([2]);
    await eventually("a finds it at its new address", () => a.network.isConnected(2));
  });

  test("gives up on a peer that never answers its hello, and tries again", async () => {
    const hellos: number[] = [];
    const { node } = scripted((by) => hellos.push(by.received.length), { timings: { handshakeTimeoutMs: 50 } });
    await eventually("the peer saw a hello", () => hellos.length > 0);
    const port = node.addresses.get(2)?.port;
    const answering = ScriptedPeer.accept((by) => by.welcome({}));
    stops.push(() => answering.stop());
    node.reach(2, answering.port);
    await eventually("the next dial succeeds", () => node.network.isConnected(2));
    expect(answering.port).not.toBe(port);
  });

  test.each([1, 0, 70_000, -5])("survives a peer address with port %i", async (port) => {
    const node = new TestNode(1, [2]).listen().reach(2, port).start();
    stopLater(node);
    await eventually("a dial failed", () => node.logged.includes("dialing peer failed"));
    const answering = ScriptedPeer.accept((by) => by.welcome({}));
    stops.push(() => answering.stop());
    node.reach(2, answering.port);
    await eventually("it connects in the end", () => node.network.isConnected(2));
  });

  test("buffers for a peer that does not read up to its bound, then drops whole frames", async () => {
    const bounds = { maxPeerBufferBytes: 2_000_000 };
    const { node, peer } = scripted((by) => by.welcome({}), { bounds, deaf: true });
    await eventually("it is connected", () => node.network.isConnected(2));
    let sent = 0;
    const frame = new Uint8Array(100_000);
    for (frame[0] = 0; node.network.send(2, frame); frame[0]++) sent++;
    expect(node.network.bufferedBytes(2)).toBeLessThanOrEqual(2_000_000);
    expect(node.network.bufferedBytes(2)).toBeGreaterThan(1_800_000);
    expect(node.network.statistics).toMatchObject({ framesSent: sent, framesDropped: 1 });
    peer.resume();
    await eventually("everything taken arrives", () => peer.received.length === sent + 1);
    expect(peer.received.slice(1).map(({ body }) => body[0] ?? -1)).toEqual(
      Array.from({ length: sent }, (_, i) => i % 256),
    );
    expect(node.network.send(2, frame)).toBe(true);
  });

  test("cuts a peer that stops reading and answering", async () => {
    const timings = { keepaliveIntervalMs: 20, unansweredKeepalives: 3 };
    const { node } = scripted((by) => by.welcome({}), { timings, deaf: true });
    await eventually("it is connected", () => node.happened.includes("connected 2"));
    await eventually("it is cut", () => node.happened.includes("disconnected 2"));
  });
});

test("a peer address that is taken refuses the start in one sentence that names it and the flag", () => {
  const first = new TestNode(1, []).listen();
  stopLater(first);
  const second = new TestNode(2, [], { port: first.address.port });
  expect(() => second.network.listen()).toThrow(StartError);
  expect(() => second.network.listen()).toThrow(
    `It is not possible to listen for peers on 127.0.0.1:${first.address.port}, since that address is in use by another process: choose another one with --peer-listen HOST:PORT.`,
  );
});
