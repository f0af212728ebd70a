import { assert } from "../kernel/assert.ts";
import { ByteWriter } from "../kernel/bytes.ts";
import type { GroupLog } from "../raft/storage.ts";
import type { Entry, GroupId, HardState } from "../raft/types.ts";
import type { EntryLog } from "./entry-log.ts";
import type { PinnedExcerpt } from "./excerpt.ts";
import { type FlushId, MARK_BYTES, UNIT_HEAD_BYTES, alignUnit, encodeMark, sealUnit } from "./frame.ts";
import type { HardStateCopy } from "./hard-state-copy.ts";
import { carriedForward, oldestNeeded, writeLogHead } from "./log-head.ts";
import { writeRecord } from "./record-codec.ts";
import type { LogRecord, LogRoom, WriteAheadLog } from "./records.ts";
import type { RepairReport } from "./repair.ts";
import { SEGMENT_HEAD_BYTES, type Segment } from "./segment.ts";
import { SegmentCleaner } from "./segment-cleaner.ts";
import { type SegmentPool, asError } from "./segment-pool.ts";
import type { Volume } from "./volume.ts";

/** A buffer that one great flush made larger than this is given back. */
const KEPT_BUFFER_BYTES = 4 * 1024 * 1024;
/** What a unit holds beside its entries: its head, and for each group a few records, repeated ones among them. */
const UNIT_OVERHEAD_BYTES = 256;
const GROUP_OVERHEAD_BYTES = 192;
const NONE: readonly never[] = [];

/** Numbers of segments. */
export interface Oldest {
  /** That is there. */
  readonly kept: number;
  /** That begins with all that D6 asks for: earlier ones are of a release that knew no compaction. */
  readonly headed: number;
  /** That something is needed of. */
  readonly needed: number;
}

export interface SegmentedLogParts {
  readonly volume: Volume;
  readonly entries: EntryLog;
  readonly pool: SegmentPool;
  readonly recovered: ReadonlyMap<GroupId, GroupLog>;
  /** Where the next unit goes, and which flush stands before it. */
  readonly segment: Segment;
  readonly end: number;
  readonly flush: FlushId;
  readonly oldest: Oldest;
  /** Absent: hard states are in the log alone, and a log that is damaged cannot be repaired. */
  readonly copy: HardStateCopy | undefined;
  /** Present: the log was damaged, and began anew. */
  readonly repair?: RepairReport | undefined;
}

/** What is written as one unit. */
interface Flush {
  readonly records: readonly LogRecord[];
  /** Of other groups, written again before the records. */
  readonly carried: readonly LogRecord[];
  /** The unit repeats all that earlier segments were needed for, but for entries. */
  readonly head: { readonly patchAt: number; readonly oldestNeeded: number } | undefined;
  readonly onDurable: (error?: Error) => void;
}

/** The log once it is open: writes units one after the other, each durable before the next. */
export class SegmentedLog implements WriteAheadLog, LogRoom {
  readonly recovered: ReadonlyMap<GroupId, GroupLog>;
  readonly repair: RepairReport | undefined;
  /** Since the log was opened. */
  flushes = 0;
  flushedBytes = 0;

  private readonly volume: Volume;
  private readonly entries: EntryLog;
  private readonly pool: SegmentPool;
  private readonly cleaner: SegmentCleaner;
  private readonly copy: HardStateCopy | undefined;
  private readonly oldestKept: number;
  private headedFrom: number;
  private segment: Segment;
  /** Invariant: aligned, ≤ segment.bytes; all before it is durable unless `flushing`. */
  private end: number;
  /** The last durable flush: the next unit carries its mark. */
  private durable: FlushId;
  private unit = new ByteWriter(64 * 1024);
  private flushing = false;
  private failed = false;
  /** The mark of the last flush is written. */
  private isSettled = true;

  /** Use `openLog`. */
  constructor(parts: SegmentedLogParts) {
    const { volume, oldest } = parts;
    this.volume = volume;
    this.entries = parts.entries;
    this.pool = parts.pool;
    this.copy = parts.copy;
    this.repair = parts.repair;
    this.recovered = parts.recovered;
    this.segment = parts.segment;
    this.end = parts.end;
    this.durable = parts.flush;
    this.oldestKept = oldest.kept;
    this.headedFrom = oldest.headed;
    this.cleaner = new SegmentCleaner({ volume, lowest: oldest.kept, removed: (number) => this.removed(number) });
    this.cleaner.release(oldest.needed);
    this.pool.prepare();
  }

  get room(): LogRoom {
    return this;
  }

  /** A flush that is under way counts as written. */
  get entryBytes(): number {
    if (!this.pool.hasReserve) return 0;
    const rest = this.segment.bytes - this.end - (this.flushing ? this.unit.length : 0);
    const overhead = UNIT_OVERHEAD_BYTES + GROUP_OVERHEAD_BYTES * this.entries.groups.size;
    return Math.max(0, Math.max(rest, this.pool.spareBytes) - overhead);
  }

  get refusal(): Error | undefined {
    return this.pool.refusal;
  }

  retry(): void {
    this.pool.retry();
  }

  read(group: GroupId, from: number, to: number, maxBytes: number): Entry[] {
    return this.entries.read(group, from, to, maxBytes);
  }

  pin(group: GroupId, from: number, to: number): PinnedExcerpt {
    const excerpt = this.entries.excerpt(group, from, to);
    return { excerpt, release: this.cleaner.pin(excerpt.segments[0]?.number ?? 0) };
  }

