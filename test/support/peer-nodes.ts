import { afterEach } from "bun:test";
import type { PeerEvents } from "../../src/engine/ports.ts";
import { FrameDecoder, type FrameType, frameTypes, writeFrame } from "../../src/io/peer-frames.ts";
import { encodeGreeting, type Greeting, type RefusalCode } from "../../src/io/peer-handshake.ts";
import { TcpPeerNetwork } from "../../src/io/peer-network.ts";
import type { PeerAddress, PeerBounds, PeerIdentity, PeerLogger, PeerTimings } from "../../src/io/peer-options.ts";
import type { NodeFacts, ReplicaId } from "../../src/raft/types.ts";

export const CLUSTER_ID = "cluster-of-the-tests";

/** Polls until `condition` holds; a deadline that passes is a failed test. */
export async function eventually(what: string, condition: () => boolean, deadlineMs = 4_000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`did not happen within ${deadlineMs} ms: ${what}`);
    await Bun.sleep(2);
  }
}

export interface TestNodeOptions {
  readonly incarnation?: string;
  readonly clusterId?: string;
  readonly timings?: Partial<PeerTimings>;
  readonly bounds?: Partial<PeerBounds>;
  readonly port?: number;
  /** What the node has persisted; shared by those that stand for the same data directory. */
  readonly known?: Map<string, string>;
}

/** A peer network with everything that it told its host, in order. Node id `nodeN` is replica N. */
export class TestNode {
  readonly nodeId: string;
  readonly identity: PeerIdentity;
  readonly known: Map<string, string>;
  readonly happened: string[] = [];
  readonly frames: { readonly from: ReplicaId; readonly bytes: Uint8Array }[] = [];
  readonly refusals: { readonly nodeId: string; readonly code: RefusalCode; readonly sentence: string }[] = [];
  readonly network: TcpPeerNetwork;
  /** Dialed by this node to reach each other; may be changed at any time. */
  /** What it was last told. */
  alone = false;
  readonly addresses = new Map<ReplicaId, { host: string; port: number }>();
  address: PeerAddress = { host: "127.0.0.1", port: 0 };
  readonly logged: string[] = [];
  decodable = true;
  remembers = true;
  failedToRemember = 0;

  constructor(
    readonly replica: ReplicaId,
    peers: readonly ReplicaId[],
    options: TestNodeOptions = {},
  ) {
    this.nodeId = `node${replica}`;
    this.known = options.known ?? new Map();
    const incarnation = options.incarnation ?? `incarnation-${replica}`;
    const { clusterId = CLUSTER_ID } = options;
    this.identity = { ...greetingOf({ clusterId, nodeId: this.nodeId, replica, incarnation }) };
    this.network = new TcpPeerNetwork({
      self: () => this.identity,
      listen: { host: "127.0.0.1", port: options.port ?? 0 },
      host: {
        knownIncarnation: (peer) => this.known.get(`node${peer}`),
        rememberIncarnation: (peer, value) => this.remember(`node${peer}`, value),
        rememberAlone: (alone) => (this.alone = alone),
        onRefused: (nodeId, code, sentence) => this.refusals.push({ nodeId, code, sentence }),
      },
      random: { next: () => Math.random(), identity: () => 1 },
      logger: this.logger,
      timings: options.timings,
      bounds: options.bounds,
    });
    this.follow(peers);
  }

  /** Its configuration has these others from now on. @param settledBelow who else is below has left for good */
  follow(peers: readonly ReplicaId[], settledBelow = 0): this {
    const replicas = new Map<ReplicaId, NodeFacts>();
    for (const peer of peers) {
      const peerAddress = this.addresses.get(peer) ?? { host: "127.0.0.1", port: 1 };
      this.addresses.set(peer, peerAddress);
      replicas.set(peer, { nodeId: `node${peer}`, incarnation: 0, peerAddress, clientAddress: undefined });
    }
    this.network.follow({
      configuration: { voters: [this.replica, ...peers], learners: [] },
      replicas,
      onlyVoter: peers.length === 0 ? this.replica : 0,
      settledBelow,
    });
    return this;
  }

  listen(): this {
    this.address = this.network.listen();
    return this;
  }

  /** Where this node dials another. */
  reach(peer: ReplicaId, port: number): this {
    const address = this.addresses.get(peer);
    if (address === undefined) throw new Error(`node${peer} is no peer`);
    address.port = port;
    return this;
  }

  start(): this {
    this.network.start(this.events);
    return this;
  }

  private get logger(): PeerLogger {
    const log = (_fields: object, message: string): number => this.logged.push(message);
    return { debug: log, info: log, warn: log, error: log };
  }

