import { DecodeError } from "../kernel/bytes.ts";
import type { Entry, GroupId, LogPoint } from "../raft/types.ts";
import { LogCorruptError } from "./errors.ts";
import { type Frame, MARK_BYTES, UNIT_HEAD_BYTES, frameBodyBytes, readFrame } from "./frame.ts";
import { type RecordVisitor, decodeEntries, readRecords } from "./record-codec.ts";
import type { Segment } from "./segment.ts";
import type { Volume } from "./volume.ts";

const CHUNK_BYTES = 64 * 1024;
const NOTHING = new Uint8Array(0);

/** Entries of one group in one frame. */
export interface FrameEntries {
  /** In order, without a gap. Those before the wanted index may be missing. */
  readonly entries: readonly Entry[];
  /** Of the next unit. */
  readonly nextOffset: number;
}

/** Reads frames back, whole and checked. Keeps the chunk that it read last, so that reading on is cheap. */
export class FrameReader {
  private chunk: Uint8Array = NOTHING;
  private chunkSegment = 0;
  private chunkBase = 0;

  constructor(
    private readonly volume: Pick<Volume, "read">,
    private readonly pathOf: (name: string) => string,
  ) {}

  /**
   * @param unitOffset of a unit that is durable
   * @param wanted entries before this index may be left out
   * @throws {LogCorruptError} when the frame is damaged
   */
  read(segment: Segment, unitOffset: number, group: GroupId, wanted: number): FrameEntries {
    const frame = this.load(segment, unitOffset);
    const collector = new EntryCollector(group, wanted);
    try {
      readRecords(this.chunk, frame.bodyStart, frame.bodyEnd, collector);
    } catch (error) {
      if (error instanceof DecodeError) throw this.damaged(segment, unitOffset);
      throw error;
    }
    return { entries: collector.found, nextOffset: this.chunkBase + frame.bodyEnd };
  }

  private load(segment: Segment, unitOffset: number): Frame {
    if (this.chunkSegment === segment.number && unitOffset >= this.chunkBase) {
      const frame = this.frameAt(segment, unitOffset);
      if (frame !== undefined) return frame;
    }
    // The chunk may be older than the frame: only a fresh one can show damage.
    this.fetch(segment, unitOffset, CHUNK_BYTES);
    const body = frameBodyBytes(this.chunk, MARK_BYTES, unitOffset, segment) ?? 0;
    if (UNIT_HEAD_BYTES + body > CHUNK_BYTES) this.fetch(segment, unitOffset, UNIT_HEAD_BYTES + body);
    const frame = this.frameAt(segment, unitOffset);
    if (frame === undefined) throw this.damaged(segment, unitOffset);
    return frame;
  }

  private frameAt(segment: Segment, unitOffset: number): Frame | undefined {
    return readFrame(this.chunk, unitOffset - this.chunkBase + MARK_BYTES, this.chunkBase, segment);
  }

  private fetch(segment: Segment, offset: number, bytes: number): void {
    this.chunk = this.volume.read(segment.name, offset, Math.min(bytes, segment.bytes - offset));
    this.chunkSegment = segment.number;
    this.chunkBase = offset;
  }

  private damaged(segment: Segment, unitOffset: number): LogCorruptError {
    return new LogCorruptError(this.pathOf(segment.name), unitOffset, "a flush that was read before is unreadable now");
  }
}

/** Keeps one group's entries, truncations within the frame carried out. */
class EntryCollector implements RecordVisitor {
  readonly found: Entry[] = [];

  constructor(
    private readonly group: GroupId,
    private readonly wanted: number,
  ) {}

  hardState(): void {}

  truncate(group: GroupId, fromIndex: number): void {
    if (group !== this.group) return;
    while ((this.found.at(-1)?.index ?? 0) >= fromIndex) this.found.pop();
  }

  logStart(group: GroupId, _point: LogPoint, keepsRest: boolean): void {
    if (group === this.group && !keepsRest) this.found.length = 0;
  }

  oldestSegment(): void {}

  extent(): void {}

  entries(group: GroupId, firstIndex: number, count: number, encoded: Uint8Array): void {
    if (group !== this.group) return;
    // Only a prefix may be left out: a record that continues what was kept is kept, too.
    if (this.found.length === 0 && firstIndex + count <= this.wanted) return;
    for (const entry of decodeEntries(firstIndex, count, encoded)) this.found.push(entry);
  }
}
