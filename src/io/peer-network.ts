import type { PeerEvents, PeerNetwork, Random } from "../engine/ports.ts";
import { assert } from "../kernel/assert.ts";
import type { ReplicaId } from "../raft/types.ts";
import { type ConnectionEvents, PeerConnection } from "./peer-connection.ts";
import { checkGreeting, type Greeting, isRefusal, type Refusal, type RefusalCode } from "./peer-handshake.ts";
import { type ListenerEvents, PeerListener } from "./peer-listener.ts";
import {
  newPeerStatistics,
  type PeerAddress,
  type PeerBounds,
  peerBounds,
  type PeerContext,
  type PeerHost,
  type PeerIdentity,
  type PeerLogger,
  type PeerMember,
  type PeerStatistics,
  peerTimings,
  type PeerTimings,
} from "./peer-options.ts";
import { errorCode } from "./peer-socket.ts";

export interface TcpPeerNetworkOptions {
  readonly self: PeerIdentity;
  /** The other members. */
  readonly members: readonly PeerMember[];
  readonly listen: PeerAddress;
  readonly host: PeerHost;
  readonly random: Random;
  readonly logger: PeerLogger;
  readonly timings?: Partial<PeerTimings> | undefined;
  readonly bounds?: Partial<PeerBounds> | undefined;
}

/**
 * The peers over TCP. Every node dials every other: its frames leave on the connection that it dialed, theirs arrive
 * on the one that they dialed. So no two connections ever compete, and each direction fails alone.
 */
