import { type Hashed, HashTable, hashText } from "../kernel/hash-table.ts";
import type { Bundle } from "./bundles.ts";
import type { Hold, Place, Wait, Waiter } from "./records.ts";
import type { PermitHold, PermitWaiter, Semaphore } from "./semaphores.ts";
import type { LockMode, Principal } from "./types.ts";

/** A principal (PROTOCOLS L1) with what it holds and waits for: a vertex of the wait-for graph. */
export class Claimant implements Hashed<Claimant> {
  chained: Claimant | undefined = undefined;
  /** Made when first needed: most claimants have either holds or waiters, and one of them. */
  private held: HashTable<Hold> | undefined = undefined;
  private waiting: { readonly exclusive: Map<string, Waiter>; readonly shared: Map<string, Waiter> } | undefined =
    undefined;
  private bundles: Map<string, Bundle> | undefined = undefined;
  private bundlePlaces = 0;
  private permits: HashTable<PermitHold> | undefined = undefined;
  /** Places in the queue of one semaphore are for different numbers of permits. */
  private permitWaits: Map<Semaphore, PermitWaiter[]> | undefined = undefined;
  private permitPlaces = 0;

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
    return (this.held?.size ?? 0) + (this.permits?.size ?? 0);
  }

  /** Of its places in queues. */
  get waiterCount(): number {
    const single = this.waiting === undefined ? 0 : this.waiting.exclusive.size + this.waiting.shared.size;
    return single + this.bundlePlaces + this.permitPlaces;
  }

  get hasBundles(): boolean {
    return this.bundlePlaces > 0;
  }

  hold(lock: string): Hold | undefined {
    return this.held?.get(lock);
  }

  waiter(lock: string, mode: LockMode): Waiter | undefined {
    return this.waiting?.[mode].get(lock);
  }

  /** @param key of {@link Bundle.key} */
  bundle(key: string): Bundle | undefined {
    return this.bundles?.get(key);
  }

  /** In no order that may matter. */
  holds(): Iterable<Hold> {
    return this.held?.values() ?? [];
  }

  permitHold(semaphore: string): PermitHold | undefined {
    return this.permits?.get(semaphore);
  }

  /** In no order that may matter. */
  permitHolds(): Iterable<PermitHold> {
    return this.permits?.values() ?? [];
  }

  permitWaiters(semaphore: Semaphore): readonly PermitWaiter[] {
    return this.permitWaits?.get(semaphore) ?? [];
  }

  /** In no order that may matter. */
  *waits(): Iterable<Wait> {
    if (this.waiting !== undefined) {
      yield* this.waiting.exclusive.values();
      yield* this.waiting.shared.values();
    }
    if (this.bundles !== undefined) yield* this.bundles.values();
    if (this.permitWaits !== undefined) for (const waiters of this.permitWaits.values()) yield* waiters;
  }

  /** Its places: of exclusive waiters, shared ones, bundles, for permits; each in the order of their arrival. */
  *turns(): Iterable<Place | PermitWaiter> {
    for (const wait of this.waits()) {
      if (wait.kind === "bundle") yield* wait.places;
      else yield wait;
    }
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

  addBundle(bundle: Bundle): void {
    this.bundles ??= new Map();
    this.bundles.set(bundle.key, bundle);
    this.bundlePlaces += bundle.places.length;
  }

  removeBundle(bundle: Bundle): void {
    this.bundles?.delete(bundle.key);
    this.bundlePlaces -= bundle.places.length;
  }

  addPermitHold(hold: PermitHold): void {
    this.permits ??= new HashTable();
    this.permits.add(hold);
  }

  removePermitHold(hold: PermitHold): void {
    this.permits?.remove(hold);
  }

  addPermitWaiter(waiter: PermitWaiter): void {
    this.permitWaits ??= new Map();
    const known = this.permitWaits.get(waiter.semaphore);
    if (known === undefined) this.permitWaits.set(waiter.semaphore, [waiter]);
    else known.push(waiter);
    this.permitPlaces += 1;
  }

  removePermitWaiter(waiter: PermitWaiter): void {
    const left = this.permitWaiters(waiter.semaphore).filter((other) => other !== waiter);
    if (left.length > 0) this.permitWaits?.set(waiter.semaphore, left);
    else this.permitWaits?.delete(waiter.semaphore);
    this.permitPlaces -= 1;
  }
}

/** Every principal that holds or waits for something. One table a kind: an owner may be called like a session's id. */
export class Claimants {
  private readonly session = new HashTable<Claimant>();
  private readonly owner = new HashTable<Claimant>();
  private readonly once = new HashTable<Claimant>();

  find(kind: Principal["kind"], id: string): Claimant | undefined {
    return this[kind].get(id);
  }

  findPrincipal(principal: Principal): Claimant | undefined {
    return this[principal.kind].get(principalId(principal));
  }

  findOrAdd(principal: Principal, publicName: string): Claimant {
    const id = principalId(principal);
    const known = this[principal.kind].get(id);
    if (known !== undefined) return known;
    const claimant = new Claimant(principal.kind, id, publicName);
    this[principal.kind].add(claimant);
    return claimant;
  }

  dropIfIdle(claimant: Claimant): void {
    if (claimant.isIdle) this[claimant.kind].remove(claimant);
  }

  get size(): number {
    return this.session.size + this.owner.size + this.once.size;
  }
}

/** What tells principals of one kind apart. */
export function principalId(principal: Principal): string {
  return principal.kind === "owner" ? principal.name : principal.id;
}
