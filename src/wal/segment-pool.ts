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

interface Waiting {
  readonly unitBytes: number;
  readonly mayTakeReserve: boolean;
  readonly done: Taken;
}

/** Blank segments that stand ready when the disk has room: the next one, and behind it the reserve. */
const READY = 2;

/**
 * Blank segments, made ahead of need: zeroed, durable under their name, their head durable. The last of them is the
 * reserve (PROTOCOLS D9): entries go only where another blank one stands behind, so a disk that has no room for
 * one more is noticed while nothing needs it yet, and a node can go on to write terms and votes for very long.
 */
export class SegmentPool {
  private readonly blank: Segment[];
  private nextNumber: number;
  private creating = false;
  /** The disk gave none: to try at every flush would fill it up and empty it again all the time. See {@link retry}. */
  private paused = false;
  private waiting: Waiting | undefined;
  /** Why the disk gave no segment when it was asked last; undefined when all are there that should be. */
  refusal: Error | undefined;
  /** The disk refused a head: fatal for the log, however much room is left (PROTOCOLS D9). */
  failure: Error | undefined;

  constructor(private readonly options: SegmentPoolOptions) {
    this.blank = [...options.blank];
    this.nextNumber = options.nextNumber;
  }

  /** A blank segment stands ready that no entry may take. */
  get hasReserve(): boolean {
    return this.blank.length > 0;
  }

  /** The longest unit with entries that the next segment would take, in bytes. */
  get spareBytes(): number {
    return this.blank.length < READY ? 0 : (this.blank[0]?.bytes ?? 0) - SEGMENT_HEAD_BYTES;
  }

  /** Starts to make a segment unless enough are ready, or the disk has just said that it has no room. */
  prepare(): void {
    if (this.blank.length >= READY || this.creating || this.paused || this.failure !== undefined) return;
    this.create(this.options.segmentBytes);
  }

  /** Asks a disk again that had no room. */
  retry(): void {
    this.paused = false;
    this.prepare();
    if (this.waiting !== undefined) this.serve();
  }

  /** Calls back as soon as one blank segment is ready, or with the error of a disk that gives none. */
  demand(done: (error: Error | undefined) => void): void {
    if (this.blank.length > 0) done(undefined);
    else this.create(this.options.segmentBytes, done);
  }

  /**
   * Hands out the next segment that has room for the unit, perhaps before it returns. Waits while the disk has no room.
   *
   * @param mayTakeReserve for what a node must be able to write even then: terms and votes
   */
  take(unitBytes: number, mayTakeReserve: boolean, done: Taken): void {
    assert(this.waiting === undefined, "one flush waits at most");
    this.waiting = { unitBytes, mayTakeReserve, done };
    this.serve();
  }

  private serve(): void {
    const { waiting } = this;
    if (waiting === undefined) return;
    const { unitBytes, mayTakeReserve, done } = waiting;
    if (this.failure !== undefined) {
      this.waiting = undefined;
      done(this.failure, undefined);
      return;
    }
    const fits = ({ bytes }: Segment): boolean => bytes >= SEGMENT_HEAD_BYTES + unitBytes;
    while (this.blank.length >= (mayTakeReserve ? 1 : READY)) {
      const segment = this.blank.shift();
      if (segment === undefined) break;
      // Too small: it stays blank for ever, because the order of numbers is the order of flushes.
      if (!fits(segment)) continue;
      this.waiting = undefined;
      done(undefined, segment);
      return;
    }
    if (this.creating || this.paused) return;
    const { segmentBytes } = this.options;
    this.create(this.blank.some(fits) ? segmentBytes : Math.max(segmentBytes, SEGMENT_HEAD_BYTES + unitBytes));
  }

  private create(bytes: number, done: (error: Error | undefined) => void = () => {}): void {
    const { volume, identity } = this.options;
    const number = this.nextNumber;
    const segment = { number, name: segmentName(number), bytes, salt: identity() };
    this.creating = true;
    const created = (error: Error | undefined): void => {
      this.created(error, segment);
      done(error);
    };
    volume.create(segment.name, bytes, (error) => {
      if (error !== undefined) created(error);
      else writeHead(volume, segment, (failure) => created((this.failure = failure)));
    });
  }

  private created(error: Error | undefined, segment: Segment): void {
    this.creating = false;
    this.paused = error !== undefined;
    if (error === undefined) {
      this.blank.push(segment);
      this.nextNumber++;
      if (this.blank.length >= READY) this.refusal = undefined;
    } else this.refusal = error;
    this.serve();
    this.prepare();
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
