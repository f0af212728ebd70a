import { utf8Length, writeUtf8 } from "../../src/kernel/utf8.ts";
import type { SegmentedLog } from "../../src/wal/log.ts";
import { type LogOptions, openLog } from "../../src/wal/open-log.ts";
import type { LogRecord } from "../../src/wal/records.ts";
import type { Volume } from "../../src/wal/volume.ts";
import type { Entry } from "../../src/raft/types.ts";

/** Salts 1, 2, 3, … */
export function countingIdentity(): () => number {
  let last = 0;
  return () => ++last;
}

/** Opens over a volume that completes at once. Throws what `openLog` reports. */
export function open(volume: Volume, options: Partial<LogOptions> = {}): SegmentedLog {
  let outcome: SegmentedLog | Error | undefined;
  openLog(volume, { identity: countingIdentity(), segmentBytes: 8192, ...options }, (error, log) => {
    outcome = error ?? log;
  });
  if (outcome === undefined) throw new Error("the log did not open at once");
  if (outcome instanceof Error) throw outcome;
  return outcome;
}

/** Flushes over a volume that completes at once. Throws what the flush reports. */
export function flush(log: SegmentedLog, ...records: LogRecord[]): void {
  let outcome: Error | "durable" | undefined;
  log.flush(records, (error) => {
    outcome = error ?? "durable";
  });
  if (outcome === undefined) throw new Error("the flush did not end at once");
  if (outcome instanceof Error) throw outcome;
}

export function entry(index: number, term: number, payload: string | Uint8Array = `entry ${index}`): Entry {
  const bytes = typeof payload === "string" ? utf8(payload) : payload;
  return { index, term, kind: "command", leaseTimeMs: index * 10, payload: bytes };
}

export function entries(group: number, ...list: Entry[]): LogRecord {
  return { type: "entries", group, entries: list };
}

export function hardState(group: number, term: number, vote: number): LogRecord {
  return { type: "hardState", group, hardState: { term, vote } };
}

/** The group's log begins behind `index`. */
export function logStart(group: number, index: number, term = 1, keepsRest = true): LogRecord {
  return { type: "logStart", group, point: { index, term, leaseTimeMs: index * 10 }, keepsRest };
}

export function truncate(group: number, fromIndex: number): LogRecord {
  return { type: "truncate", group, fromIndex };
}

/** All entries of a group that are not compacted, as the log reads them back. */
export function readAll(log: SegmentedLog, group = 0): Entry[] {
  const { lastIndex = 0, compacted } = log.recovered.get(group) ?? {};
  const first = (compacted?.index ?? 0) + 1;
  return lastIndex < first ? [] : log.read(group, first, lastIndex, Number.MAX_SAFE_INTEGER);
}

/** A payload of `size` bytes that is not zero anywhere. */
export function filler(size: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => 1 + ((i * 7 + seed) % 255));
}

export function utf8(text: string): Uint8Array {
  const bytes = new Uint8Array(utf8Length(text));
  writeUtf8(bytes, 0, text);
  return bytes;
}
