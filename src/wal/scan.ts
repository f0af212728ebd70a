import { LogCorruptError, LogFormatError } from "./errors.ts";
import {
  type FlushId,
  type Frame,
  MARK_BYTES,
  UNIT_ALIGNMENT,
  UNIT_HEAD_BYTES,
  frameBodyBytes,
  readFrame,
  readMark,
} from "./frame.ts";
import { isBeginning } from "./record-codec.ts";
import {
  LOG_FORMAT,
  SEGMENT_HEAD_BYTES,
  type Segment,
  decodeSegmentHead,
  segmentName,
  segmentNumber,
} from "./segment.ts";
import type { Volume } from "./volume.ts";

/** Bytes from `offset` on that hold a torn flush, in one segment. */
export interface Remains {
  readonly segment: Segment;
  readonly offset: number;
  readonly bytes: number;
}

export interface Scan {
  /** Numbers of segments with a gap or a new beginning behind them: what is left of a log that was compacted or repaired. */
  readonly strays: readonly number[];
  /** Number of the oldest segment behind the last gap. */
  readonly lowest: number;
  /** Where the first valid flush stands; undefined for a log without any. */
  readonly first: { readonly segment: Segment; readonly sequence: number } | undefined;
  /** By number, ascending. A segment whose head was never finished is absent here … */
  readonly segments: readonly Segment[];
  /** … and here instead: nothing but zeros behind the head. */
  readonly headless: readonly { readonly number: number; readonly name: string; readonly bytes: number }[];
  /** The last valid flush and the one before it; undefined for a log without any. */
  readonly last: { readonly segment: Segment; readonly offset: number; readonly before: FlushId } | undefined;
  /** The flush that the next one follows. */
  readonly flush: FlushId;
  /** Where in `last`'s segment, or in the first, the next unit belongs. */
  readonly end: number;
  readonly remains: readonly Remains[];
}

export interface ScanOptions {
  readonly volume: Volume;
  /** The name of a file as a person finds it. */
  readonly pathOf: (name: string) => string;
  /** Called with every valid frame, in order. */
  readonly onFrame: (bytes: Uint8Array, frame: Frame, segment: Segment, unitOffset: number) => void;
}

/**
 * Reads the whole log and tells a torn tail from corruption (PROTOCOLS D4).
 *
 * The first bad unit is torn unless something later proves that its flush was once durable: its mark, or a
 * mark or a frame of a later flush, in this segment or a later one.
 *
 * @throws {LogCorruptError}
 * @throws {LogFormatError}
 */
export function scanLog(options: ScanOptions): Scan {
  return new Scanner(options).run();
}

class Scanner {
  private strays: readonly number[] = [];
  private lowest = 1;
  private readonly segments: Segment[] = [];
  private readonly headless: { number: number; name: string; bytes: number }[] = [];
  private readonly remains: Remains[] = [];
  private flush: FlushId = { sequence: 0, crc: 0 };
  private first: Scan["first"];
  private last: Scan["last"];
  private end = SEGMENT_HEAD_BYTES;

  constructor(private readonly options: ScanOptions) {}

  run(): Scan {
    this.loadHeads();
    for (const segment of this.segments) this.walk(segment);
    const { strays, lowest, first, segments, headless, last, flush, end, remains } = this;
    return { strays, lowest, first, segments, headless, last, flush, end, remains };
  }

  private loadHeads(): void {
    const { volume } = this.options;
    const numbers: number[] = [];
    for (const name of volume.list()) {
      const number = segmentNumber(name);
      if (number !== undefined) numbers.push(number);
    }
    numbers.sort((a, b) => a - b);
    const behindGap = numbers.findLastIndex((number, i) => number !== (numbers[i - 1] ?? -1) + 1);
    const start = Math.max(
      behindGap,
      numbers.findLastIndex((number) => this.beginsAnew(number)),
    );
    this.lowest = numbers[start] ?? 1;
    this.strays = numbers.slice(0, Math.max(0, start));
    for (const number of numbers.slice(this.strays.length)) this.loadHead(number);
  }

  /** A repair began here: what stands in earlier segments is void, and perhaps not yet deleted. */
  private beginsAnew(number: number): boolean {
    const { volume } = this.options;
    const name = segmentName(number);
    const head = decodeSegmentHead(volume.read(name, 0, SEGMENT_HEAD_BYTES));
    if (head === undefined || head.number !== number || head.format > LOG_FORMAT) return false;
    const segment = { number, name, bytes: volume.size(name), salt: head.salt };
    const start = volume.read(name, SEGMENT_HEAD_BYTES, UNIT_HEAD_BYTES + 1);
    const bodyBytes = frameBodyBytes(start, MARK_BYTES, SEGMENT_HEAD_BYTES, segment);
    if (bodyBytes === undefined || !isBeginning(start, UNIT_HEAD_BYTES)) return false;
    const unit = volume.read(name, SEGMENT_HEAD_BYTES, UNIT_HEAD_BYTES + bodyBytes);
    return readFrame(unit, MARK_BYTES, SEGMENT_HEAD_BYTES, segment) !== undefined;
  }