  private readonly events: PeerEvents = {
    onFrame: (from, frame) => {
      this.happened.push(`frame ${from}`);
      this.frames.push({ from, bytes: frame.slice() });
      return this.decodable;
    },
    onConnected: (peer) => this.happened.push(`connected ${peer}`),
    onDisconnected: (peer) => this.happened.push(`disconnected ${peer}`),
  };

  private remember(nodeId: string, incarnation: string): void {
    if (!this.remembers) {
      this.failedToRemember++;
      throw new Error("disk full");
    }
    this.happened.push(`remember ${nodeId} ${incarnation}`);
    this.known.set(nodeId, incarnation);
  }
}

/** Two nodes that know each other's address and listen; not started. */
export function pairOfNodes(first: TestNodeOptions = {}, second: TestNodeOptions = {}): [TestNode, TestNode] {
  const a = new TestNode(1, [2], first).listen();
  const b = new TestNode(2, [1], second).listen();
  a.reach(2, b.address.port);
  b.reach(1, a.address.port);
  return [a, b];
}

/** A socket that speaks the frames by hand: a peer that misbehaves as the test wants. */
export class ScriptedPeer {
  readonly received: { readonly type: number; readonly body: Uint8Array }[] = [];
  closed = false;
  private readonly decoder = new FrameDecoder(1024 * 1024);
  private socket: Bun.Socket<undefined> | undefined;

  private readonly handlers = {
    data: (_socket: Bun.Socket<undefined>, chunk: Uint8Array) => {
      this.decoder.push(chunk, (type, body) => this.received.push({ type, body: body.slice() }) > 0);
    },
    close: () => {
      this.closed = true;
    },
    error: () => {},
  };

  static async dial(port: number): Promise<ScriptedPeer> {
    const peer = new ScriptedPeer();
    peer.socket = await Bun.connect<undefined>({ hostname: "127.0.0.1", port, socket: peer.handlers });
    return peer;
  }

  /** Accepts connections, answers each hello with `reply`, and reads nothing more when `deaf`, until {@link resume}. */
  static accept(reply: (peer: ScriptedPeer) => void, deaf = false): { port: number; peer: ScriptedPeer; stop(): void } {
    const peer = new ScriptedPeer();
    const server = Bun.listen<undefined>({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        ...peer.handlers,
        data: (socket, chunk) => {
          peer.handlers.data(socket, chunk);
          if (peer.socket === socket || peer.received.length === 0) return;
          peer.socket = socket;
          if (deaf) socket.pause();
          reply(peer);
        },
      },
    });
    return { port: server.port, peer, stop: () => server.stop(true) };
  }

  raw(bytes: Uint8Array | string): void {
    this.socket?.write(bytes as Uint8Array<ArrayBuffer>);
  }

  send(type: FrameType, body: Uint8Array): void {
    this.raw(frameOf(type, body));
  }

  hello(greeting: Partial<Greeting>): void {
    this.send(frameTypes.hello, encodeGreeting(greetingOf(greeting)));
  }

  welcome(greeting: Partial<Greeting>): void {
    this.send(frameTypes.welcome, encodeGreeting(greetingOf(greeting)));
  }

  resume(): void {
    this.socket?.resume();
  }

  close(): void {
    this.socket?.terminate();
  }
}

/** node2 that greets node1, unless told otherwise. */
export function greetingOf(changes: Partial<Greeting> = {}): Greeting {
  const peerAddress = { host: "127.0.0.1", port: 9002 };
  return {
    ...{ clusterId: CLUSTER_ID, nodeId: "node2", replica: 2, incarnation: "incarnation-2", targetNodeId: "node1" },
    ...{ peerAddress, clientAddress: undefined },
    ...changes,
  };
}

export function frameOf(type: FrameType, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(body.length + 64);
  return bytes.slice(0, writeFrame(bytes, type, body));
}

export async function connected(a: TestNode, b: TestNode): Promise<void> {
  await eventually("both are connected", () => {
    return a.network.isConnected(b.replica) && b.network.isConnected(a.replica);
  });
}

/** For a test file: what its tests start is stopped after each of them. */
export function nodesOfThisFile() {
  const stops: (() => void)[] = [];
  afterEach(() => {
    for (const stop of stops.splice(0)) stop();
  });
  const stopLater = (...nodes: TestNode[]): void => {
    for (const node of nodes) stops.push(() => node.network.stop());
  };
  const startedPair = (first: TestNodeOptions = {}, second: TestNodeOptions = {}): [TestNode, TestNode] => {
    const [a, b] = pairOfNodes(first, second);
    stopLater(a, b);
    a.start();
    b.start();
    return [a, b];
  };
  return { stops, stopLater, startedPair };
}
