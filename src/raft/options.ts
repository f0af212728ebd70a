import type { Configuration, EntryKind, GroupId, ReplicaId } from "./types.ts";

/** What the host's log has room for (PROTOCOLS D9). */
export interface EntryRoom {
  /**
   * Takes room for an entry that is appended now. For a `noop` there always is some: without the entry that opens its
   * term a leader answers no read.
   */
  take(kind: EntryKind, payloadBytes: number): boolean;
}

/** Bounds of compaction and of snapshots on their way: what `limits` says of each, and smaller in tests. */
export interface SnapshotLimits {
  readonly maxSnapshotChunkBytes: number;
  readonly maxSnapshotWindowBytes: number;
  readonly maxTrailingEntries: number;
  readonly maxHeldEntries: number;
}

export interface RaftOptions {
  readonly group: GroupId;
  readonly self: ReplicaId;
  /**
   * The first configuration, equal on all its voters. What the log says later takes its place. Of a replica that joins later it
   * is empty, until a leader's log or snapshot says who belongs to the group.
   */
  readonly configuration: Configuration;
  /** Election time-outs lie in [this, 2 × this), in ms; within it of a leader's word votes are refused (R1). */
  readonly electionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly maxUncommittedBytes: number;
  readonly maxAppendBytes: number;
  readonly maxInflightAppends: number;
  readonly room: EntryRoom;
  /** Absent: `limits`. */
  readonly snapshotLimits?: SnapshotLimits;
}
