import { assert } from "../kernel/assert.ts";
import type { Entry, GroupId } from "../raft/types.ts";
import { type FrameEntries, FrameReader } from "./frame-reader.ts";
import type { Position } from "./position-index.ts";
import type { Segment } from "./segment.ts";
import type { Volume } from "./volume.ts";

/** The frame that was read last, decoded for one group. */
interface CachedFrame extends FrameEntries {
  readonly group: GroupId;
  readonly segment: number;
  readonly offset: number;
}

/** Reads entries of which the positions are known back from the segments. */
export class EntrySource {
  private readonly segments = new Map<number, Segment>();
  private readonly frames: FrameReader;
  private cached: CachedFrame = { group: -1, segment: 0, offset: 0, entries: [], nextOffset: 0 };

  constructor(volume: Pick<Volume, "read">, pathOf: (name: string) => string) {
    this.frames = new FrameReader(volume, pathOf);
  }

  addSegment(segment: Segment): void {
    this.segments.set(segment.number, segment);
  }

  dropSegment(number: number): void {
    this.segments.delete(number);
  }

  /** Of those from number `first` to `last`, in order. */
  segmentsOf(first: number, last: number): Segment[] {
    return [...this.segments.values()].filter(({ number }) => number >= first && number <= last);
  }

  /** @param find the position of an entry, undefined for one that does not exist */
  read(
    group: GroupId,
    from: number,
    to: number,
    maxBytes: number,
    find: (index: number) => Position | undefined,
  ): Entry[] {
    const found: Entry[] = [];
    let bytes = 0;
    for (let next = from; next <= to;) {
      const position = find(next);
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
}

function holds(frame: FrameEntries, index: number): boolean {
  const first = frame.entries[0];
  return first !== undefined && first.index <= index && index < first.index + frame.entries.length;
}
