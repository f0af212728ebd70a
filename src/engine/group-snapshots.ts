import type { Effects } from "../raft/outbox.ts";
import type { Raft } from "../raft/raft.ts";
import type { GroupId, Snapshot } from "../raft/types.ts";
import type { WriteAheadLog } from "../wal/records.ts";
import type { SnapshotStore } from "../wal/snapshot-store.ts";
import { SnapshotInstaller } from "./snapshot-installer.ts";
import type { SnapshotFailure, SnapshotMade, SnapshotMaker } from "./snapshot-maker.ts";
import { type SnapshotPace, SnapshotTaker } from "./snapshot-taker.ts";
import type { StateMachine } from "./state-machine.ts";
import type { EngineStatistics } from "./statistics.ts";

/** Where a node keeps its snapshots, and who makes them. */
export interface SnapshotPorts {
  readonly store: SnapshotStore;
  readonly maker: SnapshotMaker;
}

/** What people are told. Durations in ms. */
export type SnapshotNews =
  | { readonly type: "taken"; readonly snapshot: Snapshot; readonly durationMs: number }
  | { readonly type: "failed"; readonly index: number; readonly failure: SnapshotFailure }
  | { readonly type: "installed"; readonly snapshot: Snapshot }
  /** One that a leader sent. */
  | { readonly type: "refused"; readonly snapshot: Snapshot; readonly error: Error };

export interface GroupSnapshotsOptions extends SnapshotPorts {
  readonly group: GroupId;
  readonly raft: Raft;
  readonly machine: StateMachine<unknown>;
  readonly log: WriteAheadLog;
  readonly pace: SnapshotPace;
  readonly statistics: EngineStatistics;
  /** Of entries applied since the start. */
  readonly appliedBytes: () => number;
  readonly nowMs: () => number;
  readonly wake: () => void;
  readonly news: (news: SnapshotNews) => void;
  /** The state is another one, as of a later entry. */
  readonly jumped: () => void;
  /** The disk failed (PROTOCOLS D9). */
  readonly failed: (error: Error) => void;
}

/** The snapshots of one group on one node: those that it takes, and the one that a leader sends to it. */
export class GroupSnapshots {
  private readonly taker: SnapshotTaker;
  private readonly installer: SnapshotInstaller;

  constructor(private readonly options: GroupSnapshotsOptions) {
    const { machine, raft } = options;
    this.taker = new SnapshotTaker({
      ...options,
      present: () => this.checkpointAt(raft.log.appliedIndex, machine.stateHash()),
      taken: (snapshot, durationMs) => this.taken(snapshot, durationMs),
      failed: (index, failure) => this.takeFailed(index, failure),
    });
    this.installer = new SnapshotInstaller({
      ...options,
      installed: (snapshot) => this.installed(snapshot),
      refused: (snapshot, error) => this.refused(snapshot, error),
    });
  }

  /** Every so often: takes one when it is due, if the group `serves`, and lets go of what nobody needs. */
  tick(nowMs: number, serves: boolean): void {
    if (serves) this.taker.tick(nowMs);
    else this.taker.stop();
    this.installer.tidy();
  }

  /** Wants one of all that is applied by now: see {@link SnapshotTaker.ask}. */
  ask(done: SnapshotMade): void {
    this.taker.ask(done);
  }

  /** The state as of the entry that was applied last hashes so. */
  checkpoint(index: number, stateHash: number): void {
    this.taker.reached(this.checkpointAt(index, stateHash));
  }

  carryOut({ chunksToStore, install }: Effects): void {
    if (chunksToStore.length > 0) this.installer.store(chunksToStore);
    if (install !== undefined) this.installer.begin(install);
  }

  /** A piece of the incoming snapshot is durable, or found no room. */
  stored(error: Error | undefined, snapshot: Snapshot, bytes: number): void {
    this.installer.stored(error, snapshot, bytes);
  }

  /** @returns false when another turn should follow */
  proceed(share: number): boolean {
    return this.installer.proceed(share);
  }

  /** For a follower. Undefined: this node has it no more, or cannot read it. */
  read(snapshot: Snapshot, offset: number, length: number): Uint8Array | undefined {
    const { store, group } = this.options;
    try {
      const bytes = store.read(group, snapshot, offset, length);
      return bytes?.length === length ? bytes : undefined;
    } catch {
      return undefined;
    }
  }

  private checkpointAt(index: number, stateHash: number) {
    return { index, stateHash, appliedBytes: this.options.appliedBytes() };
  }

  private taken(snapshot: Snapshot, durationMs: number): void {
    const { statistics, news, wake } = this.options;
    statistics.snapshotsTaken++;
    this.prune();
    news({ type: "taken", snapshot, durationMs });
    wake();
  }

  private takeFailed(index: number, failure: SnapshotFailure): void {
    const { statistics, news, failed } = this.options;
    statistics.snapshotsFailed++;
    news({ type: "failed", index, failure });
    if (failure.reason === "disk") failed(new Error(failure.message));
  }

  private installed(snapshot: Snapshot): void {
    const { statistics, news, jumped } = this.options;
    statistics.snapshotsInstalled++;
    this.taker.restart();
    this.prune();
    jumped();
    news({ type: "installed", snapshot });
  }

  private refused(snapshot: Snapshot, error: Error): void {
    const { statistics, news } = this.options;
    statistics.snapshotsRefused++;
    news({ type: "refused", snapshot, error });
  }

  private prune(): void {
    const { store, group, raft } = this.options;
    store.prune(group, ({ index }) => raft.snapshots.isNeeded(index));
  }
}
