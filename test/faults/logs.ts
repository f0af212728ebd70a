import type { GroupLog } from "../../src/raft/storage.ts";
import type { Entry, GroupId } from "../../src/raft/types.ts";
import type { PinnedExcerpt } from "../../src/wal/excerpt.ts";
import type { LogRecord, LogRoom, WriteAheadLog } from "../../src/wal/records.ts";

/** Says "durable" at once and writes when it can. */
export class EarlyLog implements WriteAheadLog {
  readonly recovered: ReadonlyMap<GroupId, GroupLog>;
  readonly room: LogRoom;
  private waiting: LogRecord[] = [];
  private flushing = false;

  constructor(private readonly log: WriteAheadLog) {
    this.recovered = log.recovered;
    this.room = log.room;
  }

  read(group: GroupId, from: number, to: number, maxBytes: number): Entry[] {
    return this.log.read(group, from, to, maxBytes);
  }

  pin(group: GroupId, from: number, to: number): PinnedExcerpt {
    return this.log.pin(group, from, to);
  }

  settle(): void {
    this.log.settle();
  }

  flush(records: readonly LogRecord[], onDurable: (error?: Error) => void): void {
    this.waiting.push(...records);
    this.pump();
    onDurable();
  }

  private pump(): void {
    if (this.flushing || this.waiting.length === 0) return;
    const records = this.waiting;
    this.waiting = [];
    this.flushing = true;
    this.log.flush(records, (error) => {
      this.flushing = error !== undefined;
      this.pump();
    });
  }
}

/** Does not read votes back. */
export class ForgetfulLog implements WriteAheadLog {
  readonly recovered: ReadonlyMap<GroupId, GroupLog>;
  readonly room: LogRoom;

  constructor(private readonly log: WriteAheadLog) {
    const recovered = new Map<GroupId, GroupLog>();
    for (const [group, found] of log.recovered) {
      recovered.set(group, { ...found, hardState: { ...found.hardState, vote: 0 } });
    }
    this.recovered = recovered;
    this.room = log.room;
  }

  read(group: GroupId, from: number, to: number, maxBytes: number): Entry[] {
    return this.log.read(group, from, to, maxBytes);
  }

  pin(group: GroupId, from: number, to: number): PinnedExcerpt {
    return this.log.pin(group, from, to);
  }

  settle(): void {
    this.log.settle();
  }

  flush(records: readonly LogRecord[], onDurable: (error?: Error) => void): void {
    this.log.flush(records, onDurable);
  }
}

/** On a full disk it says that entries are written, and writes the rest. */
export class BoastfulLog implements WriteAheadLog {
  readonly recovered: ReadonlyMap<GroupId, GroupLog>;
  readonly room: LogRoom;
  /** Entries that stand nowhere else, by index; once there are some, all that follow are here. */
  private readonly unwritten = new Map<number, Entry>();

  constructor(private readonly log: WriteAheadLog) {
    this.recovered = log.recovered;
    this.room = { entryBytes: 1_000_000, refusal: undefined, retry: () => log.room.retry() };
  }

  read(group: GroupId, from: number, to: number, maxBytes: number): Entry[] {
    const entry = this.unwritten.get(from);
    if (entry !== undefined) return [entry];
    const first = Math.min(to + 1, ...this.unwritten.keys());
    return this.log.read(group, from, Math.min(to, first - 1), maxBytes);
  }

  pin(group: GroupId, from: number, to: number): PinnedExcerpt {
    return this.log.pin(group, from, to);
  }

  settle(): void {
    this.log.settle();
  }

  flush(records: readonly LogRecord[], onDurable: (error?: Error) => void): void {
    const written = records.filter((record) => {
      if (this.unwritten.size === 0 && this.log.room.refusal === undefined) return true;
      if (record.type === "entries") for (const entry of record.entries) this.unwritten.set(entry.index, entry);
      return record.type === "hardState";
    });
    if (written.length > 0) this.log.flush(written, onDurable);
    else onDurable();
  }
}

/** Thinks that there is always room: what a full disk does not take waits for it. */
export class CarelessLog implements WriteAheadLog {
  readonly recovered: ReadonlyMap<GroupId, GroupLog>;
  readonly room: LogRoom;

  constructor(private readonly log: WriteAheadLog) {
    this.recovered = log.recovered;
    this.room = { entryBytes: Number.POSITIVE_INFINITY, refusal: undefined, retry: () => log.room.retry() };
  }

  read(group: GroupId, from: number, to: number, maxBytes: number): Entry[] {
    return this.log.read(group, from, to, maxBytes);
  }

  pin(group: GroupId, from: number, to: number): PinnedExcerpt {
    return this.log.pin(group, from, to);
  }

  settle(): void {
    this.log.settle();
  }

  flush(records: readonly LogRecord[], onDurable: (error?: Error) => void): void {
    this.log.flush(records, onDurable);
  }
}

/** Writes a term first, with the vote that there was before, and then who was voted for in it. */
export class ApartLog implements WriteAheadLog {
  readonly recovered: ReadonlyMap<GroupId, GroupLog>;
  readonly room: LogRoom;
  private vote = 0;

  constructor(private readonly log: WriteAheadLog) {
    this.recovered = log.recovered;
    this.room = log.room;
    for (const { hardState } of log.recovered.values()) this.vote = hardState.vote;
  }

  read(group: GroupId, from: number, to: number, maxBytes: number): Entry[] {
    return this.log.read(group, from, to, maxBytes);
  }

  pin(group: GroupId, from: number, to: number): PinnedExcerpt {
    return this.log.pin(group, from, to);
  }

  settle(): void {
    this.log.settle();
  }

  flush(records: readonly LogRecord[], onDurable: (error?: Error) => void): void {
    const { vote } = this;
    const votes = records.filter((record) => record.type === "hardState");
    const last = votes.at(-1);
    if (last === undefined || last.hardState.vote === vote) {
      this.log.flush(records, onDurable);
      return;
    }
    this.vote = last.hardState.vote;
    const terms = records.map((record) => {
      return record.type === "hardState" ? { ...record, hardState: { ...record.hardState, vote } } : record;
    });
    this.log.flush(terms, (error) => {
      if (error === undefined) this.log.flush(votes, onDurable);
      else onDurable(error);
    });
  }
}
