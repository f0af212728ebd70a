import { assert } from "../kernel/assert.ts";
import type { GroupLog } from "../raft/storage.ts";
import type { GroupId, Snapshot } from "../raft/types.ts";
import { SnapshotLostError } from "./errors.ts";
import { PartialSnapshot, type PieceStored } from "./partial-snapshot.ts";
import type { SnapshotFiles } from "./snapshot-files.ts";
import { SNAPSHOT_HEAD_BYTES, isSameSnapshot, snapshotName } from "./snapshot-header.ts";
import { type FoundSnapshots, scanSnapshots } from "./snapshot-scan.ts";
import { asError } from "./segment-pool.ts";

/** The newest, and the one before it, in case the newest cannot be read one day. */
const KEPT = 2;

interface Kept {
  readonly snapshot: Snapshot;
  readers: number;
}

interface GroupSnapshots {
  /** Durable, the newest last. */
  kept: Kept[];
  partial: PartialSnapshot | undefined;
  /** Names of files that were snapshots. */
  damaged: readonly string[];
}

/** What is there of one group's snapshots when the store is opened. */
export interface RecoveredSnapshots {
  /** The newest that is whole: its bytes were checked. */
  readonly newest: Snapshot | undefined;
  /** What came in from a leader before the process ended. */
  readonly incoming: { readonly snapshot: Snapshot; readonly durableBytes: number } | undefined;
}

/**
 * The snapshots of one node, by group: which are durable, which may go, and the one that comes in. Of the thread that runs
 * the loop; others write with a `SnapshotWriter`, and read what is pinned.
 *
 * Errors of the disk come through callbacks: want of room costs the snapshot at hand and nothing else (`isNoRoom`), any other is
 * fatal (PROTOCOLS D9).
 */
export class SnapshotStore {
  readonly recovered: ReadonlyMap<GroupId, RecoveredSnapshots>;
  /** Told of every piece of an incoming snapshot that is durable, or finds no room. */
  stored: (group: GroupId, ...piece: Parameters<PieceStored>) => void = () => {};
  private readonly groups = new Map<GroupId, GroupSnapshots>();

  /**
   * Opens the folder: checks every byte of what it will use, deletes leftovers.
   *
   * @throws {LogFormatError} for a snapshot of a newer release
   */
  constructor(
    private readonly files: SnapshotFiles,
    private readonly pathOf: (name: string) => string = (name) => name,
  ) {
    const recovered = new Map<GroupId, RecoveredSnapshots>();
    for (const [group, found] of scanSnapshots(files, pathOf)) recovered.set(group, this.take(group, found));
    this.recovered = recovered;
  }

  /** The newest that is durable. */
  newest(group: GroupId): Snapshot | undefined {
    return this.groups.get(group)?.kept.at(-1)?.snapshot;
  }

  /** The one before it. */
  previous(group: GroupId, { index }: Snapshot): Snapshot | undefined {
    return this.groups.get(group)?.kept.findLast(({ snapshot }) => snapshot.index < index)?.snapshot;
  }

  /**
   * Entries up to here may be compacted (PROTOCOLS D8): the older of the snapshots that are kept begins there, and with the
   * entries behind it takes the place of a newest one that cannot be read. 0 while there are not two.
   */
  compactableIndex(group: GroupId): number {
    const kept = this.groups.get(group)?.kept ?? [];
    return kept.length < KEPT ? 0 : (kept.at(-KEPT)?.snapshot.index ?? 0);
  }

  /** How a person finds the files that were snapshots and cannot be used. They go when two good ones are there. */
  damaged(group: GroupId): readonly string[] {
    return (this.groups.get(group)?.damaged ?? []).map((name) => this.pathOf(name));
  }

  /** @throws {SnapshotLostError} when a group's log begins behind the newest snapshot that can be read */
  requireFor(logs: ReadonlyMap<GroupId, GroupLog>): void {
    for (const [group, { compacted }] of logs) {
      if (compacted === undefined || compacted.index <= (this.newest(group)?.index ?? 0)) continue;
      throw new SnapshotLostError(group, compacted.index, this.damaged(group));
    }
  }

  /** A `SnapshotWriter` has made it durable. */
  adopt(group: GroupId, snapshot: Snapshot): void {
    const state = this.group(group);
    const { kept } = state;
    // ↯ Made again, it has the name of the damaged one, and would be deleted as that.
    const name = snapshotName(group, snapshot, "snapshot");
    state.damaged = state.damaged.filter((other) => other !== name);
    if (kept.some((other) => isSameSnapshot(other.snapshot, snapshot))) return;
    const at = kept.findIndex((other) => other.snapshot.index > snapshot.index);
    kept.splice(at < 0 ? kept.length : at, 0, { snapshot, readers: 0 });
  }

  /**
   * Bytes of the content of a snapshot that is kept; undefined: it is not, any more.
   *
   * @param length at most `limits.maxSnapshotChunkBytes` on a thread that others wait for
   */
  read(group: GroupId, snapshot: Snapshot, offset: number, length: number): Uint8Array | undefined {
    if (this.find(group, snapshot) === undefined) return undefined;
    return readSnapshot(this.files, group, snapshot, offset, length);
  }

