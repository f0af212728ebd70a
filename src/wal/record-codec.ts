import { unreachable } from "../kernel/assert.ts";
import { ByteReader, type ByteWriter, DecodeError } from "../kernel/bytes.ts";
import { readEntry, writeEntry } from "../raft/codec.ts";
import type { Entry, GroupId, HardState, LogPoint } from "../raft/types.ts";
import type { LogRecord } from "./records.ts";

/** Codes on disk: append only. The zeros that pad a body end it. */
const END = 0;
const HARD_STATE = 1;
const TRUNCATE = 2;
const ENTRIES = 3;
const LOG_START = 4;
const OLDEST_SEGMENT = 5;
const EXTENT = 6;
const FLOORED_HARD_STATE = 7;
const BEGINNING = 8;

/** Of the smallest entry: kind, term, index, lease time, length of the payload. */
const MIN_ENTRY_BYTES = 5;

/** Told of each record of a frame, in order of effect. */
export interface RecordVisitor {
  hardState(group: GroupId, hardState: HardState): void;
  truncate(group: GroupId, fromIndex: number): void;
  logStart(group: GroupId, point: LogPoint, keepsRest: boolean): void;
  /** All segments before this one may be gone. */
  oldestSegment(number: number): void;
  /** Said again, as of before what follows in the frame: where the group's log begins and ends. */
  extent(group: GroupId, point: LogPoint, lastIndex: number): void;
  /** `count` entries from `firstIndex` on; {@link decodeEntries} reads them, who does not need them skips them. */
  entries(group: GroupId, firstIndex: number, count: number, encoded: Uint8Array): void;
}

export function writeRecord(writer: ByteWriter, record: LogRecord): void {
  switch (record.type) {
    case "hardState":
      writeHardState(writer, record.group, record.hardState);
      return;
    case "truncate":
      writer.u8(TRUNCATE);
      writer.varint(record.group);
      writer.varint(record.fromIndex);
      return;
    case "logStart":
      writer.u8(LOG_START);
      writer.varint(record.group);
      writePoint(writer, record.point);
      writer.u8(record.keepsRest ? 1 : 0);
      return;
    case "entries": {
      const first = record.entries[0];
      if (first === undefined) return;
      writer.u8(ENTRIES);
      writer.varint(record.group);
      writer.varint(first.index);
      writer.varint(record.entries.length);
      const lengthAt = writer.skip(4);
      for (const entry of record.entries) writeEntry(writer, entry);
      writer.patchU32(lengthAt, writer.length - lengthAt - 4);
      return;
    }
    default:
      unreachable(record);
  }
}

export function writeHardState(writer: ByteWriter, group: GroupId, hardState: HardState): void {
  const { term, vote, floor } = hardState;
  writer.u8(floor === undefined ? HARD_STATE : FLOORED_HARD_STATE);
  writer.varint(group);
  writer.varint(term);
  writer.varint(vote);
  if (floor === undefined) return;
  writer.varint(floor.index);
  writer.varint(floor.term);
}

function readHardState(reader: ByteReader, hasFloor: boolean): HardState {
  const hardState = { term: reader.varint(), vote: reader.varint() };
  return hasFloor ? { ...hardState, floor: { index: reader.varint(), term: reader.varint() } } : hardState;
}

/** Stands first in the first frame of a segment: nothing that stands in earlier ones holds any more, readable or not. */
export function writeBeginning(writer: ByteWriter): void {
  writer.u8(BEGINNING);
  writer.varint(0);
}

export function isBeginning(bytes: Uint8Array, bodyStart: number): boolean {
  return bytes[bodyStart] === BEGINNING;
}

/** @returns where {@link ByteWriter.patchU32} puts the number of the segment */
export function writeOldestSegment(writer: ByteWriter): number {
  writer.u8(OLDEST_SEGMENT);
  writer.varint(0);
  return writer.skip(4);
}

export function writeExtent(writer: ByteWriter, group: GroupId, point: LogPoint, lastIndex: number): void {
  writer.u8(EXTENT);
  writer.varint(group);
  writePoint(writer, point);
  writer.varint(lastIndex);
}

function writePoint(writer: ByteWriter, { index, term, leaseTimeMs }: LogPoint): void {
  writer.varint(index);
  writer.varint(term);
  writer.varint(leaseTimeMs);
}

function readPoint(reader: ByteReader): LogPoint {
  return { index: reader.varint(), term: reader.varint(), leaseTimeMs: reader.varint() };
}

/** @throws {DecodeError} for anything that {@link writeRecord} does not write */
export function readRecords(bytes: Uint8Array, start: number, end: number, visitor: RecordVisitor): void {
  const reader = new ByteReader(bytes, start, end);
  while (reader.remaining > 0) {
    const type = reader.u8();
    if (type === END) return;
    const group = reader.varint();
    switch (type) {
      case HARD_STATE:
      case FLOORED_HARD_STATE:
        visitor.hardState(group, readHardState(reader, type === FLOORED_HARD_STATE));
        break;
      case BEGINNING:
        break;
      case TRUNCATE:
        visitor.truncate(group, reader.varint());
        break;
      case LOG_START:
        visitor.logStart(group, readPoint(reader), reader.u8() === 1);
        break;
      case OLDEST_SEGMENT:
        visitor.oldestSegment(reader.u32());
        break;
      case EXTENT:
        visitor.extent(group, readPoint(reader), reader.varint());
        break;
      case ENTRIES: {
        const firstIndex = reader.varint();
        const count = reader.varint();
        visitor.entries(group, firstIndex, count, reader.raw(reader.u32()));
        break;
      }
      default:
        throw new DecodeError("unknown type of record");
    }
  }
}

/** Payloads are views on `encoded`. */
export function decodeEntries(firstIndex: number, count: number, encoded: Uint8Array): Entry[] {
  if (count > encoded.length / MIN_ENTRY_BYTES) throw new DecodeError("more entries announced than there are bytes");
  const reader = new ByteReader(encoded);
  const entries: Entry[] = [];
  for (let i = 0; i < count; i++) {
    const entry = readEntry(reader);
    if (entry.index !== firstIndex + i) throw new DecodeError("entries with a gap");
    entries.push(entry);
  }
  reader.finish();
  return entries;
}
