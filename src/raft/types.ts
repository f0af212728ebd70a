/**
 * The words of Raft (Ongaro & Ousterhout, "In Search of an Understandable Consensus Algorithm", 2014;
 * Ongaro, "Consensus: Bridging Theory and Practice", 2014, cited as "thesis").
 */

/** Which consensus group: 0 is the control group; queue shards follow. */
export type GroupId = number;

/** A replica of a group. Small positive integers, fixed by the first membership; 0 means "none". */
export type ReplicaId = number;

/** What an entry carries. */
export type EntryKind = "noop" | "command" | "time" | "configuration" | "feature";

export interface Entry {
  readonly index: number;
  readonly term: number;
  readonly kind: EntryKind;
  /** The leader's lease time when it appended the entry (PROTOCOLS T1), in ms. Never falls along the log. */
  readonly leaseTimeMs: number;
  /** Opaque to Raft, but for `configuration`. Empty in `noop` and `time`. */
  readonly payload: Uint8Array;
}

/** What a replica must not forget, written as one record (PROTOCOLS D1). */
export interface HardState {
  readonly term: number;
  /** The candidate that got this replica's vote in `term`, or 0. */
  readonly vote: ReplicaId;
  /** Present: this replica lost entries that it had acknowledged, and is being repaired. */
  readonly floor?: Floor;
}

/**
 * How far a log reached that was lost (PROTOCOLS D7): its last index and term. Until the log is as far again, its replica
 * counts as one that has it all and says nothing.
 */
export interface Floor {
  /** {@link UNKNOWN_INDEX}: nobody knows, but no entry was of a later term. */
  readonly index: number;
  readonly term: number;
}

/** Behind any entry. */
export const UNKNOWN_INDEX: number = Number.MAX_SAFE_INTEGER;

/** Who belongs to a group. Voters elect and commit; learners get the log and are counted nowhere (PROTOCOLS R5). */
export interface Configuration {
  /** At least one, but for a replica that has yet to hear of any. */
  readonly voters: readonly ReplicaId[];
  /** Invariant: none of them is a voter. */
  readonly learners: readonly ReplicaId[];
  /** What the host needs to reach them: the protocol itself does not look into it. */
  readonly facts?: ConfigurationFacts;
}

export interface ConfigurationFacts {
  /** No replica has ever had this id, or a higher one. Never falls, so that no id is used twice (PROTOCOLS M1). */
  readonly nextReplica: ReplicaId;
  /** Of each voter and learner. */
  readonly nodes: ReadonlyMap<ReplicaId, NodeFacts>;
}

/** The node that holds a replica. */
export interface NodeFacts {
  readonly nodeId: string;
  /** Of its data directory (PROTOCOLS M1); 0: no node has come forward for the replica yet, or its word is not in the log. */
  readonly incarnation: number;
  readonly peerAddress: NodeAddress;
  /** Where clients reach it; undefined: not known yet. */
  readonly clientAddress: NodeAddress | undefined;
}

/** A host without brackets, and a port in 0…65535. */
export interface NodeAddress {
  readonly host: string;
  readonly port: number;
}

/** A place in a log. Index 0, term 0 and lease time 0 stand before the first entry. */
export interface LogPoint {
  readonly index: number;
  readonly term: number;
  /** Of the entry at `index`, in ms. */
  readonly leaseTimeMs: number;
}

/**
 * What the protocol knows of a snapshot: the whole state of a group as of one committed entry (Raft §7). Its bytes are
 * the host's; equal facts name equal bytes, whoever made them.
 */
export interface Snapshot extends LogPoint {
  /** At least 1. */
  readonly totalBytes: number;
  /** Of all its bytes: a CRC or the like, an integer in 0…2⁵³−1. */
  readonly digest: number;
  /** As of `index`. */
  readonly configuration: Configuration;
}

interface Envelope {
  readonly group: GroupId;
  readonly from: ReplicaId;
  readonly to: ReplicaId;
  /** The sender's term; for pre-vote messages see there. */
  readonly term: number;
}

/** Asks whether an election could be won; `term` is the one probed: the sender's own plus one (thesis §9.6). */
export interface PreVoteRequest extends Envelope {
  readonly type: "preVoteRequest";
  readonly lastIndex: number;
  readonly lastTerm: number;
}

/** Granted: `term` is the probed term. Refused: the replier's own. */
export interface PreVoteReply extends Envelope {
  readonly type: "preVoteReply";
  readonly granted: boolean;
}

export interface VoteRequest extends Envelope {
  readonly type: "voteRequest";
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** The leader itself asked for this election: who hears that leader does not refuse it (PROTOCOLS R1). */
  readonly transfer?: true;
}

export interface VoteReply extends Envelope {
  readonly type: "voteReply";
  readonly granted: boolean;
}

export interface AppendRequest extends Envelope {
  readonly type: "append";
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly commitIndex: number;
  readonly leaseTimeMs: number;
  readonly entries: readonly Entry[];
}

export interface AppendReply extends Envelope {
  readonly type: "appendReply";
  readonly success: boolean;
  /** Success: the highest index known to equal the leader's log. Failure: the refused `prevIndex`. */
  readonly index: number;
  /** Failure: the follower's hint where logs may agree (Raft §5.3, end): its term there … */
  readonly hintTerm: number;
  /** … and the largest index that may match. */
  readonly hintIndex: number;
  /** The follower has lost entries, perhaps ones that it acknowledged, and counts for no commit until it has them again. */
  readonly repairing?: true;
}

/** Keeps followers calm, confirms leadership for a read round (PROTOCOLS R3, R4) and carries lease time (T1). */
export interface Heartbeat extends Envelope {
  readonly type: "heartbeat";
  /** The round that the reply confirms; 0 asks for no reply: it only tells the commit index. */
  readonly round: number;
  /** Never above what the follower is known to hold of the leader's log. */
  readonly commitIndex: number;
  readonly leaseTimeMs: number;
}

export interface HeartbeatReply extends Envelope {
  readonly type: "heartbeatReply";
  readonly round: number;
}

/** The leader asks an up-to-date follower to stand for election at once (thesis §3.10). */
export interface TimeoutNow extends Envelope {
  readonly type: "timeoutNow";
}

/**
 * A piece of a snapshot, for a follower that lacks what the log has forgotten (Raft §7). Without bytes it asks how much
 * of the snapshot the follower has.
 */
export interface SnapshotChunk extends Envelope {
  readonly type: "snapshotChunk";
  readonly snapshot: Snapshot;
  /** Where `bytes` begin. Invariant: offset + bytes.length ≤ snapshot.totalBytes. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export interface SnapshotReply extends Envelope {
  readonly type: "snapshotReply";
  /** Which snapshot: within a term there is one of each index. */
  readonly index: number;
  /** Bytes of it that the follower holds durably, from the first on. */
  readonly offset: number;
  /** As in {@link AppendReply}. */
  readonly repairing?: true;
  /**
   * "installed": the follower holds all up to `index`, durably, by this snapshot or otherwise. "refused": it cannot take it
   * now, for want of room or because its bytes were not what they should be; asked later it says what it has then.
   */
  readonly state: SnapshotState;
}

export type SnapshotState = "receiving" | "refused" | "installed";

export type Message =
  | PreVoteRequest
  | PreVoteReply
  | VoteRequest
  | VoteReply
  | AppendRequest
  | AppendReply
  | Heartbeat
  | HeartbeatReply
  | TimeoutNow
  | SnapshotChunk
  | SnapshotReply;

export type Role = "follower" | "candidate" | "leader";
