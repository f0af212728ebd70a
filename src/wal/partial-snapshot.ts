import { assert } from "../kernel/assert.ts";
import { crc32c } from "../kernel/crc32c.ts";
import { limits } from "../kernel/limits.ts";
import type { GroupId, Snapshot } from "../raft/types.ts";
import { SnapshotDamagedError } from "./errors.ts";
import { asError } from "./segment-pool.ts";
import type { SnapshotFiles } from "./snapshot-files.ts";
import { SNAPSHOT_HEAD_BYTES, encodeSnapshotHead, snapshotName } from "./snapshot-header.ts";
import { nameDurably } from "./snapshot-writer.ts";

/**
 * @param bytes of the snapshot, from the first on, that are durable. On an error those that are held, durable now or soon:
 *   what follows on them must come again.
 */
export type PieceStored = (error: Error | undefined, snapshot: Snapshot, bytes: number) => void;

/**
 * A snapshot that comes in from a leader, in a file of its own. The head says how much of it is durable, and never more: it
 * is written behind the sync. So a restart goes on from there.
 */
export class PartialSnapshot {
  private readonly name: string;
  private contentBytes: number;
  private durableBytes: number;
  private syncing = false;
  private abandoned = false;
  private failure: Error | undefined;

  private constructor(
    private readonly files: SnapshotFiles,
    private readonly group: GroupId,
    readonly snapshot: Snapshot,
    private crc: number,
    heldBytes: number,
    private readonly stored: PieceStored,
  ) {
    this.name = snapshotName(group, snapshot, "partial");
    this.contentBytes = heldBytes;
    this.durableBytes = heldBytes;
  }

  /** @throws what the disk says */
  static begin(files: SnapshotFiles, group: GroupId, snapshot: Snapshot, stored: PieceStored): PartialSnapshot {
    const partial = new PartialSnapshot(files, group, snapshot, 0, 0, stored);
    files.create(partial.name);
    files.write(partial.name, 0, partial.head());
    return partial;
  }

  /** @param crc of the bytes that are held */
  static resume(
    files: SnapshotFiles,
    group: GroupId,
    found: { readonly snapshot: Snapshot; readonly heldBytes: number; readonly crc: number },
    stored: PieceStored,
  ): PartialSnapshot {
    return new PartialSnapshot(files, group, found.snapshot, found.crc, found.heldBytes, stored);
  }

  /**
   * The next piece; what of it is durable is told later, of several pieces at once perhaps. What follows upon a piece for
   * which there was no room is not written either, until that one comes again.
   */
  write(offset: number, bytes: Uint8Array): void {
    // The disk failed under it, and that was told.
    if (this.abandoned) return;
    assert(offset <= this.contentBytes || this.failure !== undefined, "the pieces of a snapshot come in order");
    if (offset !== this.contentBytes) {
      this.refuse();
      return;
    }
    assert(bytes.length <= limits.maxSnapshotChunkBytes, "pieces of a snapshot are small (PROTOCOLS D10)");
    assert(this.contentBytes + bytes.length <= this.snapshot.totalBytes, "there is no more of a snapshot than all");
    try {
      this.files.write(this.name, SNAPSHOT_HEAD_BYTES + offset, bytes);
    } catch (error) {
      this.failure = asError(error);
      this.refuse();
      return;
    }
    this.failure = undefined;
    this.contentBytes += bytes.length;
    this.crc = crc32c(bytes, 0, bytes.length, this.crc);
    if (!this.syncing) this.sync();
  }

  /** All is durable, and it is what its sender said. */
  get isIntact(): boolean {
    return this.durableBytes === this.snapshot.totalBytes && this.crc === this.snapshot.digest;
  }

  /** Of what is held. */
  read(offset: number, length: number): Uint8Array {
    assert(offset >= 0 && length >= 0 && offset + length <= this.contentBytes, "only what is there is read");
    return this.files.read(this.name, SNAPSHOT_HEAD_BYTES + offset, length);
  }

  /** All is durable: gives the file the name of a snapshot, if it is the one that it should be. */
  complete(done: (error?: Error) => void): void {
    const { files, group, snapshot, name } = this;
    assert(!this.syncing && this.durableBytes === snapshot.totalBytes, "a snapshot is completed when it is whole");
    if (!this.isIntact) {
      done(new SnapshotDamagedError(`The snapshot ${name} is not what its sender said.`));
      return;
    }
    nameDurably(files, group, snapshot, name, done);
  }

  /** Nothing of it is kept, and nothing more is told. */
  abandon(): void {
    this.abandoned = true;
    this.files.remove(this.name, () => {});
  }

  /** One at a time: what comes meanwhile is covered by the next. */
  private sync(): void {
    const written = this.contentBytes;
    this.syncing = true;
    this.files.sync(this.name, (error) => {
      this.syncing = false;
      if (this.abandoned) return;
      const failure = error ?? this.markDurable(written);
      if (failure === undefined) {
        if (this.contentBytes > written) this.sync();
        this.stored(undefined, this.snapshot, this.durableBytes);
        return;
      }
      // What the disk has of it nobody knows, also if it was only short of room.
      this.abandon();
      this.stored(failure, this.snapshot, 0);
    });
  }

  private refuse(): void {
    if (this.failure === undefined) this.stored(undefined, this.snapshot, this.durableBytes);
    else this.stored(this.failure, this.snapshot, this.contentBytes);
  }

  private markDurable(bytes: number): Error | undefined {
    this.durableBytes = bytes;
    try {
      this.files.write(this.name, 0, this.head());
    } catch (error) {
      return asError(error);
    }
    return undefined;
  }

  private head(): Uint8Array {
    return encodeSnapshotHead({ group: this.group, snapshot: this.snapshot, heldBytes: this.durableBytes });
  }
}
