import type { Configuration, GroupId, LogPoint, Snapshot } from "../raft/types.ts";
import type { LogExcerpt } from "../wal/excerpt.ts";

/** A snapshot that is wanted: plain data, for another thread. */
export interface SnapshotOrder {
  readonly group: GroupId;
  /** The state to begin with; undefined: the empty one. Its file is kept until the order has ended. */
  readonly base: Snapshot | undefined;
  /** The entries behind `base` up to `point`. Their segments are kept until the order has ended. */
  readonly excerpt: LogExcerpt;
  readonly point: LogPoint & { readonly configuration: Configuration };
  /** What the loop's state hashed to at `point` (PROTOCOLS R8): a snapshot of another state must not be. */
  readonly stateHash: number;
}

/**
 * Why there is no snapshot. `noRoom`: on the disk. `disk`: it failed while it was written, which is fatal (PROTOCOLS D9).
 * `damaged`: the snapshot to begin with, or the log, cannot be read. `diverged`: the state is another one than the loop's, so
 * the memory or the disk of one of them is wrong. `died`: whoever made it did, perhaps at an entry.
 */
export interface SnapshotFailure {
  readonly reason: "noRoom" | "disk" | "damaged" | "diverged" | "died";
  readonly message: string;
}

/** @param snapshot durable under its name; undefined if and only if there is a failure, and then nothing is left of it */
export type SnapshotMade = (failure: SnapshotFailure | undefined, snapshot: Snapshot | undefined) => void;

/** Makes snapshots of a node's groups beside the loop: one at a time. */
export interface SnapshotMaker {
  /** `done` is called once, after this call. */
  make(order: SnapshotOrder, done: SnapshotMade): void;
}
