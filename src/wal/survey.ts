import { DecodeError } from "../kernel/bytes.ts";
import type { GroupId, HardState, LogPoint } from "../raft/types.ts";
import { type FlushId, type Frame, MARK_BYTES, UNIT_ALIGNMENT, readFrame, readMark } from "./frame.ts";
import { type RecordVisitor, decodeEntries, isBeginning, readRecords } from "./record-codec.ts";
import { SEGMENT_HEAD_BYTES, type Segment, decodeSegmentHead, segmentName, segmentNumber } from "./segment.ts";
import type { Volume } from "./volume.ts";

/** What can be read behind the last damaged place says of one group. */
export interface SurveyedGroup {
  readonly hardState: HardState | undefined;
  /** Index and term of the last entry; undefined: nothing says. */
  readonly last: { readonly index: number; readonly term: number } | undefined;
}

/** What is left of a damaged log. */
export interface Survey {
  /** Of every group that any frame names, before or behind the damage. */
  readonly groups: ReadonlyMap<GroupId, SurveyedGroup>;
  /** Behind the last damaged place stands a flush that can be read, and nothing shows that a later one is lost. */
  readonly isEndIntact: boolean;
  /** Of the last flush that can be read, or that something shows to have been written. */
  readonly lastSequence: number;
  /** Numbers of all segments that are there. */
  readonly numbers: readonly number[];
  /** Segments behind this one hold nothing but zeros. */
  readonly lastUsed: number;
}

/**
 * Reads a log of which the strict reader (`scanLog`) says that it is damaged, for what stands behind the damage (PROTOCOLS D7):
 * units are aligned, and frames say which segment and which flush they are, so they are found without what stood before.
 */
export function surveyLog(volume: Volume): Survey {
  return new Surveyor(volume).run();
}

class Surveyor {
  private groups = new Map<GroupId, SurveyedGroup>();
  /** The last flush that was read. */
  private flush: FlushId | undefined;
  private shownSequence = 0;
  /** Something that was durable is missing behind the last flush that was read. */
  private hole = false;
  private lastUsed = 0;

  constructor(private readonly volume: Volume) {}

  run(): Survey {
    const numbers = this.volume
      .list()
      .map(segmentNumber)
      .filter((number) => number !== undefined)
      .sort((a, b) => a - b);
    for (const [i, number] of numbers.entries()) {
      if (i > 0 && number !== (numbers[i - 1] ?? 0) + 1) this.hole = true;
      this.segment(number);
    }
    const lastSequence = Math.max(this.shownSequence, this.flush?.sequence ?? 0);
    const isEndIntact = this.flush !== undefined && !this.hole && this.shownSequence <= this.flush.sequence;
    return { groups: this.groups, isEndIntact, lastSequence, numbers, lastUsed: this.lastUsed };
  }

  private segment(number: number): void {
    const { volume } = this;
    const name = segmentName(number);
    const bytes = volume.read(name, 0, volume.size(name));
    const isUsed = bytes.length < SEGMENT_HEAD_BYTES || bytes.subarray(SEGMENT_HEAD_BYTES).some((byte) => byte !== 0);
    const head = decodeSegmentHead(bytes.subarray(0, SEGMENT_HEAD_BYTES));
    if (isUsed || bytes.length < (head?.bytes ?? 0)) this.lastUsed = number;
    if (head === undefined || head.number !== number) {
      // Nobody knows its salt: what a client wrote could pass for a frame.
      if (isUsed) this.hole = true;
      return;
    }
    this.walk(bytes, { number, name, bytes: bytes.length, salt: head.salt });
    if (bytes.length < head.bytes) this.hole = true;
  }

  private walk(bytes: Uint8Array, segment: Segment): void {
    let due = SEGMENT_HEAD_BYTES;
    for (let at = due; at + MARK_BYTES <= bytes.length;) {
      const mark = readMark(bytes, at, segment);
      if (mark !== undefined) this.marked(mark);
      const frame = readFrame(bytes, at + MARK_BYTES, 0, segment);
      if (frame === undefined || frame.sequence <= (this.flush?.sequence ?? 0)) {
        at += UNIT_ALIGNMENT;
        continue;
      }
      if (isBeginning(bytes, frame.bodyStart)) this.begin();
      const isNext = this.flush === undefined || frame.sequence === this.flush.sequence + 1;
      if (at !== due || !isNext || this.hole) this.forget();
      this.take(bytes, frame);
      at = due = frame.bodyEnd;
    }
  }

  /** The flush that it names was durable, with the bytes that it names. */
  private marked({ sequence, crc }: FlushId): void {
    this.shownSequence = Math.max(this.shownSequence, sequence);
    const { flush } = this;
    if (flush === undefined || sequence < flush.sequence) return;
    if (sequence > flush.sequence || crc !== flush.crc) this.hole = true;
  }

  private take(bytes: Uint8Array, frame: Frame): void {
    this.flush = { sequence: frame.sequence, crc: frame.crc };
    this.hole = false;
    const visitor = new Collector(this.groups);
    try {
      readRecords(bytes, frame.bodyStart, frame.bodyEnd, visitor);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.hole = true;
    }
  }

  /** Whatever was read before may have been overtaken by what is lost. */
  private forget(): void {
    for (const group of this.groups.keys()) this.groups.set(group, { hardState: undefined, last: undefined });
  }

  /** An earlier repair began here: nothing before counts. */
  private begin(): void {
    this.groups = new Map();
    this.flush = undefined;
    this.shownSequence = 0;
    this.hole = false;
  }
}

class Collector implements RecordVisitor {
  constructor(private readonly groups: Map<GroupId, SurveyedGroup>) {}

  hardState(group: GroupId, hardState: HardState): void {
    this.groups.set(group, { ...this.group(group), hardState });
  }

  /** The entries that take their place follow. */
  truncate(group: GroupId): void {
    this.groups.set(group, { ...this.group(group), last: undefined });
  }

  logStart(group: GroupId, point: LogPoint, keepsRest: boolean): void {
    if (!keepsRest) this.groups.set(group, { ...this.group(group), last: point });
  }

  oldestSegment(): void {}

  extent(group: GroupId, point: LogPoint, lastIndex: number): void {
    const before = this.group(group);
    this.groups.set(group, lastIndex === point.index ? { ...before, last: point } : before);
  }

  entries(group: GroupId, firstIndex: number, count: number, encoded: Uint8Array): void {
    const entry = decodeEntries(firstIndex, count, encoded).at(-1);
    if (entry === undefined) return;
    this.groups.set(group, { ...this.group(group), last: { index: entry.index, term: entry.term } });
  }

  private group(group: GroupId): SurveyedGroup {
    return this.groups.get(group) ?? { hardState: undefined, last: undefined };
  }
}
