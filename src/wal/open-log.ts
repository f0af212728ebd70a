import type { GroupLog } from "../raft/storage.ts";
import type { GroupId, HardState } from "../raft/types.ts";
import { EntryLog } from "./entry-log.ts";
import { AmnesiaError, LogCorruptError, LogDamageError } from "./errors.ts";
import { type FlushId, MARK_BYTES, encodeMark } from "./frame.ts";
import { HARD_STATE_FILE, type HardStateCopy } from "./hard-state-copy.ts";
import { SegmentedLog } from "./log.ts";
import { Recovery } from "./recovery.ts";
import { type RepairOptions, repairLog } from "./repair.ts";
import { type Scan, scanLog } from "./scan.ts";
import { SEGMENT_HEAD_BYTES, type Segment, encodeSegmentHead, segmentName } from "./segment.ts";
import { SegmentPool, asError } from "./segment-pool.ts";
import type { SnapshotStore } from "./snapshot-store.ts";
import type { Volume } from "./volume.ts";

const DEFAULT_SEGMENT_BYTES = 16 * 1024 * 1024;
/** For a few flushes of terms and votes. */
const HARD_STATE_ROOM_BYTES = 1024;
const ZEROS = new Uint8Array(64 * 1024);

export interface LogOptions {
  /** A random integer in 1…2⁵³−1 that nobody can guess, for the salts of segments. */
  readonly identity: () => number;
  /** Of a usual segment; a larger flush gets one of its own size. */
  readonly segmentBytes?: number;
  /** How a person finds the volume: stands before file names in messages. */
  readonly directory?: string;
  /** The second copy of what a node must not forget. Absent: there is none. */
  readonly copy?: HardStateCopy;
  /** What the logs have forgotten must be in one of them. Absent: there are none. */
  readonly snapshots?: Pick<SnapshotStore, "requireFor">;
  /** There has been a log here: where nothing is, all of it was lost. Absent: where nothing is, it begins. */
  readonly hadLog?: boolean;
  /** Absent: a log that is damaged is not opened. */
  readonly repair?: RepairOptions;
}

/** @param log undefined if and only if there is an error */
export type Opened = (error: Error | undefined, log: SegmentedLog | undefined) => void;

/**
 * Opens or makes the log. `done` is called once, perhaps before `openLog` returns, with the log or with a
 * {@link LogDamageError}, {@link LogFormatError} or an error of the disk.
 *
 * Before it is called, the tail is durable (PROTOCOLS D5): what was read may stand in the page cache
 * alone, if the process died before its fdatasync or because of it, so the last flush is written again.
 */
export function openLog(volume: Volume, options: LogOptions, done: Opened): void {
  new Opening(volume, options, done).start();
}

/** What was found. */
interface Read {
  readonly scan: Scan;
  readonly blank: readonly Segment[];
  readonly recovered: ReadonlyMap<GroupId, GroupLog>;
}

class Opening {
  private readonly pathOf: (name: string) => string;
  private readonly entries: EntryLog;
  private readonly recovery: Recovery;
  private readonly segmentBytes: number;

  constructor(
    private readonly volume: Volume,
    private readonly options: LogOptions,
    private readonly done: Opened,
  ) {
    const { directory } = options;
    this.pathOf = (name) => (directory === undefined ? name : `${directory}/${name}`);
    this.entries = new EntryLog(volume, this.pathOf);
    this.recovery = new Recovery(this.entries, this.pathOf);
    this.segmentBytes = options.segmentBytes ?? DEFAULT_SEGMENT_BYTES;
  }

  start(): void {
    const touched = new Set<string>();
    const read = this.attempt(() => {
      const scan = this.scan();
      this.checkBeginning(scan);
      this.checkEnd(scan);
      const recovered = this.recovery.finish();
      this.options.snapshots?.requireFor(recovered);
      const blank = this.rewriteHeads(scan, touched);
      this.rewriteLastFlush(scan, touched);
      this.zeroRemains(scan, touched);
      return { scan, blank, recovered };
    });
    if (read !== undefined) this.syncAll([...touched], () => this.proceed(read));
  }

  /** Hands an error to `done`, which itself runs outside of any `try`: its own errors are not ours. */
  private attempt<Value>(work: () => Value): Value | undefined {
    let failure: Error;
    try {
      return work();
    } catch (error) {
      failure = asError(error);
    }
    const { volume, pathOf, segmentBytes } = this;
    const { identity, copy, repair } = this.options;
    if (repair === undefined || !(failure instanceof LogDamageError) || failure instanceof AmnesiaError) {
      this.done(failure, undefined);
    } else repairLog({ volume, identity, segmentBytes, pathOf, copy }, repair, failure, this.done);
    return undefined;
  }

  private scan(): Scan {
    const { volume, pathOf, recovery } = this;
    return scanLog({
      volume,
      pathOf,
      onFrame: (bytes, frame, segment, unitOffset) => recovery.frame(bytes, frame, segment, unitOffset),
    });
  }

  /** What is not there any more must be what a frame that is there calls superfluous (PROTOCOLS D6). */
  private checkBeginning({ first, lowest }: Scan): void {
    const { oldestNeeded } = this.recovery;
    if (first === undefined ? lowest > 1 : first.sequence > 1 && lowest > oldestNeeded) {
      throw new LogCorruptError(this.pathOf(segmentName(lowest - 1)), 0, "the file is missing");
    }
    if (first === undefined || first.sequence === 1 || first.segment.number <= oldestNeeded) return;
    const name = segmentName(oldestNeeded);
    const what = `its flushes are unreadable that were durable, as ${first.segment.name} shows`;
    throw new LogCorruptError(this.pathOf(name), SEGMENT_HEAD_BYTES, what);
  }

