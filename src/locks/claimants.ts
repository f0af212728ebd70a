import { type Hashed, HashTable, hashText } from "../kernel/hash-table.ts";
import type { Bundle } from "./bundles.ts";
import { OtherClaims } from "./other-claims.ts";
import type { Hold, Place, Wait, Waiter } from "./records.ts";
import type { PermitHold, PermitWaiter } from "./semaphores.ts";
import type { LockMode, Principal } from "./types.ts";

/** A principal (PROTOCOLS L1) with what it holds and waits for: a vertex of the wait-for graph. */
export class Claimant implements Hashed<Claimant> {
  chained: Claimant | undefined = undefined;
  /** Made when first needed: most claimants have either holds or waiters, and one of them. */
  private held: HashTable<Hold> | undefined = undefined;
  private waiting: { readonly exclusive: Map<string, Waiter>; readonly shared: Map<string, Waiter> } | undefined =
    undefined;
  private otherClaims: OtherClaims | undefined = undefined;

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
    return (this.held?.size ?? 0) + (this.otherClaims?.holdCount ?? 0);
  }

  /** Of its places in queues. */
  get waiterCount(): number {
    const single = this.waiting === undefined ? 0 : this.waiting.exclusive.size + this.waiting.shared.size;
    return single + (this.otherClaims?.waiterCount ?? 0);
  }

  get hasBundles(): boolean {
    return this.otherClaims?.hasBundles === true;
  }

  /** What it has besides locks taken one by one; made when first asked for. */
  get others(): OtherClaims {
    this.otherClaims ??= new OtherClaims();
    return this.otherClaims;
  }

  hold(lock: string): Hold | undefined {
    return this.held?.get(lock);
  }

  waiter(lock: string, mode: LockMode): Waiter | undefined {
    return this.waiting?.[mode].get(lock);
  }

  /** @param key of {@link Bundle.key} */
  bundle(key: string): Bundle | undefined {
    return this.otherClaims?.bundle(key);
  }

  /** In no order that may matter. */
  holds(): Iterable<Hold> {
    return this.held?.values() ?? [];
  }

  permitHold(semaphore: string): PermitHold | undefined {
    return this.otherClaims?.permitHold(semaphore);
  }

  /** In no order that may matter. */
  permitHolds(): Iterable<PermitHold> {
    return this.otherClaims?.permitHolds() ?? [];
  }

  /** In no order that may matter. */
  *waits(): Iterable<Wait> {
    if (this.waiting !== undefined) {
      yield* this.waiting.exclusive.values();
      yield* this.waiting.shared.values();
    }
    if (this.otherClaims !== undefined) yield* this.otherClaims.waits();
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
