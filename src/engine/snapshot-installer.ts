import { assert } from "../kernel/assert.ts";
import { DecodeError } from "../kernel/bytes.ts";
import type { StoredChunk } from "../raft/outbox.ts";
import type { Raft } from "../raft/raft.ts";
import type { GroupId, Snapshot } from "../raft/types.ts";
import { isNoRoom } from "../wal/errors.ts";
import type { SnapshotStore } from "../wal/snapshot-store.ts";
import type { StateMachine, StateRestoration } from "./state-machine.ts";

export interface InstallerOptions {
  readonly group: GroupId;
  readonly raft: Raft;
  readonly machine: StateMachine<unknown>;
  readonly store: SnapshotStore;
  readonly nowMs: () => number;
  /** A turn is wanted. */
  readonly wake: () => void;
  /** It is the state now. */
  readonly installed: (snapshot: Snapshot) => void;
  /** It cannot be had now: want of room, or it is not what it should be. */
  readonly refused: (snapshot: Snapshot, error: Error) => void;
  /** The disk failed (PROTOCOLS D9). */
  readonly failed: (error: Error) => void;
}

/** On its way into the state machine. */
interface Installation {
  readonly snapshot: Snapshot;
  readonly restoration: StateRestoration;
  takenBytes: number;
  /** The store makes it one of this node's own. */
  completing: boolean;
  completed: boolean;
}

/** Restoring gives way to the loop after so long, all groups together (PROTOCOLS D10). */
const RESTORE_BUDGET_MS = 5;
/** What is restored without a look at the clock, in bytes: about 3 ms. */
const RESTORE_BYTES = 64 * 1024;

/**
 * Stores the snapshot that a leader sends, and puts it in force: restores it beside the state that is in force, a slice a
 * turn, makes it durable as one of this node's own, and then lets it take that state's place. So nothing is lost with a
 * snapshot that turns out to be damaged, or of a newer release.
 */
export class SnapshotInstaller {
  private installation: Installation | undefined;
  /** A piece found no room: those that follow on it are not stored. */
  private short = false;

  constructor(private readonly options: InstallerOptions) {}

  store(chunks: readonly StoredChunk[]): void {
    const { store, group } = this.options;
    this.short = false;
    for (const { snapshot, offset, bytes } of chunks) {
      if (this.short && offset > 0) continue;
      this.short = false;
      store.receive(group, snapshot, offset, bytes);
    }
  }

  /** @param bytes see `PieceStored` */
  stored(error: Error | undefined, snapshot: Snapshot, bytes: number): void {
    const { raft, refused, failed, wake } = this.options;
    if (error === undefined) raft.snapshots.stored(snapshot, bytes);
    else if (isNoRoom(error)) {
      raft.snapshots.notStored(snapshot, bytes);
      // Of all that follow on it, too, the disk says so.
      if (!this.short) refused(snapshot, error);
      this.short = true;
    } else failed(error);
    wake();
  }

  begin(snapshot: Snapshot): void {
    const { machine, store, group } = this.options;
    assert(this.installation === undefined, "one snapshot is installed at a time");
    if (!store.isIntact(group, snapshot)) {
      this.refuse(snapshot, new Error("it is not what its sender said"));
      return;
    }
    const restoration = machine.restore();
    this.installation = { snapshot, restoration, takenBytes: 0, completing: false, completed: false };
  }

  /** What came in is of no use any more, once the core has forgotten it. */
  tidy(): void {
    const { raft, store, group } = this.options;
    if (raft.snapshots.receiving === undefined) store.abandonIncoming(group);
  }

  /** Goes on with what is installed, for its `share` of the budget. @returns false when another turn should follow */
  proceed(share: number): boolean {
    const { installation } = this;
    if (installation === undefined) return true;
    const { snapshot } = installation;
    if (installation.completed) {
      this.finish(installation);
      return false;
    }
    if (installation.completing) return true;
    try {
      this.restore(installation, share);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.refuse(snapshot, error);
      return false;
    }
    if (installation.takenBytes === snapshot.totalBytes) this.complete(installation);
    return false;
  }

  private restore(installation: Installation, share: number): void {
    const { store, group, nowMs } = this.options;
    const { snapshot, restoration } = installation;
    const untilMs = nowMs() + share * RESTORE_BUDGET_MS;
    while (installation.takenBytes < snapshot.totalBytes && nowMs() < untilMs) {
      const length = Math.min(RESTORE_BYTES, snapshot.totalBytes - installation.takenBytes);
      restoration.take(store.readIncoming(group, snapshot, installation.takenBytes, length));
      installation.takenBytes += length;
    }
  }

  private complete(installation: Installation): void {
    const { store, group, wake } = this.options;
    installation.completing = true;
    store.complete(group, installation.snapshot, (error) => {
      if (error === undefined) installation.completed = true;
      else if (isNoRoom(error)) this.refuse(installation.snapshot, error);
      else this.options.failed(error);
      wake();
    });
  }

  private finish({ snapshot, restoration }: Installation): void {
    const { raft, installed } = this.options;
    this.installation = undefined;
    // Else the log has overtaken it meanwhile.
    if (!raft.snapshots.installed(snapshot)) return;
    restoration.finish();
    installed(snapshot);
  }

  private refuse(snapshot: Snapshot, error: Error): void {
    const { raft, store, group, refused } = this.options;
    this.installation = undefined;
    store.abandonIncoming(group);
    raft.snapshots.failed(snapshot);
    refused(snapshot, error);
  }
}
