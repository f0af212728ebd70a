import type { ReadId } from "./rounds.ts";
import type { Entry, HardState, Message } from "./types.ts";

/**
 * What must be done, collected since the last time it was taken. The host does it in the one order that is
 * safe (PROTOCOLS D1–D3): send `immediate`; write `hardState`, `truncateFrom`, `entries` as one flush; when that
 * flush and all before it are durable, call `persisted` and send `deferred`; then apply what is committed.
 */
export interface Effects {
  readonly hardState: HardState | undefined;
  /** Entries at and after this index, handed over earlier, are void. Comes before `entries`. */
  readonly truncateFrom: number | undefined;
  readonly entries: readonly Entry[];
  readonly immediate: readonly Message[];
  readonly deferred: readonly Message[];
  readonly readsReady: readonly { readonly id: ReadId; readonly index: number }[];
  readonly readsFailed: readonly ReadId[];
}

export class Outbox {
  private hardState: HardState | undefined;
  private truncateFrom: number | undefined;
  private entries: Entry[] = [];
  private immediate: Message[] = [];
  private deferred: Message[] = [];
  private readsReady: { id: ReadId; index: number }[] = [];
  private readsFailed: ReadId[] = [];
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

  readReady(id: ReadId, index: number): void {
    this.readsReady.push({ id, index });
  }

  readFailed(id: ReadId): void {
    this.readsFailed.push(id);
  }

  take(): Effects {
    const effects: Effects = {
      hardState: this.hardState,
      truncateFrom: this.truncateFrom,
      entries: this.entries,
      immediate: this.immediate,
      deferred: this.deferred,
      readsReady: this.readsReady,
      readsFailed: this.readsFailed,
    };
    this.handedOver = this.entries.at(-1)?.index ?? this.handedOver;
    this.hardState = undefined;
    this.truncateFrom = undefined;
    this.entries = [];
    this.immediate = [];
    this.deferred = [];
    this.readsReady = [];
    this.readsFailed = [];
    return effects;
  }
}
