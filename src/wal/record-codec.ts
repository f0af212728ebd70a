import { unreachable } from "../kernel/assert.ts";
import { ByteReader, type ByteWriter, DecodeError } from "../kernel/bytes.ts";
import { readEntry, writeEntry } from "../raft/codec.ts";
import type { Entry, GroupId, HardState } from "../raft/types.ts";
import type { LogRecord } from "./records.ts";

/** Codes on disk: append only. The zeros that pad a body end it. Configuration and compaction points (D6) come later. */
const END = 0;
const HARD_STATE = 1;
const TRUNCATE = 2;
const ENTRIES = 3;

/** Of the smallest entry: kind, term, index, lease time, length of the payload. */
const MIN_ENTRY_BYTES = 5;

/** Told of each record of a frame, in order of effect. */
export interface RecordVisitor {
  hardState(group: GroupId, hardState: HardState): void;
  truncate(group: GroupId, fromIndex: number): void;
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
  writer.u8(HARD_STATE);
  writer.varint(group);
  writer.varint(hardState.term);
  writer.varint(hardState.vote);
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
        visitor.hardState(group, { term: reader.varint(), vote: reader.varint() });
        break;
      case TRUNCATE:
        visitor.truncate(group, reader.varint());
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