  /** How a person finds the file. */
  path(group: GroupId, snapshot: Snapshot): string {
    return this.pathOf(snapshotName(group, snapshot, "snapshot"));
  }

  /** Keeps its file for a reader in another thread. @returns ends that; to be called once */
  pin(group: GroupId, snapshot: Snapshot): () => void {
    const kept = this.find(group, snapshot);
    assert(kept !== undefined, "a snapshot that is pinned is kept");
    kept.readers++;
    return () => {
      kept.readers--;
    };
  }

  /** Deletes what is neither among the two newest, nor pinned, nor needed. Asked now and then. */
  prune(group: GroupId, isNeeded: (snapshot: Snapshot) => boolean): void {
    const state = this.group(group);
    const old = state.kept.slice(0, -KEPT).filter(({ readers, snapshot }) => readers === 0 && !isNeeded(snapshot));
    state.kept = state.kept.filter((kept) => !old.includes(kept));
    for (const { snapshot } of old) this.files.remove(snapshotName(group, snapshot, "snapshot"), () => {});
    // Kept until two good ones are there: somebody may want to look at it.
    if (state.kept.length < KEPT) return;
    for (const name of state.damaged) this.files.remove(name, () => {});
    state.damaged = [];
  }

  /** Stores the next piece of a snapshot that comes in; at offset 0 a new one begins, and what there was of another goes. */
  receive(group: GroupId, snapshot: Snapshot, offset: number, bytes: Uint8Array): void {
    try {
      if (offset === 0) this.begin(group, snapshot, this.group(group));
    } catch (error) {
      this.stored(group, asError(error), snapshot, 0);
      return;
    }
    this.incoming(group, snapshot).write(offset, bytes);
  }

  /** All bytes of the incoming snapshot are durable, and they are what its sender said. */
  isIntact(group: GroupId, snapshot: Snapshot): boolean {
    return this.incoming(group, snapshot).isIntact;
  }

  /** Bytes of the incoming snapshot. */
  readIncoming(group: GroupId, snapshot: Snapshot, offset: number, length: number): Uint8Array {
    return this.incoming(group, snapshot).read(offset, length);
  }

  /**
   * The incoming snapshot is whole: checks it and makes it one of this node's own. On an error nothing of it is left;
   * {@link SnapshotDamagedError}: it is not what its sender said.
   */
  complete(group: GroupId, snapshot: Snapshot, done: (error?: Error) => void): void {
    const partial = this.incoming(group, snapshot);
    this.group(group).partial = undefined;
    partial.complete((error) => {
      if (error === undefined) this.adopt(group, snapshot);
      else partial.abandon();
      done(error);
    });
  }

  /** What has come in is of no use any more. */
  abandonIncoming(group: GroupId): void {
    const state = this.group(group);
    state.partial?.abandon();
    state.partial = undefined;
  }

  private incoming(group: GroupId, snapshot: Snapshot): PartialSnapshot {
    const { partial } = this.group(group);
    assert(partial !== undefined && isSameSnapshot(partial.snapshot, snapshot), "what has come in is completed");
    return partial;
  }

  private begin(group: GroupId, snapshot: Snapshot, state: GroupSnapshots): void {
    this.abandonIncoming(group);
    const stored: PieceStored = (...piece) => this.stored(group, ...piece);
    state.partial = PartialSnapshot.begin(this.files, group, snapshot, stored);
  }

  private take(group: GroupId, { whole, partial, damaged }: FoundSnapshots): RecoveredSnapshots {
    const state = this.group(group);
    state.kept = whole.map((snapshot) => ({ snapshot, readers: 0 }));
    state.damaged = damaged;
    const stored: PieceStored = (...piece) => this.stored(group, ...piece);
    if (partial !== undefined) state.partial = PartialSnapshot.resume(this.files, group, partial, stored);
    const incoming = partial && { snapshot: partial.snapshot, durableBytes: partial.heldBytes };
    return { newest: this.newest(group), incoming };
  }

  private find(group: GroupId, snapshot: Snapshot): Kept | undefined {
    return this.groups.get(group)?.kept.find((kept) => isSameSnapshot(kept.snapshot, snapshot));
  }

  private group(group: GroupId): GroupSnapshots {
    let state = this.groups.get(group);
    if (state === undefined) {
      state = { kept: [], partial: undefined, damaged: [] };
      this.groups.set(group, state);
    }
    return state;
  }
}

/** Bytes of the content of a snapshot that is kept as long as they are read: in whatever thread. */
export function readSnapshot(
  files: Pick<SnapshotFiles, "read">,
  group: GroupId,
  snapshot: Snapshot,
  offset: number,
  length: number,
): Uint8Array {
  assert(offset >= 0 && length >= 0 && offset + length <= snapshot.totalBytes, "only what is there is read");
  return files.read(snapshotName(group, snapshot, "snapshot"), SNAPSHOT_HEAD_BYTES + offset, length);
}
