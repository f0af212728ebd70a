import type { Linked } from "../kernel/linked-list.ts";
import type { Claimant } from "./claimants.ts";
import type { Lock, Operation, Place, Timed, Wish } from "./records.ts";
import type { LockMode, LockWish } from "./types.ts";

/**
 * A wait for several locks at once: granted, refused, cancelled and expired as a whole (PROTOCOLS L6). It has a place in
 * every queue, all entered in one step, and holds nothing for its waiting.
 */
export class Bundle implements Timed {
  readonly kind = "bundle";
  heapIndex = -1;
  deadlineMs = 0;
  /** As of a waiter. */
  ttlMs = 0;
  readonly operations: Operation[] = [];
  /** In the order of the request, no lock twice. */
  readonly places: readonly BundlePlace[];

  constructor(
    readonly claimant: Claimant,
    /** What it waits for: {@link wishKey}. */
    readonly key: string,
    readonly serial: number,
    readonly enqueuedAtMs: number,
    wishes: readonly Wish[],
  ) {
    this.places = wishes.map(({ lock, mode }) => new BundlePlace(this, lock, mode));
  }
}

/** In the queue of one lock: stands its turn there as a waiter does. */
export class BundlePlace implements Linked<Place> {
  readonly kind = "place";
  previous: Place | undefined = undefined;
  next: Place | undefined = undefined;

  constructor(
    readonly bundle: Bundle,
    readonly lock: Lock,
    readonly mode: LockMode,
  ) {}

  get claimant(): Claimant {
    return this.bundle.claimant;
  }

  get serial(): number {
    return this.bundle.serial;
  }

  get enqueuedAtMs(): number {
    return this.bundle.enqueuedAtMs;
  }
}

/** Equal for the same locks in the same modes, in whatever order. */
export function wishKey(wishes: readonly LockWish[]): string {
  return JSON.stringify(wishes.map(({ lock, mode }) => `${mode === "exclusive" ? "x" : "s"}${lock}`).sort());
}
