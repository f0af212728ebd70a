import { assert } from "../kernel/assert.ts";
import { SEGMENT_HEAD_BYTES, type Segment, encodeSegmentHead, segmentName } from "./segment.ts";
import type { Volume } from "./volume.ts";

export interface SegmentPoolOptions {
  readonly volume: Volume;
  /** Of a usual segment. */
  readonly segmentBytes: number;
  /** A random integer in 1…2⁵³−1, for salts. */
  readonly identity: () => number;
  /** Blank segments that are there already, by number. */
  readonly blank: readonly Segment[];
  /** Of the next segment that is made. */
  readonly nextNumber: number;
}

type Taken = (error: Error | undefined, segment: Segment | undefined) => void;

/** Blank segments, made ahead of need: zeroed, durable under their name, their head durable. */
export class SegmentPool {
  private readonly blank: Segment[];
  private nextNumber: number;
  private creating = false;
  /** The disk had no room: to try at every flush would fill it up and empty it again all the time. */
  private refused = false;
  private waiting: { readonly unitBytes: number; readonly done: Taken } | undefined;
  /** The disk refused a head: fatal for the log, however much room is left (PROTOCOLS D9). */
  failure: Error | undefined;

  constructor(private readonly options: SegmentPoolOptions) {
    this.blank = [...options.blank];
    this.nextNumber = options.nextNumber;
  }

  /** Starts to make a segment unless one is ready. If that fails, it is tried once more when one is needed. */
  prepare(): void {
    if (this.blank.length > 0 || this.creating || this.refused || this.failure !== undefined) return;
    this.create(this.options.segmentBytes);
  }

  /** Hands out the next segment that has room for the unit, perhaps before it returns. */
  take(unitBytes: number, done: Taken): void {
    assert(this.waiting === undefined, "one flush waits at most");
    for (;;) {
      const segment = this.blank.shift();
      if (segment === undefined) break;
      if (segment.bytes >= SEGMENT_HEAD_BYTES + unitBytes) return done(undefined, segment);
      // Too small: it stays blank for ever, because the order of numbers is the order of flushes.
    }
    this.waiting = { unitBytes, done };
    if (!this.creating) this.create(Math.max(this.options.segmentBytes, SEGMENT_HEAD_BYTES + unitBytes));
  }

  private create(bytes: number): void {
    const { volume, identity } = this.options;
    const number = this.nextNumber;
    const segment = { number, name: segmentName(number), bytes, salt: identity() };
    this.creating = true;
    volume.create(segment.name, bytes, (error) => {
      if (error !== undefined) this.created(error, segment);
      else writeHead(volume, segment, (failure) => this.created((this.failure = failure), segment));
    });
  }

  private created(error: Error | undefined, segment: Segment): void {
    this.creating = false;
    this.refused = error !== undefined;
    if (error === undefined) {
      this.blank.push(segment);
      this.nextNumber++;
    }
    const { waiting } = this;
    if (waiting === undefined) return;
    this.waiting = undefined;
    if (error !== undefined) waiting.done(error, undefined);
    else this.take(waiting.unitBytes, waiting.done);
  }
}

function writeHead(volume: Volume, segment: Segment, done: (error: Error | undefined) => void): void {
  try {
    volume.write(segment.name, 0, encodeSegmentHead(segment));
  } catch (error) {
    done(asError(error));
    return;
  }
  volume.sync(segment.name, done);
}

export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
