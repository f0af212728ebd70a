import { ByteWriter } from "../kernel/bytes.ts";
import type { GroupId, HardState } from "../raft/types.ts";
import { EntryLog } from "./entry-log.ts";
import { type FlushId, UNIT_HEAD_BYTES, alignUnit, sealUnit } from "./frame.ts";
import { writeLogHead } from "./log-head.ts";
import { writeBeginning } from "./record-codec.ts";
import { SEGMENT_HEAD_BYTES, type Segment, encodeSegmentHead, segmentName } from "./segment.ts";
import { SegmentPool, asError } from "./segment-pool.ts";
import type { Volume } from "./volume.ts";

export interface BeginningOptions {
  readonly volume: Volume;
  readonly identity: () => number;
  readonly segmentBytes: number;
  readonly pathOf: (name: string) => string;
  readonly hardStates: ReadonlyMap<GroupId, HardState>;
  /** Segments that are there: behind `lastUsed` they are blank. */
  readonly numbers: readonly number[];
  readonly lastUsed: number;
  /** Of the first flush: behind all that were ever written. */
  readonly sequence: number;
}

/** A log without entries, durable, in a segment behind all that were there. */
export interface Beginning {
  readonly entries: EntryLog;
  readonly pool: SegmentPool;
  readonly segment: Segment;
  readonly end: number;
  readonly flush: FlushId;
}

/** @param beginning undefined if and only if there is an error */
type Begun = (error: Error | undefined, beginning: Beginning | undefined) => void;

/**
 * Begins the log anew behind a damaged one, which is not touched: until the one frame that is written here is durable, it is
 * what the next start finds, and from then on nothing of it counts.
 */
export function beginAnew(options: BeginningOptions, done: Begun): void {
  const { volume, identity, segmentBytes, numbers, lastUsed, hardStates } = options;
  const blank = numbers
    .filter((number) => number > lastUsed)
    .map((number) => ({ number, name: segmentName(number) }))
    .map(({ number, name }) => ({ number, name, bytes: volume.size(name), salt: identity() }));
  const entries = new EntryLog(volume, options.pathOf);
  for (const [group, hardState] of hardStates) entries.absorbHardState(group, hardState);
  const unit = new ByteWriter();
  unit.skip(UNIT_HEAD_BYTES);
  writeBeginning(unit);
  const oldestAt = writeLogHead(unit, entries);
  unit.skip(alignUnit(unit.length) - unit.length);
  // Their heads may be anything, and on a full disk there is no room for another one.
  writeHeads(volume, [...blank], (failure) => {
    if (failure !== undefined) {
      done(failure, undefined);
      return;
    }
    const nextNumber = Math.max(0, ...numbers) + 1;
    const pool = new SegmentPool({ volume, segmentBytes, identity, blank, nextNumber });
    pool.demand((error) => {
      if (error !== undefined) {
        done(error, undefined);
        return;
      }
      pool.take(unit.length, true, (refusal, segment) => {
        if (segment === undefined) {
          done(refusal ?? new Error("no segment"), undefined);
          return;
        }
        unit.patchU32(oldestAt, segment.number);
        entries.addSegment(segment);
        writeFirst(options, unit.written(), { entries, pool, segment }, done);
      });
    });
  });
}

function writeHeads(volume: Volume, segments: Segment[], done: (error?: Error) => void): void {
  const segment = segments.pop();
  if (segment === undefined) {
    done();
    return;
  }
  writeDurably(volume, segment.name, 0, encodeSegmentHead(segment), (error) => {
    if (error !== undefined) done(error);
    else writeHeads(volume, segments, done);
  });
}

function writeFirst(
  { volume, sequence }: BeginningOptions,
  unit: Uint8Array,
  log: Pick<Beginning, "entries" | "pool" | "segment">,
  done: Begun,
): void {
  const { segment } = log;
  const flush = sealUnit(unit, segment, SEGMENT_HEAD_BYTES, sequence, { sequence: sequence - 1, crc: 0 });
  writeDurably(volume, segment.name, SEGMENT_HEAD_BYTES, unit, (error) => {
    if (error !== undefined) done(error, undefined);
    else done(undefined, { ...log, end: SEGMENT_HEAD_BYTES + unit.length, flush });
  });
}

function writeDurably(
  volume: Volume,
  name: string,
  offset: number,
  bytes: Uint8Array,
  done: (error?: Error) => void,
): void {
  try {
    volume.write(name, offset, bytes);
  } catch (error) {
    done(asError(error));
    return;
  }
  volume.sync(name, done);
}
