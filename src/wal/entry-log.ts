import { assert } from "../kernel/assert.ts";
import type { EntryReader, GroupLog, TermRun } from "../raft/storage.ts";
import type { Entry, GroupId, HardState } from "../raft/types.ts";
import { type FrameEntries, FrameReader } from "./frame-reader.ts";
import { type Position, PositionIndex } from "./position-index.ts";
import type { LogRecord } from "./records.ts";
import type { Segment } from "./segment.ts";
import type { Volume } from "./volume.ts";

const INITIAL: HardState = { term: 0, vote: 0 };

/** What the log knows of one group. */
interface GroupState {
  hardState: HardState;
  readonly positions: PositionIndex;
  /** Last index with everything accepted counted, durable or not. Invariant: positions.lastIndex once it is durable. */
  acceptedIndex: number;
}

/** The frame that was read last, decoded for one group. */
interface CachedFrame extends FrameEntries {
  readonly group: GroupId;
  readonly segment: number;
  readonly offset: number;
}

/** Every group's hard state and the places of its entries; reads entries back from the segments. */
export class EntryLog implements EntryReader {
  private readonly groups = new Map<GroupId, GroupState>();
  private readonly segments = new Map<number, Segment>();
  private readonly frames: FrameReader;
  private cached: CachedFrame = { group: -1, segment: 0, offset: 0, entries: [], nextOffset: 0 };

  constructor(volume: Volume, pathOf: (name: string) => string) {
    this.frames = new FrameReader(volume, pathOf);
  }

  addSegment(segment: Segment): void {
    this.segments.set(segment.number, segment);
  }

  get groupCount(): number {
    return this.groups.size;
  }

  /** Every group's, by the order of their first record. */
  *hardStates(): Generator<readonly [GroupId, HardState]> {
    for (const [group, state] of this.groups) yield [group, state.hardState];
  }

  /** Holds the contract of a flush before anything of it is written. */
  accept(record: LogRecord): void {
    const state = this.group(record.group);
    switch (record.type) {
      case "hardState":
        return;
      case "truncate":
        assert(record.fromIndex >= 1, "the log starts at 1");
        assert(record.fromIndex <= state.acceptedIndex + 1, "a truncation lies within the log");
        state.acceptedIndex = record.fromIndex - 1;
        return;
      case "entries":
        for (const entry of record.entries) {
          assert(entry.index === state.acceptedIndex + 1, "entries continue the log without a gap");
          state.acceptedIndex = entry.index;
        }
    }
  }

  /** Takes the effect of an accepted record that is durable in the unit at `offset`. */
  absorb(record: LogRecord, segment: number, offset: number): void {
    if (record.type === "hardState") this.absorbHardState(record.group, record.hardState);
    else if (record.type === "truncate") this.absorbTruncation(record.group, record.fromIndex);
    else {
      const first = record.entries[0];
      if (first !== undefined) this.absorbEntries(record.group, first.index, record.entries.length, segment, offset);
    }
  }

  absorbHardState(group: GroupId, hardState: HardState): void {
    this.group(group).hardState = hardState;
  }

  absorbTruncation(group: GroupId, fromIndex: number): void {
    this.group(group).positions.truncate(fromIndex);
  }

  absorbEntries(group: GroupId, firstIndex: number, count: number, segment: number, offset: number): void {
    this.group(group).positions.append(firstIndex, firstIndex + count - 1, segment, offset);
  }

  /** What was found of every group; from now on flushes continue it. */
  recovered(runsOf: (group: GroupId) => readonly TermRun[]): Map<GroupId, GroupLog> {
    const logs = new Map<GroupId, GroupLog>();
    for (const [group, { hardState, positions }] of this.groups) {
      const lastIndex = positions.lastIndex;
      const last = lastIndex === 0 ? undefined : this.read(group, lastIndex, lastIndex, 0)[0];
      const leaseTimeMs = last?.leaseTimeMs ?? 0;
      logs.set(group, { group, hardState, lastIndex, termRuns: runsOf(group), leaseTimeMs });
      this.group(group).acceptedIndex = lastIndex;
    }
    return logs;
  }

  read(group: GroupId, from: number, to: number, maxBytes: number): Entry[] {
    const found: Entry[] = [];
    let bytes = 0;
    for (let next = from; next <= to;) {
      const position = this.groups.get(group)?.positions.find(next);
      assert(position !== undefined, "only entries that exist are read");
      const { entries } = this.frameOf(group, next, position);
      // Behind the position's last index stands what a later truncation made void.
      const end = Math.min(to, position.lastIndex);
      for (let i = next - (entries[0]?.index ?? 0); i < entries.length && next <= end; i++, next++) {
        const entry = entries[i];
        assert(entry?.index === next, "a frame's entries have no gap");
        bytes += entry.payload.length;
        if (bytes > maxBytes && found.length > 0) return found;
        found.push(entry);
      }
    }
    return found;
  }

  /** Walks on from the position, or from the frame read last, to the one that holds the entry. */
  private frameOf(group: GroupId, index: number, position: Position): CachedFrame {
    const segment = this.segments.get(position.segment);
    assert(segment !== undefined, "a position lies in a known segment");
    const { cached } = this;
    let offset = position.offset;
    // A frame before the position holds what was truncated since.
    if (cached.group === group && cached.segment === segment.number && cached.offset >= offset) {
      if (holds(cached, index)) return cached;
      if ((cached.entries.at(-1)?.index ?? index) < index) offset = cached.nextOffset;
    }
    for (;;) {
      const frame = this.frames.read(segment, offset, group, index);
      if (holds(frame, index)) {
        this.cached = { group, segment: segment.number, offset, ...frame };
        return this.cached;
      }
      offset = frame.nextOffset;
    }
  }

  private group(group: GroupId): GroupState {
    let state = this.groups.get(group);
    if (state === undefined) {
      state = { hardState: INITIAL, positions: new PositionIndex(), acceptedIndex: 0 };
      this.groups.set(group, state);
    }
    return state;
  }
}

function holds(frame: FrameEntries, index: number): boolean {
  const first = frame.entries[0];
  return first !== undefined && first.index <= index && index < first.index + frame.entries.length;
}