  flush(records: readonly LogRecord[], onDurable: (error?: Error) => void): void {
    assert(!this.failed, "nothing is written after an error of the disk");
    assert(!this.flushing, "no flush is written before the previous one is durable");
    for (const record of records) this.entries.accept(record);
    this.flushing = true;
    this.isSettled = false;
    if (this.pool.failure !== undefined) {
      this.fail(this.pool.failure, onDurable);
      return;
    }
    // What the compaction frees goes at once, also on a disk that has no room for a next segment.
    const compacts = records.some(({ type }) => type === "logStart");
    const flush = this.encode(records, NONE, compacts, onDurable);
    const essential = records.every(isEssential);
    const fits = this.end + this.unit.length <= this.segment.bytes;
    if (fits && (essential || this.pool.hasReserve)) this.write(flush);
    else this.roll(records, essential, onDurable);
  }

  /** A new segment begins with what D6 asks for, in the frame of its first flush. */
  private roll(records: readonly LogRecord[], essential: boolean, onDurable: (error?: Error) => void): void {
    const carried = carriedForward(this.entries, records, this.segment.number + 1);
    let flush = this.encode(records, carried, true, onDurable);
    // Who was promised room for entries waits for no more of it.
    if (carried.length > 0 && this.unit.length > this.pool.spareBytes) {
      flush = this.encode(records, NONE, true, onDurable);
    }
    this.pool.take(this.unit.length, essential, (error, segment) => {
      if (segment === undefined) {
        this.fail(error ?? new Error("no segment"), onDurable);
        return;
      }
      this.entries.addSegment(segment);
      this.segment = segment;
      this.end = SEGMENT_HEAD_BYTES;
      this.headedFrom = Math.min(this.headedFrom, segment.number);
      this.write(flush);
    });
  }

  private encode(
    records: readonly LogRecord[],
    carried: readonly LogRecord[],
    withHead: boolean,
    onDurable: (error?: Error) => void,
  ): Flush {
    const { unit, entries } = this;
    unit.reset();
    unit.skip(UNIT_HEAD_BYTES);
    const head = withHead
      ? { patchAt: writeLogHead(unit, entries), oldestNeeded: oldestNeeded(entries, records, carried) }
      : undefined;
    for (const record of carried) writeRecord(unit, record);
    for (const record of records) writeRecord(unit, record);
    unit.skip(alignUnit(unit.length) - unit.length);
    return { records, carried, head, onDurable };
  }

  private write(flush: Flush): void {
    const { segment, end } = this;
    const oldest = this.oldestFor(flush);
    if (flush.head !== undefined) this.unit.patchU32(flush.head.patchAt, oldest);
    const bytes = this.unit.written();
    const id = sealUnit(bytes, segment, end, this.durable.sequence + 1, this.durable);
    try {
      this.volume.write(segment.name, end, bytes);
    } catch (error) {
      this.fail(asError(error), flush.onDurable);
      return;
    }
    this.volume.sync(segment.name, (error) => {
      if (error !== undefined) this.fail(error, flush.onDurable);
      else this.copyHardStates(flush, id, () => this.finish(flush, id, bytes.length, oldest));
    });
  }

  /** Terms and votes change rarely: all other flushes cost nothing here (PROTOCOLS D7). */
  private copyHardStates({ records, onDurable }: Flush, { sequence }: FlushId, then: () => void): void {
    if (this.copy === undefined || !records.some(({ type }) => type === "hardState")) {
      then();
      return;
    }
    const states = new Map<GroupId, HardState>();
    for (const [group, { hardState }] of this.entries.groups) states.set(group, hardState);
    for (const record of records) if (record.type === "hardState") states.set(record.group, record.hardState);
    this.copy.write(states, sequence, (error) => {
      if (error !== undefined) this.fail(error, onDurable);
      else then();
    });
  }

  /** The oldest segment that is needed once the flush is durable, as far as it says so. */
  private oldestFor({ head }: Flush): number {
    if (head === undefined) return 0;
    const oldest = Math.min(head.oldestNeeded, this.segment.number);
    return oldest < this.headedFrom ? this.oldestKept : oldest;
  }

  private finish({ records, carried, onDurable }: Flush, id: FlushId, bytes: number, oldest: number): void {
    const { segment, end, entries } = this;
    for (const record of carried) entries.absorb(record, segment.number, end);
    for (const record of records) entries.absorb(record, segment.number, end);
    this.durable = id;
    this.end += bytes;
    this.flushes++;
    this.flushedBytes += bytes;
    if (bytes > KEPT_BUFFER_BYTES) this.unit = new ByteWriter(64 * 1024);
    this.flushing = false;
    this.cleaner.release(oldest);
    this.pool.prepare();
    onDurable();
  }

  /**
   * Nothing was written for a while: the mark of the last flush follows by itself, unsynced as ever. Without it that flush would look
   * torn if it were damaged later, and be cut, acknowledged or not.
   */
  settle(): void {
    const { segment, end, durable } = this;
    if (this.flushing || this.failed || this.isSettled || durable.sequence === 0) return;
    this.isSettled = true;
    if (end + MARK_BYTES <= segment.bytes) this.volume.write(segment.name, end, encodeMark(segment, durable));
  }

  private removed(segment: number): void {
    this.entries.dropSegment(segment);
    if (this.pool.refusal !== undefined && !this.failed) this.pool.retry();
  }

  private fail(error: Error, onDurable: (error?: Error) => void): void {
    this.failed = true;
    onDurable(error);
  }
}

/**
 * What may use up the reserve: terms, votes, truncations, compactions, and the entry that opens a term, without which a
 * leader answers no read. Each is small, and there are few more of them than elections.
 */
function isEssential(record: LogRecord): boolean {
  return record.type !== "entries" || record.entries.every(({ kind }) => kind === "noop");
}
