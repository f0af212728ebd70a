import { assert } from "../kernel/assert.ts";
import { type Hashed, HashTable, hashText } from "../kernel/hash-table.ts";
import { type Linked, LinkedList } from "../kernel/linked-list.ts";
import type { Claimant } from "./claimants.ts";
import type { Operation, Timed } from "./records.ts";
import { changes, type Transitions } from "./transitions.ts";

/** A number of permits under one name. It exists while any of them is held or waited for. */
export class Semaphore implements Hashed<Semaphore>, Linked<Semaphore> {
  chained: Semaphore | undefined = undefined;
  /** Among the semaphores with waiters. */
  previous: Semaphore | undefined = undefined;
  next: Semaphore | undefined = undefined;
  /** In the order of their grants. Invariant: their slots are disjoint. */
  readonly holders = new LinkedList<PermitHold>();
  /** First come, first served, also where a later one wants less. Invariant: the first wants more than is free. */
  readonly queue = new LinkedList<PermitWaiter>();
  /** Permits that nobody holds. Invariant: `limit` less those of the holders. */
  available: number;
  /** A bit for each slot, set while it is held. */
  private readonly taken: Uint32Array;

  constructor(
    readonly key: string,
    readonly hash: number,
    /** That of the first request: 1…`maxPermits`. */
    readonly limit: number,
  ) {
    this.available = limit;
    this.taken = new Uint32Array((limit + 31) >> 5);
  }

  get name(): string {
    return this.key;
  }

  get mode(): "semaphore" | undefined {
    return this.holders.size > 0 ? "semaphore" : undefined;
  }

  /** The lowest free slots. */
  take(permits: number): number[] {
    assert(permits <= this.available, "no more permits are granted than there are");
    const slots: number[] = [];
    for (let slot = 0; slots.length < permits; slot++) {
      if (this.isFree(slot)) slots.push(slot);
    }
    this.occupy(slots);
    return slots;
  }

  isFree(slot: number): boolean {
    return ((this.taken[slot >> 5] ?? 0) & (1 << (slot & 31))) === 0;
  }

  /** Takes these slots, which must be free. */
  occupy(slots: readonly number[]): void {
    for (const slot of slots) this.taken[slot >> 5] = (this.taken[slot >> 5] ?? 0) | (1 << (slot & 31));
    this.available -= slots.length;
  }

  giveBack(slots: readonly number[]): void {
    for (const slot of slots) this.taken[slot >> 5] = (this.taken[slot >> 5] ?? 0) & ~(1 << (slot & 31));
    this.available += slots.length;
  }
}

/** All permits that one claimant holds of a semaphore: one grant. */
export class PermitHold implements Timed, Linked<PermitHold>, Hashed<PermitHold> {
  readonly kind = "permits";
  chained: PermitHold | undefined = undefined;
  previous: PermitHold | undefined = undefined;
  next: PermitHold | undefined = undefined;
  heapIndex = -1;
  /** As of a hold of a lock. */
  deadlineMs = 0;
  onlyAnswered: Operation | undefined = undefined;

  constructor(
    readonly semaphore: Semaphore,
    readonly holder: Claimant,
    /** Rising. */
    readonly slots: readonly number[],
    public token: number,
    readonly serial: number,
    readonly grantedAtMs: number,
  ) {}

  get key(): string {
    return this.semaphore.key;
  }

  get hash(): number {
    return this.semaphore.hash;
  }
}

/** A wait for permits, as of a {@link Waiter} for a lock. */
export class PermitWaiter implements Timed, Linked<PermitWaiter> {
  readonly kind = "permitWaiter";
  readonly mode = "semaphore";
  previous: PermitWaiter | undefined = undefined;
  next: PermitWaiter | undefined = undefined;
  heapIndex = -1;
  deadlineMs = 0;
  ttlMs = 0;
  readonly operations: Operation[] = [];

  constructor(
    readonly semaphore: Semaphore,
    readonly claimant: Claimant,
    readonly permits: number,
    readonly serial: number,
    readonly enqueuedAtMs: number,
  ) {}
}

/** Semaphores that are held or waited for, by name: a name space of their own. */
export class Semaphores {
  private readonly byName = new HashTable<Semaphore>();
  /** Those with waiters. */
  readonly contested = new LinkedList<Semaphore>();

  constructor(private readonly transitions: Transitions) {}

  get size(): number {
    return this.byName.size;
  }

  find(name: string): Semaphore | undefined {
    return this.byName.get(name);
  }

  add(name: string, limit: number): Semaphore {
    const semaphore = new Semaphore(name, hashText(name), limit);
    this.byName.add(semaphore);
    this.transitions.note(changes.semaphoreAdded, semaphore.hash, limit);
    return semaphore;
  }

  dropIfIdle(semaphore: Semaphore): void {
    if (semaphore.holders.size > 0 || semaphore.queue.size > 0) return;
    this.transitions.note(changes.semaphoreDropped, semaphore.hash);
    this.byName.remove(semaphore);
  }

  /** In no order that may matter. */
  values(): Iterable<Semaphore> {
    return this.byName.values();
  }

  /** In an order that tells nothing, the same on every replica. */
  ordered(): Iterable<Semaphore> {
    return this.byName.ordered();
  }
}
