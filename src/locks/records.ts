import type { Hashed } from "../kernel/hash-table.ts";
import { type Linked, LinkedList } from "../kernel/linked-list.ts";
import type { Bundle, BundlePlace } from "./bundles.ts";
import type { Claimant } from "./claimants.ts";
import type { KeyRecord } from "./idempotency.ts";
import type { PermitWaiter } from "./semaphores.ts";
import type { LockMode, ShownMode } from "./types.ts";

/** What operations wait in, and are answered from together. */
export type Wait = Waiter | Bundle | PermitWaiter;
/** A lock that is asked for. */
export interface Wish {
  readonly lock: Lock;
  readonly mode: LockMode;
}
/** A turn in the queue of a lock. */
export type Place = Waiter | BundlePlace;

/** An operation that has not been answered yet, or the one that a hold was last answered to. */
export interface Operation {
  readonly ingress: number;
  readonly sequence: number;
  /** What remembers it by its `Idempotency-Key`. */
  readonly key: KeyRecord | undefined;
}

/** Something that ends at a lease time. `serial` is the order of creation: the second key of the order of expiry. */
export interface Timed {
  deadlineMs: number;
  readonly serial: number;
  heapIndex: number;
}

/** One name in the table. It exists while it is held or waited for. */
export class Lock implements Hashed<Lock>, Linked<Lock> {
  chained: Lock | undefined = undefined;
  /** Among the locks with waiters. */
  previous: Lock | undefined = undefined;
  next: Lock | undefined = undefined;
  /** Of its holders. Invariant: undefined exactly while there is none. */
  mode: LockMode | undefined = undefined;
  /** Of its holders, all the same: a shared phase is one grant (PROTOCOLS L2). */
  token = 0;
  /** What the holder is known by; undefined in shared mode. */
  value: string | undefined = undefined;
  /** Index of the entry that last changed holders, mode or value. */
  revision = 0;
  /** In the order of their grants. Invariant: more than one only in shared mode. */
  readonly holders = new LinkedList<Hold>();
  /**
   * First come, first served: nobody passes a place of an incompatible mode. Invariants: serials rise; between entries no
   * waiter can be granted, and no bundle.
   */
  readonly queue = new LinkedList<Place>();
  /** The first exclusive place. Shared ones before it have nobody incompatible ahead. */
  firstExclusive: Place | undefined = undefined;
  /** Shared places at the front may have become grantable since they were last looked at. Invariant: not between entries. */
  sharedDue = false;

  constructor(
    readonly key: string,
    readonly hash: number,
  ) {}

  get name(): string {
    return this.key;
  }

  /** Whether no holder but the claimant itself is in the way. */
  admits(mode: LockMode, claimant?: Claimant): boolean {
    if (this.mode === undefined || (this.mode === "shared" && mode === "shared")) return true;
    return claimant !== undefined && this.holders.size === 1 && this.holders.first?.holder === claimant;
  }

  /** Whether a request that does not wait may have it: no holder is in the way, and nobody that it would pass. */
  isOpenTo(mode: LockMode): boolean {
    return this.admits(mode) && (mode === "exclusive" ? this.queue.size === 0 : this.firstExclusive === undefined);
  }

  /** Whether it is this place's turn here. */
  canGrant(place: Place): boolean {
    const { firstExclusive } = this;
    const first =
      place.mode === "exclusive"
        ? this.queue.first === place
        : firstExclusive === undefined || place.serial < firstExclusive.serial;
    return first && this.admits(place.mode, place.claimant);
  }

  enter(place: Place): void {
    this.queue.push(place);
    if (place.mode === "exclusive") this.firstExclusive ??= place;
  }

  leave(place: Place): void {
    if (place.mode === "exclusive") this.sharedDue = true;
    if (place === this.firstExclusive) {
      // It only ever moves on: every shared place is passed once.
      let next = place.next;
      while (next !== undefined && next.mode === "shared") next = next.next;
      this.firstExclusive = next;
    }
    this.queue.remove(place);
  }
}

export class Hold implements Timed, Linked<Hold>, Hashed<Hold> {
  readonly kind = "hold";
  chained: Hold | undefined = undefined;
  previous: Hold | undefined = undefined;
  next: Hold | undefined = undefined;
  heapIndex = -1;
  /** Meaningless for a session's hold: that one lives by the session. */
  deadlineMs = 0;
  /** The one acquire that was answered with this hold, while it is the only one: its cancel gives it back (PROTOCOLS L7). */
  onlyAnswered: Operation | undefined = undefined;

  constructor(
    readonly lock: Lock,
    readonly holder: Claimant,
    readonly serial: number,
    /** Lease time of its first grant. */
    readonly grantedAtMs: number,
  ) {}

  get key(): string {
    return this.lock.key;
  }

  get hash(): number {
    return this.lock.hash;
  }
}

/** A wait for one lock, which is its own place in the queue. */
export class Waiter implements Timed, Linked<Place> {
  readonly kind = "waiter";
  previous: Place | undefined = undefined;
  next: Place | undefined = undefined;
  heapIndex = -1;
  deadlineMs = 0;
  /** The longest asked for by its operations; 0 for a session's. */
  ttlMs = 0;
  /** What the lock's value becomes: that of the operation that came last with one. */
  value: string | undefined = undefined;
  /**
   * Requests that this place in the queue will answer, in the order of their arrival. Empty only for a session whose
   * ingress process has ended.
   */
  readonly operations: Operation[] = [];

  constructor(
    readonly lock: Lock,
    readonly claimant: Claimant,
    readonly mode: LockMode,
    readonly serial: number,
    /** Lease time at which its first operation came: who joins the place has no age of its own. */
    readonly enqueuedAtMs: number,
  ) {}
}

/** Incompatible modes wait for each other. */
export function conflicts(a: ShownMode, b: ShownMode): boolean {
  return a !== "shared" || b !== "shared";
}
