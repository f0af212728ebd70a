import { assert } from "../kernel/assert.ts";
import type { Raft } from "../raft/raft.ts";
import type { GroupId, Snapshot } from "../raft/types.ts";
import type { WriteAheadLog } from "../wal/records.ts";
import type { SnapshotStore } from "../wal/snapshot-store.ts";
import type { SnapshotFailure, SnapshotMade, SnapshotMaker, SnapshotOrder } from "./snapshot-maker.ts";

/** When a group's snapshot is due: what `limits` says, and smaller in tests. */
export interface SnapshotPace {
  /** Behind the newest snapshot. */
  readonly snapshotEveryEntries: number;
  /** Of entries behind the newest snapshot. */
  readonly snapshotEveryBytes: number;
}

/** An applied entry of which the state is known by its hash. */
interface Checkpoint {
  readonly index: number;
  readonly stateHash: number;
  /** Bytes of entries applied until then, since the start. */
  readonly appliedBytes: number;
}

export interface TakerOptions {
  readonly group: GroupId;
  readonly raft: Raft;
  readonly log: WriteAheadLog;
  readonly store: SnapshotStore;
  readonly maker: SnapshotMaker;
  readonly pace: SnapshotPace;
  /** State and hash as of the entry that was applied last. */
  readonly present: () => Checkpoint;
  readonly nowMs: () => number;
  readonly taken: (snapshot: Snapshot, durationMs: number) => void;
  readonly failed: (index: number, failure: SnapshotFailure) => void;
}

/** After a failure the next try waits for so long, then twice as long, and so on, in ms. */
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;

/**
 * Has snapshots of what is applied made, one after the other, so that the log stays short. As often as not at an entry of
 * which the state hash is compared among the replicas: then all of them make the same one.
 */
export class SnapshotTaker {
  private checkpoint: Checkpoint | undefined;
  /** Applied when the newest snapshot was made. */
  private snapshotBytes = 0;
  private isMaking = false;
  private notBeforeMs = Number.NEGATIVE_INFINITY;
  private retryMs = FIRST_RETRY_MS;
  /** The newest snapshot, when it could not be read: the one before it takes its place. */
  private damaged: Snapshot | undefined;
  /** Somebody waits for one of that entry, or a later one. */
  private asked: { readonly index: number; readonly done: SnapshotMade } | undefined;

  constructor(private readonly options: TakerOptions) {}

  /** A snapshot is being made now. */
  get making(): boolean {
    return this.isMaking;
  }

  reached(checkpoint: Checkpoint): void {
    this.checkpoint = checkpoint;
  }

  /** Another state is in force: what was applied to the one before counts no more. */
  restart(): void {
    this.checkpoint = undefined;
    this.snapshotBytes = this.options.present().appliedBytes;
  }

  /** Wants one of all that is applied by now. `done` is called once, in a later turn. */
  ask(done: SnapshotMade): void {
    assert(this.asked === undefined, "one at a time asks for a snapshot");
    this.asked = { index: this.options.present().index, done };
  }

  /** The group applies nothing any more. */
  stop(): void {
    this.answer({ reason: "died", message: "the group has stopped" }, undefined);
  }

  tick(nowMs: number): void {
    const { raft, present } = this.options;
    if (this.isMaking || raft.snapshots.isInstalling) return;
    if (this.asked !== undefined) {
      this.makeAsked(this.asked.index, nowMs);
      return;
    }
    if (nowMs < this.notBeforeMs) return;
    const { checkpoint } = this;
    if (checkpoint !== undefined && this.isDue(checkpoint, 1)) {
      this.make(checkpoint, nowMs);
      return;
    }
    // Of large entries few make much log, and no checkpoint lies among them.
    const last = present();
    if (this.isDue(last, 2)) this.make(last, nowMs);
  }

  private makeAsked(index: number, nowMs: number): void {
    const { raft, present } = this.options;
    const newest = raft.log.snapshot;
    if (newest === undefined || newest.index < index || newest === this.damaged) this.make(present(), nowMs);
    else this.answer(undefined, newest);
  }

  private answer(failure: SnapshotFailure | undefined, snapshot: Snapshot | undefined): void {
    const { asked } = this;
    this.asked = undefined;
    asked?.done(failure, snapshot);
  }

  private isDue({ index, appliedBytes }: Checkpoint, times: number): boolean {
    const { raft, pace } = this.options;
    const entries = index - (raft.log.snapshot?.index ?? 0);
    if (entries <= 0) return false;
    // ↯ Who joins does not know who belonged to the group before the first change in its log, and a snapshot says it to others.
    if (raft.log.configurations.at(index).voters.length === 0) return false;
    const bytes = appliedBytes - this.snapshotBytes;
    return entries >= times * pace.snapshotEveryEntries || bytes >= times * pace.snapshotEveryBytes;
  }

  private make({ index, stateHash, appliedBytes }: Checkpoint, startMs: number): void {
    const { group, raft, log, store, maker } = this.options;
    const base = this.base();
    const pinned = log.pin(group, (base?.index ?? 0) + 1, index);
    const release = base === undefined ? (): void => {} : store.pin(group, base);
    const configuration = raft.log.configurations.at(index);
    assert(configuration.voters.length > 0, "a snapshot says who belongs to the group");
    const point = { ...raft.log.point(index), configuration };
    const order: SnapshotOrder = { group, base, excerpt: pinned.excerpt, point, stateHash };
    this.isMaking = true;
    maker.make(order, (failure, snapshot) => {
      this.isMaking = false;
      pinned.release();
      release();
      const durationMs = this.options.nowMs() - startMs;
      if (snapshot === undefined) this.failed(order, failure);
      else this.made(snapshot, appliedBytes, durationMs);
    });
  }

  /** What the next one begins with. */
  private base(): Snapshot | undefined {
    const { group, raft, store } = this.options;
    const newest = raft.log.snapshot;
    if (newest === undefined || newest !== this.damaged) return newest;
    const previous = store.previous(group, newest);
    return (previous?.index ?? 0) >= raft.log.compacted.index ? previous : newest;
  }

  private made(snapshot: Snapshot, appliedBytes: number, durationMs: number): void {
    const { group, raft, store, nowMs, taken } = this.options;
    store.adopt(group, snapshot);
    // It rests for as long as it works: whoever applies at full speed keeps half of the other processor.
    this.notBeforeMs = nowMs() + durationMs;
    this.retryMs = FIRST_RETRY_MS;
    if (!raft.snapshots.taken(snapshot, store.compactableIndex(group))) return;
    this.snapshotBytes = appliedBytes;
    taken(snapshot, durationMs);
  }

  private failed({ base, point }: SnapshotOrder, failure: SnapshotFailure | undefined): void {
    const { nowMs, failed } = this.options;
    this.notBeforeMs = nowMs() + this.retryMs;
    this.retryMs = Math.min(2 * this.retryMs, LAST_RETRY_MS);
    const found = failure ?? { reason: "died", message: "it ended without a word" };
    if (found.reason === "damaged") this.damaged = base;
    failed(point.index, found);
    this.answer(found, undefined);
  }
}
