/**
 * Round trip and throughput of the peer transport: two networks, in one process and in two.
 * `bun bench/micro/peer-frames.ts`
 */
import { TcpPeerNetwork } from "../../src/io/peer-network.ts";

const LOGGER = { debug: () => {}, info: () => {}, warn: console.warn, error: console.error };
const ROUNDS = 20_000;
const WARM_UP = 2_000;
const OUTSTANDING = 64;

function node(replica: number, peerAddress: { host: string; port: number }): TcpPeerNetwork {
  const known = new Map<number, string>();
  const identity = { clusterId: "bench", nodeId: `node${replica}`, replica, incarnation: `${replica}` };
  const network = new TcpPeerNetwork({
    self: () => ({
      ...identity,

      peerAddress: { host: "127.0.0.1", port: 1 },
      clientAddress: undefined,
    }),
    listen: { host: "127.0.0.1", port: 0 },
    host: {
      knownIncarnation: (peer) => known.get(peer),
      rememberIncarnation: (peer, incarnation) => known.set(peer, incarnation),
      rememberAlone: () => {},
      onRefused: (_nodeId, _code, sentence) => console.error(sentence),
    },
    random: { next: Math.random, identity: () => 1 },
    logger: LOGGER,
  });
  const peer = 3 - replica;
  const facts = { nodeId: `node${peer}`, incarnation: 0, peerAddress, clientAddress: undefined };
  const configuration = { voters: [1, 2], learners: [] };
  network.follow({ configuration, replicas: new Map([[peer, facts]]), onlyVoter: 0, settledBelow: 0 });
  return network;
}

/** Sends every frame back to whom it came from. */
function echo(replica: number, peerAddress: { host: string; port: number }): number {
  const network = node(replica, peerAddress);
  const { port } = network.listen();
  const events = { onConnected: () => {}, onDisconnected: () => {} };
  network.start({ ...events, onFrame: (peer, frame) => network.send(peer, frame) || true });
  return port;
}

async function measure(place: string, network: TcpPeerNetwork): Promise<void> {
  let onFrame = (): void => {};
  const connected = Promise.withResolvers<void>();
  network.start({
    onFrame: () => (onFrame(), true),
    onConnected: () => connected.resolve(),
    onDisconnected: () => {},
  });
  await connected.promise;
  for (const size of [100, 10_000]) {
    const took = await roundTrips(network, new Uint8Array(size), (f) => (onFrame = f));
    const at = (share: number): string => (took[Math.floor(took.length * share)] ?? 0).toFixed(1);
    console.log(`${place}, ${size} B: round trip p50 ${at(0.5)} µs, p99 ${at(0.99)} µs`);
    const perSecond = await pipelined(network, new Uint8Array(size), (f) => (onFrame = f));
    console.log(
      `${place}, ${size} B: ${Math.round(perSecond / 1000)}k echoed frames/s with ${OUTSTANDING} outstanding`,
    );
  }
}

async function roundTrips(network: TcpPeerNetwork, frame: Uint8Array, listen: (f: () => void) => void) {
  const took: number[] = [];
  const done = Promise.withResolvers<void>();
  let sentAt = 0;
  let round = 0;
  const next = (): void => {
    sentAt = performance.now();
    network.send(2, frame);
  };
  listen(() => {
    if (round++ >= WARM_UP) took.push((performance.now() - sentAt) * 1000);
    if (round < ROUNDS) next();
    else done.resolve();
  });
  // The first frame may go before the other side has dialed back; it is then not answered.
  const retry = setInterval(() => round === 0 && next(), 50);
  next();
  await done.promise;
  clearInterval(retry);
  return took.sort((a, b) => a - b);
}

async function pipelined(network: TcpPeerNetwork, frame: Uint8Array, listen: (f: () => void) => void) {
  const done = Promise.withResolvers<void>();
  const startedAt = performance.now();
  let answered = 0;
  listen(() => {
    if (++answered === ROUNDS) done.resolve();
    else if (answered <= ROUNDS - OUTSTANDING) network.send(2, frame);
  });
  for (let i = 0; i < OUTSTANDING; i++) network.send(2, frame);
  await done.promise;
  return (ROUNDS * 1000) / (performance.now() - startedAt);
}

async function main(): Promise<void> {
  const [role, port] = process.argv.slice(2);
  if (role === "echo") {
    console.log(echo(2, { host: "127.0.0.1", port: Number(port) }));
    return;
  }
  const nearAddress = { host: "127.0.0.1", port: 1 };
  const near = node(1, nearAddress);
  nearAddress.port = echo(2, near.listen());
  await measure("one process", near);

  const farAddress = { host: "127.0.0.1", port: 1 };
  const far = node(1, farAddress);
  const child = Bun.spawn([process.execPath, import.meta.path, "echo", `${far.listen().port}`], { stdout: "pipe" });
  const { value } = await child.stdout.getReader().read();
  farAddress.port = Number(new TextDecoder().decode(value));
  await measure("two processes", far);
  child.kill();
  process.exit(0);
}

await main();
