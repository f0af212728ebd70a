import { assert } from "../kernel/assert.ts";
import { crc32c } from "../kernel/crc32c.ts";
import { readU32, writeU32, writeU64, readU64 } from "./integers.ts";

/**
 * The head of a segment, in its own sector: magic, format version, number, salt, size of the file, and a CRC over the
 * whole sector at its end. Magic, version and the place of the CRC never change between formats.
 *
 * The head is durable before the first frame is written behind it. So a bad head with nothing but zeros
 * behind it is a preparation cut short, and a bad head with anything behind it is corruption.
 */
export const SEGMENT_HEAD_BYTES = 512;
/** Of the log's files. 1: no compaction, the log begins with segment 1. Both are read, this one is written. */
export const LOG_FORMAT = 2;

const MAGIC_LOW = 0x616b756d; // "muka"
const MAGIC_HIGH = 0x67656c66; // "fleg"
const BYTES_AT = 24;
const CRC_AT = SEGMENT_HEAD_BYTES - 4;

/** What the head says; the other fields have no meaning for another `format`. */
export interface SegmentHead {
  readonly format: number;
  readonly number: number;
  readonly salt: number;
  /** Of the file, which never changes; 0: the release that made it did not say. */
  readonly bytes: number;
}

export interface Segment {
  /** 1, 2, 3, … without a gap from the oldest that is kept on. Never used twice. */
  readonly number: number;
  readonly name: string;
  readonly bytes: number;
  /** Random: no payload can imitate a frame of this segment. */
  readonly salt: number;
}

/** Zero-padded, so that names sort like numbers. */
export function segmentName(number: number): string {
  return `${String(number).padStart(10, "0")}.wal`;
}

/** @returns undefined for a file that is no segment */
export function segmentNumber(name: string): number | undefined {
  return /^\d{10}\.wal$/.test(name) ? Number(name.slice(0, 10)) : undefined;
}

export function encodeSegmentHead(segment: Segment): Uint8Array {
  assert(segment.number >= 1 && segment.number < 2 ** 32, "a segment's number fits 32 bits");
  const head = new Uint8Array(SEGMENT_HEAD_BYTES);
  writeU32(head, 0, MAGIC_LOW);
  writeU32(head, 4, MAGIC_HIGH);
  writeU32(head, 8, LOG_FORMAT);
  writeU32(head, 12, segment.number);
  writeU64(head, 16, segment.salt);
  writeU64(head, BYTES_AT, segment.bytes);
  writeU32(head, CRC_AT, crc32c(head, 0, CRC_AT));
  return head;
}

/** @returns undefined when the head is damaged */
export function decodeSegmentHead(head: Uint8Array): SegmentHead | undefined {
  if (head.length < SEGMENT_HEAD_BYTES) return undefined;
  if (readU32(head, 0) !== MAGIC_LOW || readU32(head, 4) !== MAGIC_HIGH) return undefined;
  if (readU32(head, CRC_AT) !== crc32c(head, 0, CRC_AT)) return undefined;
  const bytes = readU64(head, BYTES_AT);
  return { format: readU32(head, 8), number: readU32(head, 12), salt: readU64(head, 16), bytes };
}
