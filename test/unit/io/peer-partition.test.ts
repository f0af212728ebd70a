import { afterEach, describe, expect, test } from "bun:test";
import { eventually, pairOfNodes, type TestNode, type TestNodeOptions } from "../../support/peer-nodes.ts";
import { TcpProxy } from "../../support/tcp-proxy.ts";

const stops: (() => void)[] = [];

afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

const timings = { keepaliveIntervalMs: 20, unansweredKeepalives: 4, handshakeTimeoutMs: 60, backoffMaxMs: 50 };

/** node1 reaches node2 through a proxy; the other way is direct. */
async function proxiedPair(options: TestNodeOptions): Promise<{ a: TestNode; b: TestNode; proxy: TcpProxy }> {
  const [a, b] = pairOfNodes(options, options);
  const proxy = new TcpProxy("127.0.0.1", b.address.port);
  stops.push(
    () => a.network.stop(),
    () => b.network.stop(),
    () => proxy.close(),
  );
  a.reach(2, proxy.port).start();
  b.start();
  await eventually("both are connected", () => a.network.isConnected(2) && b.network.isConnected(1));
  return { a, b, proxy };
}

describe("a silent partition", () => {
  test("is noticed by missing answers, and after it heals frames flow again", async () => {
    const { a, b, proxy } = await proxiedPair({ timings });
    proxy.block();
    await eventually("the dead connection is cut", () => a.happened.includes("disconnected 2"));
    expect(b.network.isConnected(1)).toBe(true);
    const before = proxy.accepted;
    await eventually("it was dialed in vain", () => proxy.accepted >= before + 2);
    expect(a.network.isConnected(2)).toBe(false);
    proxy.heal();
    await eventually("it is connected again", () => a.network.isConnected(2));
    a.network.send(2, Uint8Array.of(1));
    await eventually("a frame arrives", () => b.frames.some(({ bytes }) => bytes[0] === 1));
  });

  test("of the answers alone is noticed, too", async () => {
    const { a, proxy } = await proxiedPair({ timings });
    proxy.blockDirection("fromTarget");
    await eventually("the dead connection is cut", () => a.happened.includes("disconnected 2"));
    proxy.heal();
    await eventually("it is connected again", () => a.network.isConnected(2));
  });

  test("that heals in time loses nothing and costs no connection", async () => {
    const { a, b, proxy } = await proxiedPair({});
    proxy.block();
    for (let i = 0; i < 40; i++) expect(a.network.send(2, new Uint8Array(200_000).fill(i))).toBe(true);
    b.network.send(1, Uint8Array.of(1));
    await eventually("the other direction works", () => a.frames.length === 1);
    expect(b.frames).toEqual([]);
    proxy.heal();
    await eventually("everything arrives", () => b.frames.length === 40);
    expect(b.frames.map(({ bytes }) => bytes[0] ?? -1)).toEqual(Array.from({ length: 40 }, (_, i) => i));
    expect(a.happened).not.toContain("disconnected 2");
  });

  test("is passed by the other direction", async () => {
    const { a, b, proxy } = await proxiedPair({ timings });
    proxy.block();
    b.network.send(1, Uint8Array.of(7));
    await eventually("the other direction works", () => a.frames.length === 1);
  });
});

test("reset connections are dialed again", async () => {
  const { a, b, proxy } = await proxiedPair({ timings });
  proxy.cut();
  await eventually("the cut is noticed", () => a.happened.includes("disconnected 2"));
  await eventually("it is connected again", () => a.network.isConnected(2));
  a.network.send(2, Uint8Array.of(1));
  await eventually("a frame arrives", () => b.frames.length === 1);
});
