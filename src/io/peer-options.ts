import type { Random } from "../engine/ports.ts";
import { limits } from "../kernel/limits.ts";
import type { ReplicaId } from "../raft/types.ts";
import type { RefusalCode } from "./peer-handshake.ts";

/** A host without brackets, and a port in 0…65535. */
export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

/** As people write it: an IPv6 address stands in brackets. */
export function formatAddress({ host, port }: PeerAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Who a node says it is, and what of it the others should know. */
export interface PeerIdentity {
  readonly clusterId: string;
  readonly nodeId: string;
  readonly replica: ReplicaId;
  /** Random identity of the data directory (PROTOCOLS M1). */
  readonly incarnation: string;
  /** Where the others reach it, as it believes. */
  readonly peerAddress: PeerAddress;
  /** And clients. */
  readonly clientAddress: PeerAddress | undefined;
}

/** Another node of the cluster. `address` is read anew at every dial, and changes when the node moves. */
export interface PeerMember {
  readonly nodeId: string;
  readonly replica: ReplicaId;
  address: PeerAddress;
  /** As the log says it; undefined: it does not say. */
  incarnation?: string | undefined;
  /** Of the process that was let in last. */
  admitted?: string | undefined;
}

/** What the network asks of, and tells, the node that it runs in. */
export interface PeerHost {
  /** The incarnation under which the replica is known; undefined before the first contact. */
  knownIncarnation(replica: ReplicaId): string | undefined;
  /** Durable on return (PROTOCOLS M1); throws when it cannot be made so, and the connection is then cut. */
  rememberIncarnation(replica: ReplicaId, incarnation: string): void;
  /** Whether no other node has what this one acknowledges from now on. Durable on return; throws when it cannot be made so. */
  rememberAlone(alone: boolean): void;
  /**
   * A peer refused this node. Told once for each change of reason; `sentence` is addressed to this node's operator.
   * After `wiped_node`, `removed_node` and `duplicate_node` the process has to stop.
   */
  onRefused(nodeId: string, code: RefusalCode, sentence: string): void;
}

/** The part of pino's logger that is used here. */
export interface PeerLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface PeerTimings {
  readonly dialTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  /** The first wait before a redial; it doubles up to `backoffMaxMs`. Each is drawn from [half, whole). */
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  readonly keepaliveIntervalMs: number;
  /** An outgoing connection with this many unanswered keepalives is dead. */
  readonly unansweredKeepalives: number;
  /** An incoming connection that was silent for this many keepalive intervals is dead. */
  readonly silentKeepalives: number;
}

export const peerTimings: PeerTimings = {
  dialTimeoutMs: 2_000,
  handshakeTimeoutMs: 2_000,
  backoffMinMs: 20,
  backoffMaxMs: 1_000,
  keepaliveIntervalMs: 1_000,
  unansweredKeepalives: 5,
  silentKeepalives: 15,
};

export interface PeerBounds {
  readonly maxFrameBytes: number;
  readonly maxPeerBufferBytes: number;
  readonly maxHandshakeBytes: number;
  readonly maxPendingHandshakes: number;
}

export const peerBounds: PeerBounds = limits;

/** Plain counters, read by whoever exports them. */
export interface PeerStatistics {
  framesSent: number;
  framesReceived: number;
  /** Not connected, or the peer's buffer was full. */
  framesDropped: number;
  bytesSent: number;
  bytesReceived: number;
  /** Outgoing connections established after an earlier one to the same peer was. */
  reconnects: number;
  /** Connections cut for bytes that are no valid frame. */
  badFrames: number;
  /** Handshakes that this node refused, on either side. */
  refusals: number;
}

export function newPeerStatistics(): PeerStatistics {
  return {
    framesSent: 0,
    framesReceived: 0,
    framesDropped: 0,
    bytesSent: 0,
    bytesReceived: 0,
    reconnects: 0,
    badFrames: 0,
    refusals: 0,
  };
}

/** What every part of the transport shares. */
export interface PeerContext {
  /** As of now. */
  readonly self: () => PeerIdentity;
  readonly random: Random;
  readonly logger: PeerLogger;
  readonly timings: PeerTimings;
  readonly bounds: PeerBounds;
  readonly statistics: PeerStatistics;
}
