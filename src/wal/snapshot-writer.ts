import { assert } from "../kernel/assert.ts";
import { crc32c } from "../kernel/crc32c.ts";
import { limits } from "../kernel/limits.ts";
import type { Configuration, GroupId, LogPoint, Snapshot } from "../raft/types.ts";
import { asError } from "./segment-pool.ts";
import type { SnapshotFiles } from "./snapshot-files.ts";
import { SNAPSHOT_HEAD_BYTES, encodeSnapshotHead, snapshotName } from "./snapshot-header.ts";

/**
 * Synced piece by piece, while the rest is still being made. ↯ Many MiB go to the disk at once, at the end, and the log's fdatasync waits
 * behind them.
 */
const SYNC_EVERY_BYTES = 1024 * 1024;

/** @param snapshot undefined if and only if there is an error */
export type SnapshotWritten = (error: Error | undefined, snapshot: Snapshot | undefined) => void;

/**
 * Writes a snapshot of this node's own, piece by piece, in whatever thread. Nobody takes the file for a snapshot before it
 * is whole, durable and has its name (PROTOCOLS D8); the store is told of it then by `adopt`.
 */
export class SnapshotWriter {
  private readonly unfinished: string;
  private contentBytes = 0;
  private syncedBytes = 0;
  private syncing = 0;
  /** Waits until nothing is being synced. */
  private synced: (() => void) | undefined;
  private crc = 0;
  private failure: Error | undefined;
  private ended = false;

  /** @param point the entry of which the content is the state, and who belongs to the group there */
  constructor(
    private readonly files: SnapshotFiles,
    private readonly group: GroupId,
    private readonly point: LogPoint & { readonly configuration: Configuration },
  ) {
    this.unfinished = snapshotName(group, { ...point, totalBytes: 0, digest: 0 }, "tmp");
    this.attempt(() => files.create(this.unfinished));
  }

  /** Why nothing more is written: want of room, perhaps. {@link finish} will say so; {@link abandon} is the other end. */
  get error(): Error | undefined {
    return this.failure;
  }

  /** The next bytes of the content, at most `limits.maxSnapshotChunkBytes`: into the page cache, in far less than 1 ms. */
  write(bytes: Uint8Array): void {
    assert(!this.ended, "a snapshot that is finished is not written to");
    assert(bytes.length <= limits.maxSnapshotChunkBytes, "pieces of a snapshot are small (PROTOCOLS D10)");
    const at = SNAPSHOT_HEAD_BYTES + this.contentBytes;
    this.attempt(() => this.files.write(this.unfinished, at, bytes));
    this.contentBytes += bytes.length;
    this.crc = crc32c(bytes, 0, bytes.length, this.crc);
    if (this.contentBytes - this.syncedBytes >= SYNC_EVERY_BYTES) this.sync();
  }

  private sync(): void {
    this.syncedBytes = this.contentBytes;
    if (this.failure !== undefined) return;
    this.syncing++;
    this.files.sync(this.unfinished, (error) => {
      this.syncing--;
      if (error !== undefined) this.failure ??= error;
      if (this.syncing === 0) this.synced?.();
    });
  }

  /** `done` is called once: the snapshot is durable under its name, or nothing is left of it. */
  finish(done: SnapshotWritten): void {
    assert(!this.ended && this.contentBytes > 0, "a snapshot is finished once, and is not empty");
    this.ended = true;
    const { index, term, leaseTimeMs, configuration } = this.point;
    const snapshot = { index, term, leaseTimeMs, configuration, totalBytes: this.contentBytes, digest: this.crc };
    const { files, group, unfinished } = this;
    const head = encodeSnapshotHead({ group, snapshot, heldBytes: snapshot.totalBytes });
    this.attempt(() => files.write(unfinished, 0, head));
    // ↯ A piece could not be written to the disk, its sync has yet to say so, and the last one is told nothing of it (PROTOCOLS D9).
    this.synced = (): void => {
      if (this.failure !== undefined) this.end(this.failure, snapshot, done);
      else nameDurably(files, group, snapshot, unfinished, (error) => this.end(error, snapshot, done));
    };
    if (this.syncing === 0) this.synced();
  }

  /** Nothing is left of it. */
  abandon(): void {
    this.ended = true;
    this.files.remove(this.unfinished, () => {});
  }

  private end(error: Error | undefined, snapshot: Snapshot, done: SnapshotWritten): void {
    if (error !== undefined) this.abandon();
    done(error, error === undefined ? snapshot : undefined);
  }

  private attempt(work: () => void): void {
    if (this.failure !== undefined) return;
    try {
      work();
    } catch (error) {
      this.failure = asError(error);
    }
  }
}

/** Synced before it has the name: else a crash could leave the name to half of it. */
export function nameDurably(
  files: SnapshotFiles,
  group: GroupId,
  snapshot: Snapshot,
  unfinished: string,
  done: (error?: Error) => void,
): void {
  files.sync(unfinished, (error) => {
    if (error !== undefined) done(error);
    else files.rename(unfinished, snapshotName(group, snapshot, "snapshot"), done);
  });
}
