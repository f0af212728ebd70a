import { assert, unreachable } from "../kernel/assert.ts";
import type { EntryReader, GroupLog } from "../raft/storage.ts";
import type { Entry, GroupId, HardState, LogPoint } from "../raft/types.ts";
import { EntrySource } from "./entry-source.ts";
import type { LogExcerpt } from "./excerpt.ts";
import { PositionIndex } from "./position-index.ts";
import type { LogRecord } from "./records.ts";
import type { Segment } from "./segment.ts";
import type { Volume } from "./volume.ts";

const INITIAL: HardState = { term: 0, vote: 0 };
const BEGINNING: LogPoint = { index: 0, term: 0, leaseTimeMs: 0 };

/** What the log knows of one group. */
export interface GroupState {
  hardState: HardState;
  /** Where the group's log begins. Never falls. */
  start: LogPoint;
  readonly positions: PositionIndex;
  /** Last index with everything accepted counted, durable or not. Invariant: positions.lastIndex once it is durable. */
  acceptedIndex: number;
}

/** Every group's hard state and the places of its entries; reads entries back from the segments. */
export class EntryLog implements EntryReader {
  private readonly states = new Map<GroupId, GroupState>();
  private readonly source: EntrySource;

  constructor(volume: Volume, pathOf: (name: string) => string) {
    this.source = new EntrySource(volume, pathOf);
  }

  addSegment(segment: Segment): void {
    this.source.addSegment(segment);
  }

  dropSegment(number: number): void {
    this.source.dropSegment(number);
  }

  /** By the order of their first record. */
  get groups(): ReadonlyMap<GroupId, Readonly<GroupState>> {
    return this.states;
  }

  /** The segment of the first entry behind `index`; undefined: there is no such entry. */
  segmentBehind(group: GroupId, index: number): number | undefined {
    return this.states.get(group)?.positions.find(index + 1)?.segment;
  }

  /** Holds the contract of a flush before anything of it is written. */
  accept(record: LogRecord): void {
    const state = this.group(record.group);
    switch (record.type) {
      case "hardState":
        return;
      case "truncate":
        assert(record.fromIndex > state.start.index, "what is compacted is never truncated");
        assert(record.fromIndex <= state.acceptedIndex + 1, "a truncation lies within the log");
        state.acceptedIndex = record.fromIndex - 1;
        return;
      case "logStart":
        assert(record.point.index > state.start.index, "a log begins ever later");
        if (!record.keepsRest) state.acceptedIndex = record.point.index;
        assert(record.point.index <= state.acceptedIndex, "a log that keeps its rest begins within it");
        return;
      case "entries":
        for (const entry of record.entries) {
          assert(entry.index === state.acceptedIndex + 1, "entries continue the log without a gap");
          state.acceptedIndex = entry.index;
        }
        return;
      default:
        unreachable(record);
    }
  }

  /** Takes the effect of an accepted record that is durable in the unit at `offset`. */
  absorb(record: LogRecord, segment: number, offset: number): void {
    const { group } = record;
    switch (record.type) {
      case "hardState":
        this.absorbHardState(group, record.hardState);
        return;
      case "truncate":
        this.absorbTruncation(group, record.fromIndex);
        return;
      case "logStart":
        this.absorbLogStart(group, record.point, record.keepsRest);
        return;
      case "entries": {
        const first = record.entries[0];
        if (first !== undefined) this.absorbEntries(group, first.index, record.entries.length, segment, offset);
        return;
      }
      default:
        unreachable(record);
    }
  }

  absorbHardState(group: GroupId, hardState: HardState): void {
    this.group(group).hardState = hardState;
  }

  absorbTruncation(group: GroupId, fromIndex: number): void {
    this.group(group).positions.truncate(fromIndex);
  }

  absorbLogStart(group: GroupId, point: LogPoint, keepsRest: boolean): void {
    const state = this.group(group);
    state.start = point;
    if (keepsRest) state.positions.compact(point.index);
    else state.positions.restart(point.index);
  }

  /** The group's log goes from `point` to `lastIndex`; entries between them have stood in segments that are gone. */
  absorbExtent(group: GroupId, point: LogPoint, lastIndex: number): void {
    const state = this.group(group);
    state.start = point;
    state.positions.restart(lastIndex);
  }

  absorbEntries(group: GroupId, firstIndex: number, count: number, segment: number, offset: number): void {
    this.group(group).positions.append(firstIndex, firstIndex + count - 1, segment, offset);
  }

  /** What was found of every group; from now on flushes continue it. */
  recovered(replayed: (group: GroupId) => Pick<GroupLog, "termRuns" | "configurations">): Map<GroupId, GroupLog> {
    const logs = new Map<GroupId, GroupLog>();
    for (const [group, state] of this.states) {
      const { hardState, start, positions } = state;
      const lastIndex = positions.lastIndex;
      const last = lastIndex === start.index ? undefined : this.read(group, lastIndex, lastIndex, 0)[0];
      const { leaseTimeMs } = last ?? start;
      const log = { group, hardState, lastIndex, ...replayed(group), leaseTimeMs };
      logs.set(group, start.index === 0 ? log : { ...log, compacted: start });
      state.acceptedIndex = lastIndex;
    }
    return logs;
  }

  read(group: GroupId, from: number, to: number, maxBytes: number): Entry[] {
    const state = this.states.get(group);
    assert(state !== undefined && from > state.start.index, "what is compacted is not read, and what is not there");
    return this.source.read(group, from, to, maxBytes, (index) => state.positions.find(index));
  }

  /** Where entries `from`…`to` stand. They exist, are committed, and are not compacted. */
  excerpt(group: GroupId, from: number, to: number): LogExcerpt {
    const state = this.states.get(group);
    assert(state !== undefined && from > state.start.index && from <= to, "what is compacted is not read");
    assert(to <= state.positions.lastIndex, "only entries that are durable are read");
    const positions = state.positions.range(from, to);
    const first = positions[0]?.segment ?? 0;
    const segments = this.source.segmentsOf(first, positions.at(-1)?.segment ?? first);
    return { group, from, to, segments, positions };
  }

  private group(group: GroupId): GroupState {
    let state = this.states.get(group);
    if (state === undefined) {
      state = { hardState: INITIAL, start: BEGINNING, positions: new PositionIndex(), acceptedIndex: 0 };
      this.states.set(group, state);
    }
    return state;
  }
}