  private loadHead(number: number): void {
    const { volume, pathOf } = this.options;
    const name = segmentName(number);
    const bytes = volume.size(name);
    const head = decodeSegmentHead(volume.read(name, 0, SEGMENT_HEAD_BYTES));
    if (head === undefined) {
      const behind = volume.read(name, SEGMENT_HEAD_BYTES, bytes);
      if (bytes < SEGMENT_HEAD_BYTES || lengthWithoutZeros(behind, 0) > 0) {
        throw this.corrupt(name, 0, "the head of the file is unreadable");
      }
      this.headless.push({ number, name, bytes });
      return;
    }
    if (head.format > LOG_FORMAT) throw new LogFormatError(pathOf(name), head.format, LOG_FORMAT);
    if (head.number !== number) throw this.corrupt(name, 0, "the file belongs to another place in the log");
    // It was durable in its full size before anything was written to it: this is no torn write.
    if (bytes < head.bytes) throw this.corrupt(name, bytes, `the file ends before offset ${head.bytes}`);
    this.segments.push({ number, name, bytes, salt: head.salt });
  }

  /** Takes every valid unit of the segment; what stands behind the last one is torn, empty, or proof of corruption. */
  private walk(segment: Segment): void {
    const bytes = this.options.volume.read(segment.name, 0, segment.bytes);
    let at = SEGMENT_HEAD_BYTES;
    for (;;) {
      const frame = readFrame(bytes, at + MARK_BYTES, 0, segment);
      if (frame === undefined) break;
      this.begin(bytes, at, segment, frame.sequence);
      if (frame.sequence !== this.flush.sequence + 1) throw this.gapBefore(segment, at);
      this.checkMark(bytes, at, segment);
      this.options.onFrame(bytes, frame, segment, at);
      // A later flush is there: what looked torn before it was no flush.
      this.remains.length = 0;
      this.last = { segment, offset: at, before: this.flush };
      this.flush = { sequence: frame.sequence, crc: frame.crc };
      at = frame.bodyEnd;
      this.end = at;
    }
    this.judgeTail(bytes, at, segment);
  }

  /** The segments of earlier flushes may have been compacted away: whether they were, the frames say. */
  private begin(bytes: Uint8Array, at: number, segment: Segment, sequence: number): void {
    if (this.first !== undefined || at !== SEGMENT_HEAD_BYTES) return;
    this.first = { segment, sequence };
    if (sequence > 1) this.flush = readMark(bytes, at, segment) ?? { sequence: sequence - 1, crc: 0 };
  }

  private judgeTail(bytes: Uint8Array, end: number, segment: Segment): void {
    const mark = readMark(bytes, end, segment);
    const isOwnMark = mark?.sequence === this.flush.sequence && mark.crc === this.flush.crc;
    const start = isOwnMark ? end + MARK_BYTES : end;
    const length = lengthWithoutZeros(bytes, start);
    if (length === 0) return;
    for (let at = start; at < start + length; at += UNIT_ALIGNMENT) {
      const later = readMark(bytes, at, segment) ?? readFrame(bytes, at, 0, segment);
      if (later === undefined || later.sequence <= this.flush.sequence) continue;
      const torn = this.remains[0];
      throw this.lost(torn?.segment ?? segment, torn?.offset ?? end, segment, at);
    }
    this.remains.push({ segment, offset: start, bytes: length });
  }

  private checkMark(bytes: Uint8Array, at: number, segment: Segment): void {
    const mark = readMark(bytes, at, segment);
    if (mark === undefined || this.last === undefined) return;
    if (mark.sequence === this.flush.sequence && mark.crc === this.flush.crc) return;
    const { name } = this.last.segment;
    throw this.corrupt(name, this.last.offset, `it is not the flush that was durable here, as ${segment.name} shows`);
  }

  /** A valid frame that is not the next: what is missing stood where the last valid flush ended. */
  private gapBefore(segment: Segment, at: number): LogCorruptError {
    return this.lost(this.last?.segment ?? segment, this.end, segment, at);
  }

  private lost(segment: Segment, offset: number, shownBy: Segment, shownAt: number): LogCorruptError {
    const place = shownBy === segment ? `offset ${shownAt}` : `${shownBy.name} at offset ${shownAt}`;
    return this.corrupt(segment.name, offset, `a flush is unreadable that was durable, as ${place} shows`);
  }

  private corrupt(name: string, offset: number, what: string): LogCorruptError {
    return new LogCorruptError(this.options.pathOf(name), offset, what);
  }
}

/** Bytes from `start` to the last one that is not zero. */
function lengthWithoutZeros(bytes: Uint8Array, start: number): number {
  let end = bytes.length;
  while (end > start && bytes[end - 1] === 0) end--;
  return end - start;
}
