import { type Hashed, HashTable, hashText } from "../kernel/hash-table.ts";
import { type Linked, LinkedList } from "../kernel/linked-list.ts";
import type { KeyRecord } from "./idempotency.ts";
import type { LockMode, Principal } from "./types.ts";

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
  /** First come, first served. Invariant: the first cannot be granted; serials rise. */
  readonly queue = new LinkedList<Waiter>();

  constructor(
    readonly key: string,
    readonly hash: number,
  ) {}

  get name(): string {
    return this.key;
  }

  /** Whether a request that nobody is ahead of would be granted. */
  admits(mode: LockMode): boolean {
    return this.mode === undefined || (this.mode === "shared" && mode === "shared");
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

export class Waiter implements Timed, Linked<Waiter> {
  readonly kind = "waiter";
  previous: Waiter | undefined = undefined;
  next: Waiter | undefined = undefined;
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

/** A principal (PROTOCOLS L1) with what it holds and waits for: a vertex of the wait-for graph. */
export class Claimant implements Hashed<Claimant> {
  chained: Claimant | undefined = undefined;
  /** Made when first needed: most claimants have either holds or waiters, and one of them. */
  private held: HashTable<Hold> | undefined = undefined;
  private waiting: { readonly exclusive: Map<string, Waiter>; readonly shared: Map<string, Waiter> } | undefined =
    undefined;

  constructor(
    readonly kind: Principal["kind"],
    /** Session id, owner's name or once-id. */
    readonly id: string,
    /** What others are shown. */
    readonly publicName: string,
    readonly hash = hashText(id),
  ) {}

  get key(): string {
    return this.id;
  }

  get isIdle(): boolean {
    return this.holdCount === 0 && this.waiterCount === 0;
  }

  get holdCount(): number {
    return this.held?.size ?? 0;
  }

  get waiterCount(): number {
    return this.waiting === undefined ? 0 : this.waiting.exclusive.size + this.waiting.shared.size;
  }

  hold(lock: string): Hold | undefined {
    return this.held?.get(lock);
  }

  waiter(lock: string, mode: LockMode): Waiter | undefined {
    return this.waiting?.[mode].get(lock);
  }

  /** In no order that may matter. */
  holds(): Iterable<Hold> {
    return this.held?.values() ?? [];
  }

  /** Exclusive ones first, then in the order of their arrival. */
  *waiters(): Iterable<Waiter> {
    if (this.waiting === undefined) return;
    yield* this.waiting.exclusive.values();
    yield* this.waiting.shared.values();
  }

  addHold(hold: Hold): void {
    this.held ??= new HashTable();
    this.held.add(hold);
  }

  removeHold(hold: Hold): void {
    this.held?.remove(hold);
  }

  addWaiter(waiter: Waiter): void {
    this.waiting ??= { exclusive: new Map(), shared: new Map() };
    this.waiting[waiter.mode].set(waiter.lock.name, waiter);
  }

  removeWaiter(waiter: Waiter): void {
    this.waiting?.[waiter.mode].delete(waiter.lock.name);
  }
}

/** Incompatible modes wait for each other. */
export function conflicts(a: LockMode, b: LockMode): boolean {
  return a === "exclusive" || b === "exclusive";
}
