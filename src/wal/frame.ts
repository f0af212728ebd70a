import { assert } from "../kernel/assert.ts";
import { crc32c } from "../kernel/crc32c.ts";
import { readU32, readU64, writeU32, writeU64 } from "./integers.ts";
import type { Segment } from "./segment.ts";

/**
 * One flush on disk is a *unit*: the mark of the flush before it, then its frame, then zeros up to the alignment.
 *
 *     mark   magic, segment, salt, sequence and CRC of the flush before, CRC of the mark      32 bytes
 *     frame  magic, segment, salt, sequence, offset, length, CRC of all but itself            36 bytes + body
 *
 * Units are aligned to the size of a mark: a mark never straddles two sectors, so it is lost or kept whole,
 * and a scanner finds every mark and frame without trusting any length.
 */
export const UNIT_ALIGNMENT = 32;
export const MARK_BYTES = 32;
const FRAME_HEADER_BYTES = 36;
/** What stands before the body. */
export const UNIT_HEAD_BYTES = MARK_BYTES + FRAME_HEADER_BYTES;

const MARK_MAGIC = 0x4b52414d; // "MARK"
const FRAME_MAGIC = 0x4d415246; // "FRAM"
const FRAME_CRC_AT = 32;

/** Which flush, and which bytes of it. The flush before the first is (0, 0). */
export interface FlushId {
  readonly sequence: number;
  readonly crc: number;
}

export interface Frame extends FlushId {
  /** Of the body, in the bytes that were read. */
  readonly bodyStart: number;
  readonly bodyEnd: number;
}

export function alignUnit(bytes: number): number {
  return Math.ceil(bytes / UNIT_ALIGNMENT) * UNIT_ALIGNMENT;
}

/**
 * Fills in the mark and the header of a unit whose body is written and padded.
 *
 * @param unitOffset where in the segment the unit will stand
 */
export function sealUnit(
  unit: Uint8Array,
  segment: Segment,
  unitOffset: number,
  sequence: number,
  before: FlushId,
): FlushId {
  assert(unit.length % UNIT_ALIGNMENT === 0 && unitOffset % UNIT_ALIGNMENT === 0, "units are aligned");
  const frameOffset = unitOffset + MARK_BYTES;
  assert(frameOffset + unit.length < 2 ** 32, "offsets fit 32 bits");
  writeMark(unit, segment, before);
  writeU32(unit, MARK_BYTES, FRAME_MAGIC);
  writeU32(unit, MARK_BYTES + 4, segment.number);
  writeU64(unit, MARK_BYTES + 8, segment.salt);
  writeU64(unit, MARK_BYTES + 16, sequence);
  writeU32(unit, MARK_BYTES + 24, frameOffset);
  writeU32(unit, MARK_BYTES + 28, unit.length - UNIT_HEAD_BYTES);
  const crc = frameCrc(unit, MARK_BYTES, unit.length);
  writeU32(unit, MARK_BYTES + FRAME_CRC_AT, crc);
  return { sequence, crc };
}

export function encodeMark(segment: Segment, durable: FlushId): Uint8Array {
  const mark = new Uint8Array(MARK_BYTES);
  writeMark(mark, segment, durable);
  return mark;
}

function writeMark(bytes: Uint8Array, segment: Segment, durable: FlushId): void {
  writeU32(bytes, 0, MARK_MAGIC);
  writeU32(bytes, 4, segment.number);
  writeU64(bytes, 8, segment.salt);
  writeU64(bytes, 16, durable.sequence);
  writeU32(bytes, 24, durable.crc);
  writeU32(bytes, 28, crc32c(bytes, 0, 28));
}

/** @returns the flush that the mark at `at` calls durable; undefined when there is no valid mark */
export function readMark(bytes: Uint8Array, at: number, segment: Segment): FlushId | undefined {
  if (at + MARK_BYTES > bytes.length || readU32(bytes, at) !== MARK_MAGIC) return undefined;
  if (readU32(bytes, at + 4) !== segment.number || readU64(bytes, at + 8) !== segment.salt) return undefined;
  if (readU32(bytes, at + 28) !== crc32c(bytes, at, at + 28)) return undefined;
  return { sequence: readU64(bytes, at + 16), crc: readU32(bytes, at + 24) };
}

/**
 * @param at where the frame starts in `bytes`
 * @param base offset in the segment of the first of `bytes`
 * @returns undefined when there is no valid frame, or when it is longer than `bytes`
 */
export function readFrame(bytes: Uint8Array, at: number, base: number, segment: Segment): Frame | undefined {
  const length = frameBodyBytes(bytes, at, base, segment);
  if (length === undefined) return undefined;
  const bodyStart = at + FRAME_HEADER_BYTES;
  const bodyEnd = bodyStart + length;
  if (bodyEnd > bytes.length) return undefined;
  const crc = readU32(bytes, at + FRAME_CRC_AT);
  if (crc !== frameCrc(bytes, at, bodyEnd)) return undefined;
  return { sequence: readU64(bytes, at + 16), crc, bodyStart, bodyEnd };
}

/** What the header of a frame says of the length of its body, not yet checked by the CRC; undefined: no header. */
export function frameBodyBytes(bytes: Uint8Array, at: number, base: number, segment: Segment): number | undefined {
  if (at + FRAME_HEADER_BYTES > bytes.length || readU32(bytes, at) !== FRAME_MAGIC) return undefined;
  if (readU32(bytes, at + 4) !== segment.number || readU64(bytes, at + 8) !== segment.salt) return undefined;
  if (readU32(bytes, at + 24) !== base + at) return undefined;
  return readU32(bytes, at + 28);
}

function frameCrc(bytes: Uint8Array, at: number, end: number): number {
  return crc32c(bytes, at + FRAME_HEADER_BYTES, end, crc32c(bytes, at, at + FRAME_CRC_AT));
}
