import { assert } from "../kernel/assert.ts";
import type { EntryReader } from "../raft/storage.ts";
import type { Entry, GroupId } from "../raft/types.ts";
import { EntrySource } from "./entry-source.ts";
import type { Position } from "./position-index.ts";
import type { Segment } from "./segment.ts";
import type { Volume } from "./volume.ts";

/**
 * Where some committed entries of one group stand: plain data, to be read in another thread while the log goes on. A unit
 * that is durable never changes, also in the segment that is still written, and what is committed is never truncated.
 */
export interface LogExcerpt {
  readonly group: GroupId;
  readonly from: number;
  readonly to: number;
  readonly segments: readonly Segment[];
  /** Invariant: lastIndex rises strictly, to `to` at least. */
  readonly positions: readonly Position[];
}

/** An excerpt whose segments stay until it is released, compacted or not. */
export interface PinnedExcerpt {
  readonly excerpt: LogExcerpt;
  /** Nobody reads it any more. To be called once, however the reader ended. */
  release(): void;
}

/** Reads an excerpt back, in whatever thread. */
export class ExcerptReader implements EntryReader {
  private readonly source: EntrySource;

  constructor(
    volume: Pick<Volume, "read">,
    private readonly excerpt: LogExcerpt,
    pathOf: (name: string) => string = (name) => name,
  ) {
    this.source = new EntrySource(volume, pathOf);
    for (const segment of excerpt.segments) this.source.addSegment(segment);
  }

  /** @throws {LogCorruptError} when a frame is damaged */
  read(group: GroupId, from: number, to: number, maxBytes: number): Entry[] {
    const { excerpt } = this;
    assert(group === excerpt.group && from >= excerpt.from && to <= excerpt.to, "an excerpt has no other entries");
    return this.source.read(group, from, to, maxBytes, (index) => this.find(index));
  }

  private find(index: number): Position | undefined {
    const { positions } = this.excerpt;
    let low = 0;
    let high = positions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((positions[middle]?.lastIndex ?? 0) < index) low = middle + 1;
      else high = middle;
    }
    return positions[low];
  }
}
