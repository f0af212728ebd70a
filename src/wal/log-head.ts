import type { ByteWriter } from "../kernel/bytes.ts";
import type { GroupId } from "../raft/types.ts";
import type { EntryLog, GroupState } from "./entry-log.ts";
import { writeExtent, writeHardState, writeOldestSegment } from "./record-codec.ts";
import type { LogRecord } from "./records.ts";

/** A group whose first entry lies so many segments back holds them; its entries are written once more if they are few. */
const HELD_SEGMENTS = 4;
/** Payload of all entries that one new segment repeats. */
const MAX_CARRIED_BYTES = 256 * 1024;

/**
 * What a frame repeats so that no earlier segment is needed for it (PROTOCOLS D6): every group's hard state, compaction
 * point and last index. Configurations are not repeated: those up to the compaction point are in the snapshot, later ones
 * are entries.
 *
 * @returns where the number of the oldest segment that is needed belongs
 */
export function writeLogHead(unit: ByteWriter, log: EntryLog): number {
  const at = writeOldestSegment(unit);
  for (const [group, { hardState, start, positions }] of log.groups) {
    writeHardState(unit, group, hardState);
    writeExtent(unit, group, start, positions.lastIndex);
  }
  return at;
}

/**
 * The number of the oldest segment with an entry that is still needed once `records` are durable; Infinity: there is no
 * such entry. A truncation in them frees nothing yet.
 */
export function oldestNeeded(log: EntryLog, records: readonly LogRecord[], carried: readonly LogRecord[]): number {
  let oldest = Number.POSITIVE_INFINITY;
  for (const [group, { start }] of log.groups) {
    if (carried.some((record) => record.group === group)) continue;
    let index = start.index;
    for (const record of records) {
      if (record.type === "logStart" && record.group === group)
        index = record.keepsRest ? record.point.index : Number.POSITIVE_INFINITY;
    }
    oldest = Math.min(oldest, log.segmentBehind(group, index) ?? Number.POSITIVE_INFINITY);
  }
  return oldest;
}

/**
 * The live entries of groups that hold old segments back, to be written again in the segment that comes next: as a
 * truncation and the same entries, which leaves the log as it is. Not of a group that `records` write to, and not of one
 * with much to copy: that one needs a snapshot.
 */
export function carriedForward(log: EntryLog, records: readonly LogRecord[], segment: number): LogRecord[] {
  const carried: LogRecord[] = [];
  let left = MAX_CARRIED_BYTES;
  for (const [group, state] of log.groups) {
    const held = log.segmentBehind(group, state.start.index);
    if (held === undefined || segment - held < HELD_SEGMENTS) continue;
    if (records.some((record) => record.group === group)) continue;
    const bytes = carry(log, group, state, left, carried);
    left -= bytes;
  }
  return carried;
}

function carry(log: EntryLog, group: GroupId, state: GroupState, maxBytes: number, carried: LogRecord[]): number {
  const from = state.start.index + 1;
  const to = state.positions.lastIndex;
  // More entries than bytes do not fit: nothing needs to be read to know.
  if (to - from >= maxBytes) return 0;
  const entries = log.read(group, from, to, maxBytes);
  const bytes = entries.reduce((sum, { payload }) => sum + payload.length + 1, 0);
  if (entries.length < to - from + 1 || bytes > maxBytes) return 0;
  carried.push({ type: "truncate", group, fromIndex: from }, { type: "entries", group, entries });
  return bytes;
}
