import { assert } from "../kernel/assert.ts";
import { ByteWriter } from "../kernel/bytes.ts";
import type { GroupLog } from "../raft/storage.ts";
import type { Entry, GroupId } from "../raft/types.ts";
import type { EntryLog } from "./entry-log.ts";
import { type FlushId, UNIT_HEAD_BYTES, alignUnit, sealUnit } from "./frame.ts";
import { writeHardState, writeRecord } from "./record-codec.ts";
import type { LogRecord, LogRoom, WriteAheadLog } from "./records.ts";
import { SEGMENT_HEAD_BYTES, type Segment } from "./segment.ts";
import { type SegmentPool, asError } from "./segment-pool.ts";
import type { Volume } from "./volume.ts";

/** A buffer that one great flush made larger than this is given back. */
const KEPT_BUFFER_BYTES = 4 * 1024 * 1024;
/** What a unit holds beside its entries: its head, and for each group a hard state, twice in a new segment. */
const UNIT_OVERHEAD_BYTES = 256;
const GROUP_OVERHEAD_BYTES = 64;

export interface SegmentedLogParts {
  readonly volume: Volume;
  readonly entries: EntryLog;
  readonly pool: SegmentPool;
  readonly recovered: ReadonlyMap<GroupId, GroupLog>;
  /** Where the next unit goes, and which flush stands before it. */
  readonly segment: Segment;
  readonly end: number;
  readonly flush: FlushId;
}

/** The log once it is open: writes units one after the other, each durable before the next. */
export class SegmentedLog implements WriteAheadLog, LogRoom {
  readonly recovered: ReadonlyMap<GroupId, GroupLog>;
  /** Since the log was opened. */
  flushes = 0;
  flushedBytes = 0;

  private readonly volume: Volume;
  private readonly entries: EntryLog;
  private readonly pool: SegmentPool;
  private segment: Segment;
  /** Invariant: aligned, ≤ segment.bytes; all before it is durable unless `flushing`. */
  private end: number;
  /** The last durable flush: the next unit carries its mark. */
  private durable: FlushId;
  private unit = new ByteWriter(64 * 1024);
  private flushing = false;
  private failed = false;

  /** Use `openLog`. */
  constructor(parts: SegmentedLogParts) {
    this.volume = parts.volume;
    this.entries = parts.entries;
    this.pool = parts.pool;
    this.recovered = parts.recovered;
    this.segment = parts.segment;
    this.end = parts.end;
    this.durable = parts.flush;
    this.pool.prepare();
  }

  get room(): LogRoom {
    return this;
  }

  /** A flush that is under way counts as written. */
  get entryBytes(): number {
    if (!this.pool.hasReserve) return 0;
    const rest = this.segment.bytes - this.end - (this.flushing ? this.unit.length : 0);
    const overhead = UNIT_OVERHEAD_BYTES + GROUP_OVERHEAD_BYTES * this.entries.groupCount;
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

  flush(records: readonly LogRecord[], onDurable: (error?: Error) => void): void {
    assert(!this.failed, "nothing is written after an error of the disk");
    assert(!this.flushing, "no flush is written before the previous one is durable");
    for (const record of records) this.entries.accept(record);
    this.flushing = true;
    if (this.pool.failure !== undefined) {
      this.fail(this.pool.failure, onDurable);
      return;
    }
    this.encode(records, false);
    const essential = records.every(isEssential);
    const fits = this.end + this.unit.length <= this.segment.bytes;
    if (fits && (essential || this.pool.hasReserve)) this.write(records, onDurable);
    else this.roll(records, essential, onDurable);
  }

  /** A new segment begins with every group's hard state, in the frame of its first flush (PROTOCOLS D6). */
  private roll(records: readonly LogRecord[], essential: boolean, onDurable: (error?: Error) => void): void {
    this.encode(records, true);
    this.pool.take(this.unit.length, essential, (error, segment) => {
      if (segment === undefined) {
        this.fail(error ?? new Error("no segment"), onDurable);
        return;
      }
      this.entries.addSegment(segment);
      this.segment = segment;
      this.end = SEGMENT_HEAD_BYTES;
      this.write(records, onDurable);
    });
  }

  private encode(records: readonly LogRecord[], withHardStates: boolean): void {
    const { unit } = this;
    unit.reset();
    unit.skip(UNIT_HEAD_BYTES);
    if (withHardStates)
      for (const [group, hardState] of this.entries.hardStates()) writeHardState(unit, group, hardState);
    for (const record of records) writeRecord(unit, record);
    unit.skip(alignUnit(unit.length) - unit.length);
  }

  private write(records: readonly LogRecord[], onDurable: (error?: Error) => void): void {
    const { segment, end } = this;
    const bytes = this.unit.written();
    const flush = sealUnit(bytes, segment, end, this.durable.sequence + 1, this.durable);
    try {
      this.volume.write(segment.name, end, bytes);
    } catch (error) {
      this.fail(asError(error), onDurable);
      return;
    }
    this.volume.sync(segment.name, (error) => {
      if (error !== undefined) this.fail(error, onDurable);
      else this.finish(records, flush, bytes.length, onDurable);
    });
  }

  private finish(
    records: readonly LogRecord[],
    flush: FlushId,
    bytes: number,
    onDurable: (error?: Error) => void,
  ): void {
    for (const record of records) this.entries.absorb(record, this.segment.number, this.end);
    this.durable = flush;
    this.end += bytes;
    this.flushes++;
    this.flushedBytes += bytes;
    if (bytes > KEPT_BUFFER_BYTES) this.unit = new ByteWriter(64 * 1024);
    this.flushing = false;
    this.pool.prepare();
    onDurable();
  }

  private fail(error: Error, onDurable: (error?: Error) => void): void {
    this.failed = true;
    onDurable(error);
  }
}

/**
 * What may use up the reserve: terms, votes, truncations, and the entry that opens a term, without which a leader
 * answers no read. Each is small, and there are few more of them than elections.
 */
function isEssential(record: LogRecord): boolean {
  return record.type !== "entries" || record.entries.every(({ kind }) => kind === "noop");
}
