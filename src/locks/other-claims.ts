import { HashTable } from "../kernel/hash-table.ts";
import type { Bundle } from "./bundles.ts";
import type { PermitHold, PermitWaiter, Semaphore } from "./semaphores.ts";

const NONE: readonly PermitWaiter[] = [];

/** What a claimant has besides locks taken one by one: few have any of it. */
export class OtherClaims {
  private readonly bundles = new Map<string, Bundle>();
  private readonly permits = new HashTable<PermitHold>();
  /** Places in the queue of one semaphore are for different numbers of permits. */
  private readonly permitWaits = new Map<Semaphore, PermitWaiter[]>();
  private bundlePlaces = 0;
  private permitPlaces = 0;

  get holdCount(): number {
    return this.permits.size;
  }

  /** Of places in queues. */
  get waiterCount(): number {
    return this.bundlePlaces + this.permitPlaces;
  }

  get hasBundles(): boolean {
    return this.bundlePlaces > 0;
  }

  bundle(key: string): Bundle | undefined {
    return this.bundles.get(key);
  }

  permitHold(semaphore: string): PermitHold | undefined {
    return this.permits.get(semaphore);
  }

  /** In no order that may matter. */
  permitHolds(): Iterable<PermitHold> {
    return this.permits.values();
  }

  permitWaiters(semaphore: Semaphore): readonly PermitWaiter[] {
    return this.permitWaits.get(semaphore) ?? NONE;
  }

  /** Bundles, then for permits, each in the order of their arrival. */
  *waits(): Iterable<Bundle | PermitWaiter> {
    yield* this.bundles.values();
    for (const waiters of this.permitWaits.values()) yield* waiters;
  }

  addBundle(bundle: Bundle): void {
    this.bundles.set(bundle.key, bundle);
    this.bundlePlaces += bundle.places.length;
  }

  removeBundle(bundle: Bundle): void {
    this.bundles.delete(bundle.key);
    this.bundlePlaces -= bundle.places.length;
  }

  addPermitHold(hold: PermitHold): void {
    this.permits.add(hold);
  }

  removePermitHold(hold: PermitHold): void {
    this.permits.remove(hold);
  }

  addPermitWaiter(waiter: PermitWaiter): void {
    const known = this.permitWaits.get(waiter.semaphore);
    if (known === undefined) this.permitWaits.set(waiter.semaphore, [waiter]);
    else known.push(waiter);
    this.permitPlaces += 1;
  }

  removePermitWaiter(waiter: PermitWaiter): void {
    const left = this.permitWaiters(waiter.semaphore).filter((other) => other !== waiter);
    if (left.length > 0) this.permitWaits.set(waiter.semaphore, left);
    else this.permitWaits.delete(waiter.semaphore);
    this.permitPlaces -= 1;
  }
}