export class TcpPeerNetwork implements PeerNetwork {
  readonly peers: readonly ReplicaId[];
  readonly statistics: PeerStatistics = newPeerStatistics();
  private readonly context: PeerContext;
  private readonly listener: PeerListener;
  private readonly members: ReadonlyMap<string, PeerMember>;
  private readonly replicas: ReadonlyMap<string, ReplicaId>;
  private readonly connections: ReadonlyMap<ReplicaId, PeerConnection>;
  private events: PeerEvents | undefined;
  private address: PeerAddress | undefined;
  /** Whom this node refused last, and why. */
  private lastRefused: string | undefined;
  /** Why each peer refused this node last, since it was connected. */
  private readonly refusedBy = new Map<string, RefusalCode>();
  private keepalive: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly options: TcpPeerNetworkOptions) {
    const { self, members, listen, random, logger } = options;
    const timings = { ...peerTimings, ...options.timings };
    const bounds = { ...peerBounds, ...options.bounds };
    this.context = { self, random, logger, timings, bounds, statistics: this.statistics };
    this.listener = new PeerListener(this.context, listen);
    this.peers = members.map((member) => member.replica);
    this.members = new Map(members.map((member) => [member.nodeId, member]));
    this.replicas = new Map(members.map((member) => [member.nodeId, member.replica]));
    this.connections = new Map(members.map((member) => [member.replica, this.connectionTo(member)]));
    const distinct = this.members.size === members.length && this.connections.size === members.length;
    assert(distinct && !this.members.has(self.nodeId), "members are the other nodes, each once");
  }

  /**
   * Takes the address without talking to anybody yet.
   *
   * @returns the address with its actual port
   * @throws {StartError} one sentence, when the address cannot be had
   */
  listen(): PeerAddress {
    this.address ??= this.listener.listen();
    return this.address;
  }

  /**
   * Listens, unless {@link listen} was called before, and dials every peer.
   *
   * @throws {StartError}
   */
  start(events: PeerEvents): void {
    this.listen();
    this.events = events;
    this.listener.start(this.listenerEvents);
    for (const connection of this.connections.values()) connection.start();
    this.keepalive = setInterval(() => this.tick(), this.context.timings.keepaliveIntervalMs);
  }

  /** Closes everything; no event comes after it. Frames that the kernel has taken still leave. */
  stop(): void {
    this.events = undefined;
    clearInterval(this.keepalive);
    for (const connection of this.connections.values()) connection.stop();
    this.listener.stop();
  }

  isConnected(peer: ReplicaId): boolean {
    return this.connections.get(peer)?.connected ?? false;
  }

  send(peer: ReplicaId, frame: Uint8Array): boolean {
    assert(frame.length <= this.context.bounds.maxFrameBytes, "a frame is at most maxFrameBytes long");
    return this.connections.get(peer)?.send(frame) ?? false;
  }

  /** Bytes that wait for the peer to read. */
  bufferedBytes(peer: ReplicaId): number {
    return this.connections.get(peer)?.bufferedBytes ?? 0;
  }

  private tick(): void {
    for (const connection of this.connections.values()) connection.tick();
    this.listener.tick();
  }

  private connectionTo(member: PeerMember): PeerConnection {
    return new PeerConnection(this.context, member, this.connectionEvents);
  }

  /** Checks a greeting and makes its incarnation durable: no frame passes before that (PROTOCOLS M1). */
  private admit(greeting: Greeting, dialedNodeId: string | undefined): PeerMember | Refusal | undefined {
    const { self, host } = this.options;
    const refusal = checkGreeting(greeting, {
      self,
      members: this.replicas,
      dialedNodeId,
      knownIncarnation: (nodeId) => host.knownIncarnation(nodeId),
      liveIncarnation: (nodeId) => this.liveIncarnation(nodeId),
    });
    if (refusal !== undefined) {
      this.noteRefusal(greeting, refusal);
      return refusal;
    }
    const member = this.members.get(greeting.nodeId);
    assert(member !== undefined, "a greeting that passed the check is a member's");
    return this.remember(greeting) ? member : undefined;
  }

  /** A refused peer keeps trying: its reason is worth one line, not one a second. */
  private noteRefusal({ nodeId }: Greeting, refusal: Refusal): void {
    this.statistics.refusals++;
    const refused = `${refusal.code} ${nodeId}`;
    if (refused === this.lastRefused) return;
    this.lastRefused = refused;
    this.options.logger.warn({ peer: nodeId, code: refusal.code }, "refused a peer");
  }

  private onRefused({ nodeId }: PeerMember, { code, sentence }: Refusal): void {
    if (this.refusedBy.get(nodeId) === code || this.events === undefined) return;
    this.refusedBy.set(nodeId, code);
    this.options.logger.warn({ peer: nodeId, code }, `a peer refused this node: ${sentence}`);
    this.options.host.onRefused(nodeId, code, sentence);
  }

  private remember(greeting: Greeting): boolean {
    const { host, logger } = this.options;
    if (host.knownIncarnation(greeting.nodeId) === greeting.incarnation) return true;
    try {
      host.rememberIncarnation(greeting.nodeId, greeting.incarnation);
      return true;
    } catch (error) {
      logger.error({ peer: greeting.nodeId, reason: errorCode(error) }, "cannot remember a peer's incarnation");
      return false;
    }
  }

  private liveIncarnation(nodeId: string): string | undefined {
    const replica = this.replicas.get(nodeId);
    if (replica === undefined) return undefined;
    return this.listener.liveIncarnation(replica) ?? this.connections.get(replica)?.liveIncarnation;
  }

  private readonly connectionEvents: ConnectionEvents = {
    admit: (member, greeting) => {
      const admission = this.admit(greeting, member.nodeId);
      return admission === undefined || isRefusal(admission) ? admission : true;
    },
    onRefused: (member, refusal) => this.onRefused(member, refusal),
    onConnected: (member) => {
      this.refusedBy.delete(member.nodeId);
      this.events?.onConnected(member.replica);
    },
    onDisconnected: (member) => this.events?.onDisconnected(member.replica),
  };

  private readonly listenerEvents: ListenerEvents = {
    admit: (greeting) => this.admit(greeting, undefined),
    onAccepted: (member) => this.connections.get(member.replica)?.nudge(),
    onFrame: (member, frame) => this.events?.onFrame(member.replica, frame) ?? false,
    onRefused: (member, refusal) => this.onRefused(member, refusal),
  };
}
