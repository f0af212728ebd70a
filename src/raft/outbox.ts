import { assert } from "../kernel/assert.ts";
import type { ReadId } from "./rounds.ts";
import type { Entry, HardState, LogPoint, Message, ReplicaId, Snapshot } from "./types.ts";

/** Where the log begins from now on. */
export interface LogStart {
  /** Entries up to here are void: they are in a durable snapshot. */
  readonly point: LogPoint;
  /** False: so are all others that were handed over before; a snapshot took their place. */
  readonly keepsRest: boolean;
}

/** The host reads the bytes, makes a `snapshotChunk` of them and sends it after what else it has for that replica. */
export interface ChunkOrder {
  readonly to: ReplicaId;
  readonly term: number;
  readonly snapshot: Snapshot;
  readonly offset: number;
  /** 0: a question, and nothing is to be read. */
  readonly bytes: number;
}

/** Bytes of a snapshot that comes in. At offset 0 a new one begins: what there was of another is void. */
export interface StoredChunk {
  readonly snapshot: Snapshot;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/**
 * What must be done, collected since the last time it was taken. The host does it in the one order that is
 * safe (PROTOCOLS D1–D3): send `immediate`; write `hardState`, `logStart`, `truncateFrom`, `entries` as one flush; when that
 * flush and all before it are durable, call `persisted` and send `deferred`; then apply what is committed.
 *
 * Snapshots wait for no flush. `chunksToSend` leave when there is room, or never. `chunksToStore` are stored in order; what
 * of them is durable is told to {@link Snapshots.stored}, what finds no room to {@link Snapshots.notStored}. `install` is
 * checked, restored, made durable, and ends with one call of {@link Snapshots.installed} or {@link Snapshots.failed}.
 */
export interface Effects {
  readonly hardState: HardState | undefined;
  readonly logStart: LogStart | undefined;
  /** Entries at and after this index, handed over earlier, are void. Comes before `entries`. */
  readonly truncateFrom: number | undefined;
  readonly entries: readonly Entry[];
  readonly immediate: readonly Message[];
  readonly deferred: readonly Message[];
  readonly readsReady: readonly { readonly id: ReadId; readonly index: number }[];
  readonly readsFailed: readonly ReadId[];
  readonly chunksToSend: readonly ChunkOrder[];
  readonly chunksToStore: readonly StoredChunk[];
  readonly install: Snapshot | undefined;
}

/** Nearly always there are no chunks, and nothing is allocated for them. */
const NONE: readonly never[] = [];
/** Nothing is to be done: always this one, so that a group at rest costs no allocation. */
export const NO_EFFECTS: Effects = {
  hardState: undefined,
  logStart: undefined,
  truncateFrom: undefined,
  entries: NONE,
  immediate: NONE,
  deferred: NONE,
  readsReady: NONE,
  readsFailed: NONE,
  chunksToSend: NONE,
  chunksToStore: NONE,
  install: undefined,
};

export class Outbox {
  private hardState: HardState | undefined;
  private logStart: LogStart | undefined;
  private truncateFrom: number | undefined;
  private entries: Entry[] = [];
  private immediate: Message[] = [];
  private deferred: Message[] = [];
  private readsReady: { id: ReadId; index: number }[] = [];
  private readsFailed: ReadId[] = [];
  private chunksToSend: ChunkOrder[] = [];
  private chunksToStore: StoredChunk[] = [];
  private toInstall: Snapshot | undefined;
  /** Last index given to the host. */
  private handedOver: number;
  /** Hard states changed, and changed and durable: equal when nothing is pending. */
  private changes = 0;
  private durableChanges = 0;

  constructor(lastIndex: number) {
    this.handedOver = lastIndex;
  }

  /** The {term, vote} in force is on disk: messages of this term may leave (PROTOCOLS D1). */
  get hardStateDurable(): boolean {
    return this.durableChanges === this.changes;
  }

  /** Counts changes of {term, vote}; `persistedHardState` takes it back. */
  get hardStateChanges(): number {
    return this.changes;
  }

  setHardState(hardState: HardState): void {
    this.hardState = hardState;
    this.changes++;
  }

  persistedHardState(changes: number): void {
    if (changes > this.durableChanges) this.durableChanges = changes;
  }

  /** Invariant: the entries up to there were handed over before. */
  compact(point: LogPoint): void {
    assert(this.logStart?.keepsRest !== false, "what is applied behind an installed snapshot was handed over after it");
    this.logStart = { point, keepsRest: true };
  }

  /** Nothing that was handed over holds any more: the log begins behind the point. */
  restart(point: LogPoint): void {
    this.logStart = { point, keepsRest: false };
    this.truncateFrom = undefined;
    this.entries = [];
    this.handedOver = point.index;
  }

  append(entry: Entry): void {
    this.entries.push(entry);
  }

  truncate(from: number): void {
    while ((this.entries.at(-1)?.index ?? 0) >= from) this.entries.pop();
    if (from > this.handedOver) return;
    this.truncateFrom = Math.min(this.truncateFrom ?? from, from);
    this.handedOver = from - 1;
  }

  /** Leaves at once if its term is durable, otherwise after the flush. */
  send(message: Message): void {
    if (this.hardStateDurable) this.immediate.push(message);
    else this.deferred.push(message);
  }

  /** Leaves only after the next flush: it speaks of what that flush writes. */
  sendAfterFlush(message: Message): void {
    this.deferred.push(message);
  }

  /** The term is durable: that a follower needs a snapshot shows in its answer to what left before. */
  sendChunk(chunk: ChunkOrder): void {
    assert(this.hardStateDurable, "a leader's term is durable before its first message");
    this.chunksToSend.push(chunk);
  }

  storeChunk(chunk: StoredChunk): void {
    this.chunksToStore.push(chunk);
  }

  install(snapshot: Snapshot): void {
    this.toInstall = snapshot;
  }

  readReady(id: ReadId, index: number): void {
    this.readsReady.push({ id, index });
  }

  readFailed(id: ReadId): void {
    this.readsFailed.push(id);
  }

  take(): Effects {
    if (this.isEmpty) return NO_EFFECTS;
    const effects: Effects = {
      hardState: this.hardState,
      logStart: this.logStart,
      truncateFrom: this.truncateFrom,
      entries: this.entries,
      immediate: this.immediate,
      deferred: this.deferred,
      readsReady: this.readsReady,
      readsFailed: this.readsFailed,
      chunksToSend: this.chunksToSend.length > 0 ? this.chunksToSend : NONE,
      chunksToStore: this.chunksToStore.length > 0 ? this.chunksToStore : NONE,
      install: this.toInstall,
    };
    this.handedOver = this.entries.at(-1)?.index ?? this.handedOver;
    this.hardState = undefined;
    this.logStart = undefined;
    this.truncateFrom = undefined;
    this.entries = [];
    this.immediate = [];
    this.deferred = [];
    this.readsReady = [];
    this.readsFailed = [];
    if (this.chunksToSend.length > 0) this.chunksToSend = [];
    if (this.chunksToStore.length > 0) this.chunksToStore = [];
    this.toInstall = undefined;
    return effects;
  }

  private get isEmpty(): boolean {
    return (
      this.hardState === undefined &&
      this.logStart === undefined &&
      this.truncateFrom === undefined &&
      this.toInstall === undefined &&
      this.entries.length === 0 &&
      this.immediate.length === 0 &&
      this.deferred.length === 0 &&
      this.readsReady.length === 0 &&
      this.readsFailed.length === 0 &&
      this.chunksToSend.length === 0 &&
      this.chunksToStore.length === 0
    );
  }
}
