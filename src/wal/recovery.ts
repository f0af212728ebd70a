import { DecodeError } from "../kernel/bytes.ts";
import { type ConfigurationAt, decodeConfiguration } from "../raft/configuration.ts";
import type { GroupLog, TermRun } from "../raft/storage.ts";
import type { GroupId, HardState, LogPoint } from "../raft/types.ts";
import type { EntryLog } from "./entry-log.ts";
import { LogCorruptError } from "./errors.ts";
import type { Frame } from "./frame.ts";
import { type RecordVisitor, decodeEntries, readRecords } from "./record-codec.ts";
import { SEGMENT_HEAD_BYTES, type Segment, segmentName } from "./segment.ts";

/** What the records read so far say of one group. */
interface Replayed {
  start: LogPoint;
  lastIndex: number;
  readonly runs: TermRun[];
  readonly configurations: ConfigurationAt[];
}

/** Replays frames into an {@link EntryLog} when the log is opened. The last record of a kind wins. */
export class Recovery implements RecordVisitor {
  private readonly groups = new Map<GroupId, Replayed>();
  private segment = 0;
  private unitOffset = 0;
  /** Number of the oldest segment that is needed; 1 until the log says otherwise. */
  oldestNeeded = 1;
  /** Number of the first segment that begins with what D6 asks for; Infinity: none does. */
  headedFrom = Number.POSITIVE_INFINITY;

  constructor(
    private readonly log: EntryLog,
    private readonly pathOf: (name: string) => string,
  ) {}

  frame(bytes: Uint8Array, frame: Frame, segment: Segment, unitOffset: number): void {
    this.segment = segment.number;
    this.unitOffset = unitOffset;
    this.log.addSegment(segment);
    try {
      readRecords(bytes, frame.bodyStart, frame.bodyEnd, this);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      // The CRC holds, so these bytes were written: by a bug, or by someone who knows the salt.
      throw new LogCorruptError(this.pathOf(segment.name), unitOffset, `a record cannot be read: ${error.message}`);
    }
  }

  /** @throws {LogCorruptError} when entries are missing that no compaction made superfluous */
  finish(): ReadonlyMap<GroupId, GroupLog> {
    for (const [group, { start, lastIndex }] of this.groups) {
      const { positions } = this.log.groups.get(group) ?? {};
      const first = positions?.firstIndex ?? 1;
      if (lastIndex === start.index || first <= start.index + 1) continue;
      const missing = `entries ${start.index + 1} to ${first - 1} of group ${group} are missing`;
      throw new LogCorruptError(this.pathOf(segmentName(this.oldestNeeded)), 0, missing);
    }
    return this.log.recovered((group) => {
      const termRuns = this.runsBehindStart(group);
      const configurations = this.configurationsBehindStart(group);
      return configurations.length === 0 ? { termRuns } : { termRuns, configurations };
    });
  }

  hardState(group: GroupId, hardState: HardState): void {
    this.log.absorbHardState(group, hardState);
  }

  oldestSegment(number: number): void {
    this.oldestNeeded = number;
    if (this.unitOffset === SEGMENT_HEAD_BYTES) this.headedFrom = Math.min(this.headedFrom, this.segment);
  }

  /** Where the log begins it says what stood before; elsewhere it repeats what is known. */
  extent(group: GroupId, point: LogPoint, lastIndex: number): void {
    const known = this.groups.get(group);
    if (known === undefined) {
      if (lastIndex < point.index) throw new DecodeError("a log that ends before it begins");
      this.groups.set(group, { start: point, lastIndex, runs: [], configurations: [] });
      this.log.absorbExtent(group, point, lastIndex);
    } else if (known.lastIndex !== lastIndex || known.start.index !== point.index) {
      throw new DecodeError("a segment that contradicts those before it");
    }
  }

  logStart(group: GroupId, point: LogPoint, keepsRest: boolean): void {
    const state = this.group(group);
    if (point.index <= state.start.index) throw new DecodeError("a log that begins earlier than before");
    if (keepsRest && point.index > state.lastIndex) throw new DecodeError("a log that begins beyond its end");
    state.start = point;
    if (!keepsRest) {
      state.lastIndex = point.index;
      state.runs.length = 0;
      state.configurations.length = 0;
    }
    this.log.absorbLogStart(group, point, keepsRest);
  }

  truncate(group: GroupId, fromIndex: number): void {
    const state = this.group(group);
    if (fromIndex <= state.start.index || fromIndex > state.lastIndex + 1)
      throw new DecodeError("a truncation beyond the log");
    while ((state.runs.at(-1)?.firstIndex ?? 0) >= fromIndex) state.runs.pop();
    while ((state.configurations.at(-1)?.index ?? 0) >= fromIndex) state.configurations.pop();
    state.lastIndex = fromIndex - 1;
    this.log.absorbTruncation(group, fromIndex);
  }

  entries(group: GroupId, firstIndex: number, count: number, encoded: Uint8Array): void {
    const state = this.group(group);
    if (count === 0 || firstIndex !== state.lastIndex + 1) throw new DecodeError("entries with a gap before them");
    for (const { index, term, kind, payload } of decodeEntries(firstIndex, count, encoded)) {
      if (state.runs.at(-1)?.term !== term) state.runs.push({ firstIndex: index, term });
      if (kind === "configuration") state.configurations.push({ index, configuration: decodeConfiguration(payload) });
    }
    state.lastIndex = firstIndex + count - 1;
    this.log.absorbEntries(group, firstIndex, count, this.segment, this.unitOffset);
  }

  private runsBehindStart(group: GroupId): TermRun[] {
    const { start, lastIndex, runs } = this.group(group);
    const first = start.index + 1;
    if (lastIndex < first) return [];
    const kept = runs.filter((_, i) => (runs[i + 1]?.firstIndex ?? Infinity) > first);
    return kept.map(({ firstIndex, term }) => ({ firstIndex: Math.max(firstIndex, first), term }));
  }

  private configurationsBehindStart(group: GroupId): ConfigurationAt[] {
    const { start, configurations } = this.group(group);
    return configurations.filter(({ index }) => index > start.index);
  }

  private group(group: GroupId): Replayed {
    let state = this.groups.get(group);
    if (state === undefined) {
      state = { start: { index: 0, term: 0, leaseTimeMs: 0 }, lastIndex: 0, runs: [], configurations: [] };
      this.groups.set(group, state);
    }
    return state;
  }
}
