import type { Members } from "../engine/members.ts";
import type { PeerEvents, PeerNetwork, Random } from "../engine/ports.ts";
import { assert } from "../kernel/assert.ts";
import { limits } from "../kernel/limits.ts";
import type { NodeFacts, ReplicaId } from "../raft/types.ts";
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
  /** As of now: asked from {@link TcpPeerNetwork.start} on. */
  readonly self: () => PeerIdentity;
  /** Where nodes are, by their ids, whatever the configuration of the cluster says. */
  readonly addresses?: ReadonlyMap<string, PeerAddress>;
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
  readonly statistics: PeerStatistics = newPeerStatistics();
  private readonly context: PeerContext;
  private readonly listener: PeerListener;
  private readonly members = new Map<ReplicaId, PeerMember>();
  private readonly connections = new Map<ReplicaId, PeerConnection>();
  private settledBelow: ReplicaId = 0;
  private events: PeerEvents | undefined;
  private address: PeerAddress | undefined;
  /** Whom this node refused last, and why. */
  private lastRefused: string | undefined;
  /** Why each peer refused this node last, since it was connected. */
  private readonly refusedBy = new Map<string, RefusalCode>();
  private keepalive: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly options: TcpPeerNetworkOptions) {
    const { self, listen, random, logger } = options;
    const timings = { ...peerTimings, ...options.timings };
    const bounds = { ...peerBounds, ...options.bounds };
    this.context = { self, random, logger, timings, bounds, statistics: this.statistics };
    this.listener = new PeerListener(this.context, listen);
  }

  follow({ replicas, onlyVoter, settledBelow }: Members): void {
    const { replica: self, nodeId } = this.options.self();
    // In the turn in which the entry is appended: it commits, and counts for what is acknowledged, in a later one.
    if (onlyVoter !== undefined) this.options.host.rememberAlone(onlyVoter === self);
    // Not the highest that was ever said. ↯ A node that joins knows the members of today until its log tells it of those of
    // long ago: taken together, all who joined since have left, and it tells the cluster to stop.
    this.settledBelow = settledBelow;
    for (const [replica, node] of replicas) {
      // ↯ A node that was replaced starts again with a log that names its former replica: it dials itself, as that replica's
      // node, tells itself that this one has left, and stops.
      if (replica === self || node === undefined || node.nodeId === nodeId) continue;
      if (!this.isContradicted(replica, node)) this.add(replica, node);
    }
    for (const replica of this.members.keys()) {
      if (!replicas.has(replica) && !this.mayHaveJoined(replica)) this.remove(replica);
    }
  }

  /** Since the newest configuration that is known here: an old log says nothing of who came later. */
  private mayHaveJoined(replica: ReplicaId): boolean {
    return this.settledBelow > 0 && replica >= this.settledBelow;
  }

  /** By who came forward as that replica, while what the log says of it may yet fall back. */
  private isContradicted(replica: ReplicaId, { nodeId, incarnation }: NodeFacts): boolean {
    const known = this.members.get(replica);
    if (known?.admitted === undefined || !this.mayHaveJoined(replica)) return false;
    return known.nodeId !== nodeId || (incarnation !== 0 && known.admitted !== String(incarnation));
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

  private add(replica: ReplicaId, { nodeId, peerAddress, incarnation: number }: NodeFacts): void {
    const address = this.options.addresses?.get(nodeId) ?? peerAddress;
    const incarnation = number === 0 ? undefined : String(number);
    const known = this.members.get(replica);
    if (known !== undefined) {
      known.address = address;
      known.incarnation = incarnation;
      const isOther = known.admitted !== undefined && incarnation !== undefined && incarnation !== known.admitted;
      if (known.nodeId === nodeId && !isOther) return;
      // The entry that named it was truncated before it had committed; or it was let in before the log said whose place it is.
      this.remove(replica);
    }
    const member: PeerMember = { nodeId, replica, address, incarnation };
    const connection = new PeerConnection(this.context, member, this.connectionEvents);
    this.members.set(replica, member);
    this.connections.set(replica, connection);
    if (this.events !== undefined) connection.start();
  }

  /** No event of it comes any more. If it has left for good it is told when it dials. */
  private remove(replica: ReplicaId): void {
    this.members.delete(replica);
    this.connections.get(replica)?.stop();
    this.connections.delete(replica);
    this.listener.drop(replica);
  }

  private tick(): void {
    for (const connection of this.connections.values()) connection.tick();
    this.listener.tick();
  }

  /** Checks a greeting and makes its incarnation durable: no frame passes before that (PROTOCOLS M1). */
  private admit(greeting: Greeting, dialedNodeId: string | undefined): PeerMember | Refusal | undefined {
    const isBelieved = dialedNodeId === undefined && this.isBelieved(greeting);
    const refusal = this.check(greeting, dialedNodeId, isBelieved);
    if (refusal !== undefined) {
      this.noteRefusal(greeting, refusal);
      return refusal;
    }
    if (!this.remember(greeting)) return undefined;
    if (isBelieved) this.add(greeting.replica, { ...nodeFactsOf(greeting), incarnation: 0 });
    const member = this.members.get(greeting.replica);
    assert(member !== undefined, "a greeting that passed the check is a member's");
    member.admitted = greeting.incarnation;
    return member;
  }

  /**
   * Whether who comes forward knows better than the log of this node whose replica that is. A node is told its replica only when
   * that has committed; what the log says of a replica from `settledBelow` on has not, as far as is known here.
   *
   * ↯ {A,B,C} becomes {C,D,E} while C is down: who leads now is nobody whom C knows, and nobody else has the log.
   * ↯ A leader lets X in as replica 4, in an entry that reaches B alone. Another one lets Y in as replica 4, or X with new data; it
   * comes to lead, and could overwrite that entry; but B has it refused, for ever.
   */
  private isBelieved({ replica, nodeId, incarnation }: Greeting): boolean {
    if (!this.mayHaveJoined(replica)) return false;
    const known = this.members.get(replica);
    if (known === undefined) return this.members.size < limits.maxKnownReplicas;
    return known.nodeId !== nodeId || (known.incarnation !== undefined && known.incarnation !== incarnation);
  }

  private check(greeting: Greeting, dialedNodeId: string | undefined, isBelieved: boolean): Refusal | undefined {
    const { self, host } = this.options;
    const { members, settledBelow } = this;
    return checkGreeting(greeting, {
      self: self(),
      ...{ members, settledBelow, dialedNodeId, isBelieved },
      knownIncarnation: (replica) => host.knownIncarnation(replica),
      liveIncarnation: (replica) => this.liveIncarnation(replica),
    });
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
    if (host.knownIncarnation(greeting.replica) === greeting.incarnation) return true;
    try {
      host.rememberIncarnation(greeting.replica, greeting.incarnation);
      return true;
    } catch (error) {
      logger.error({ peer: greeting.nodeId, reason: errorCode(error) }, "cannot remember a peer's incarnation");
      return false;
    }
  }

  private liveIncarnation(replica: ReplicaId): string | undefined {
    return this.listener.liveIncarnation(replica) ?? this.connections.get(replica)?.liveIncarnation;
  }

  private readonly connectionEvents: ConnectionEvents = {
    admit: (member, greeting) => {
      const admission = this.admit(greeting, member.nodeId);
      return admission === undefined || isRefusal(admission) ? admission : true;
    },
    onRefused: (member, refusal) => this.onRefused(member, refusal),
    onConnected: (member, greeting) => {
      this.refusedBy.delete(member.nodeId);
      this.events?.onConnected(member.replica, nodeFactsOf(greeting));
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

/** What a greeting says of its node, for those above. */
export function nodeFactsOf({ nodeId, incarnation, peerAddress, clientAddress }: PeerIdentity): NodeFacts {
  return { nodeId, incarnation: incarnationNumber(incarnation), peerAddress, clientAddress };
}

/** 0 for one that none of ours made. */
function incarnationNumber(text: string): number {
  const value = Number(text);
  return Number.isSafeInteger(value) && value > 0 ? value : 0;
}