  /** Its second copy tells of each change of a hard state which flush brought it. */
  private checkEnd({ first, flush, last, end }: Scan): void {
    const { copy, hadLog, repair } = this.options;
    const shown = copy?.found?.flush ?? 0;
    if (shown > flush.sequence) {
      const name = last?.segment.name ?? segmentName(1);
      throw new LogCorruptError(this.pathOf(name), end, `flush ${shown} is missing, as ${HARD_STATE_FILE} shows`);
    }
    if (first !== undefined || copy?.found !== undefined || hadLog !== true) return;
    const where = this.options.directory ?? "the log";
    // ↯ All others have left, and log and votes are lost: it begins as on its first day, and those who left refill it.
    if (repair === undefined) throw new LogDamageError(`There is nothing in ${where}`);
    throw new AmnesiaError(`there is nothing in ${where}`);
  }

  /** The heads of all segments without a flush, and of the one with the last: what was read of them may not be durable. */
  private rewriteHeads(scan: Scan, touched: Set<string>): Segment[] {
    const { identity } = this.options;
    const finished = scan.headless.map(({ number, name, bytes }) => ({ number, name, bytes, salt: identity() }));
    const all = [...scan.segments, ...finished].sort((a, b) => a.number - b.number);
    const lastNumber = scan.last?.segment.number ?? 0;
    for (const segment of all) {
      if (segment.number < lastNumber) continue;
      this.volume.write(segment.name, 0, encodeSegmentHead(segment));
      touched.add(segment.name);
    }
    return all.filter((segment) => segment.number > lastNumber);
  }

  private rewriteLastFlush({ last, end }: Scan, touched: Set<string>): void {
    if (last === undefined) return;
    const { segment, offset, before } = last;
    const unit = this.volume.read(segment.name, offset, end - offset);
    unit.set(encodeMark(segment, before));
    this.volume.write(segment.name, offset, unit);
    touched.add(segment.name);
  }

  /** Zeros over a torn flush, so that nothing of it can ever be read as a part of what is written there next. */
  private zeroRemains({ remains }: Scan, touched: Set<string>): void {
    for (const { segment, offset, bytes } of remains) {
      for (let at = 0; at < bytes; at += ZEROS.length) {
        this.volume.write(segment.name, offset + at, ZEROS.subarray(0, Math.min(ZEROS.length, bytes - at)));
      }
      touched.add(segment.name);
    }
  }

  private syncAll(names: string[], then: () => void): void {
    const name = names.pop();
    if (name === undefined) {
      then();
      return;
    }
    this.volume.sync(name, (error) => {
      if (error !== undefined) this.done(error, undefined);
      else this.syncAll(names, then);
    });
  }

  private proceed(read: Read): void {
    const { volume } = this;
    const { scan, blank } = read;
    const known = [...scan.segments, ...scan.headless];
    const nextNumber = known.reduce((highest, { number }) => Math.max(highest, number), 0) + 1;
    const { segmentBytes } = this;
    const pool = new SegmentPool({ volume, segmentBytes, identity: this.options.identity, blank, nextNumber });
    const { last, end } = scan;
    // With room for a term and a vote a node starts on a full disk, too: it votes, and follows who has room.
    if (last !== undefined && last.segment.bytes - end >= HARD_STATE_ROOM_BYTES) {
      this.finish(read, pool, last.segment, end);
      return;
    }
    pool.demand((error) => {
      if (error !== undefined) this.done(error, undefined);
      else if (last !== undefined) this.finish(read, pool, last.segment, end);
      else this.begin(read, pool);
    });
  }

  private begin(read: Read, pool: SegmentPool): void {
    pool.take(0, true, (error, first) => {
      if (first === undefined) this.done(error ?? new Error("no segment"), undefined);
      else this.finish(read, pool, first, SEGMENT_HEAD_BYTES);
    });
  }

  /**
   * The last flush is durable now: its mark says so where the next unit will start with the same mark. Only now:
   * written together with the flush, the mark alone could survive a power cut and call the flush lost.
   */
  private mark(segment: Segment, end: number, flush: FlushId): void {
    if (end + MARK_BYTES <= segment.bytes) this.volume.write(segment.name, end, encodeMark(segment, flush));
  }

  private finish({ scan, recovered }: Read, pool: SegmentPool, segment: Segment, end: number): void {
    const { volume, entries, recovery } = this;
    const { flush } = scan;
    const log = this.attempt(() => {
      if (flush.sequence > 0) this.mark(segment, end, flush);
      entries.addSegment(segment);
      // Before what frees them was synced again they stay.
      for (const number of scan.strays) volume.remove(segmentName(number), () => {});
      const oldest = { kept: scan.lowest, headed: recovery.headedFrom, needed: recovery.oldestNeeded };
      const { copy } = this.options;
      return new SegmentedLog({ volume, entries, pool, recovered, segment, end, flush, oldest, copy });
    });
    if (log !== undefined) this.level(flush, () => this.done(undefined, log));
  }

  /** Both copies of the hard states are there and equal before anything is built on them (PROTOCOLS D7). */
  private level({ sequence }: FlushId, then: () => void): void {
    const { copy } = this.options;
    const hardStates = new Map<GroupId, HardState>();
    for (const [group, { hardState }] of this.entries.groups) hardStates.set(group, hardState);
    if (copy === undefined) {
      then();
      return;
    }
    copy.level(hardStates, sequence, (error) => {
      if (error !== undefined) this.done(error, undefined);
      else then();
    });
  }
}
