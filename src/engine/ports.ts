import type { NodeFacts, ReplicaId } from "../raft/types.ts";
import type { Members } from "./members.ts";

/** Times in ms. Monotonic time drives protocols; wall time is for people (PROTOCOLS T1, T3). */
export interface Clock {
  monotonicMs(): number;
  wallMs(): number;
}

export interface Random {
  /** A uniform number in [0, 1). */
  next(): number;
  /** A uniform integer in 1…2⁵³−1, for identities: from a cryptographic source outside the simulator. */
  identity(): number;
}

/** Runs the engine's turn once, soon: after the I/O that is ready now (`setImmediate`), never from a microtask. */
export interface TurnScheduler {
  requestTurn(): void;
}

/** Frames to and from the other nodes: whole, in order within one connection, or lost. */
export interface PeerNetwork {
  /** Who the peers are from now on, this node aside. Connections to those who have left end; who left for good is told. */
  follow(members: Members): void;
  isConnected(peer: ReplicaId): boolean;
  /**
   * Takes the frame or drops it (not connected, buffer full: then false). The bytes are copied or written before return.
   * Frames carry no promise; the protocols above repeat what matters.
   */
  send(peer: ReplicaId, frame: Uint8Array): boolean;
}

/** What the network tells the engine. `frame` is valid only during the call. */
export interface PeerEvents {
  /** @returns false when the frame cannot be decoded: the connection is then cut */
  onFrame(peer: ReplicaId, frame: Uint8Array): boolean;
  /** @param node what it says of itself */
  onConnected(peer: ReplicaId, node: NodeFacts): void;
  onDisconnected(peer: ReplicaId): void;
}
