import { DecodeError } from "../kernel/bytes.ts";
import type { GroupLog, TermRun } from "../raft/storage.ts";
import type { GroupId, HardState } from "../raft/types.ts";
import type { EntryLog } from "./entry-log.ts";
import { LogCorruptError } from "./errors.ts";
import type { Frame } from "./frame.ts";
import { type RecordVisitor, decodeEntries, readRecords } from "./record-codec.ts";
import type { Segment } from "./segment.ts";

/** Replays frames into an {@link EntryLog} when the log is opened. The last record of a kind wins. */
export class Recovery implements RecordVisitor {
  private readonly termRuns = new Map<GroupId, TermRun[]>();
  private readonly lastIndexes = new Map<GroupId, number>();
  private segment = 0;
  private unitOffset = 0;

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

  finish(): ReadonlyMap<GroupId, GroupLog> {
    return this.log.recovered((group) => this.termRuns.get(group) ?? []);
  }

  hardState(group: GroupId, hardState: HardState): void {
    this.log.absorbHardState(group, hardState);
  }

  truncate(group: GroupId, fromIndex: number): void {
    if (fromIndex < 1 || fromIndex > this.lastIndex(group) + 1) throw new DecodeError("a truncation beyond the log");
    const runs = this.runs(group);
    while ((runs.at(-1)?.firstIndex ?? 0) >= fromIndex) runs.pop();
    this.lastIndexes.set(group, fromIndex - 1);
    this.log.absorbTruncation(group, fromIndex);
  }

  entries(group: GroupId, firstIndex: number, count: number, encoded: Uint8Array): void {
    if (count === 0 || firstIndex !== this.lastIndex(group) + 1)
      throw new DecodeError("entries with a gap before them");
    const runs = this.runs(group);
    for (const { index, term } of decodeEntries(firstIndex, count, encoded)) {
      if (runs.at(-1)?.term !== term) runs.push({ firstIndex: index, term });
    }
    this.lastIndexes.set(group, firstIndex + count - 1);
    this.log.absorbEntries(group, firstIndex, count, this.segment, this.unitOffset);
  }

  private lastIndex(group: GroupId): number {
    return this.lastIndexes.get(group) ?? 0;
  }

  private runs(group: GroupId): TermRun[] {
    let runs = this.termRuns.get(group);
    if (runs === undefined) {
      runs = [];
      this.termRuns.set(group, runs);
    }
    return runs;
  }
}
