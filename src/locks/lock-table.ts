import { assert } from "../kernel/assert.ts";
import { HashTable, hashText } from "../kernel/hash-table.ts";
import { limits } from "../kernel/limits.ts";
import { LinkedList } from "../kernel/linked-list.ts";
import { OrderedNames } from "./ordered-names.ts";
import { type Claimant, Lock } from "./records.ts";
import type { LockView, PublicPrincipal } from "./types.ts";

/** Locks that are held or waited for, by name. */
export class LockTable {
  private readonly byName = new HashTable<Lock>();
  private readonly names = new OrderedNames();
  /** Those with waiters: the wait-for graph is read from them alone. */
  readonly contested = new LinkedList<Lock>();

  get size(): number {
    return this.byName.size;
  }

  find(name: string): Lock | undefined {
    return this.byName.get(name);
  }

  add(name: string): Lock {
    const hash = hashText(name);
    assert(this.byName.get(name, hash) === undefined, "a lock is in the table once");
    const lock = new Lock(name, hash);
    this.byName.add(lock);
    this.names.add(name);
    return lock;
  }

  /** A free lock without waiters costs no memory. */
  dropIfIdle(lock: Lock): void {
    if (lock.holders.size > 0 || lock.queue.size > 0) return;
    this.byName.remove(lock);
    this.names.remove(lock.name);
  }

  /** The first holders and waiters, as many as a reply may have: more would stop the loop for too long (PROTOCOLS D10). */
  view(name: string): LockView {
    const lock = this.byName.get(name);
    if (lock === undefined) return { lock: name, mode: undefined, holders: [], waiters: [], fencingToken: undefined };
    const waiters: PublicPrincipal[] = [];
    for (let waiter = lock.queue.first; waiter !== undefined; waiter = waiter.next) {
      if (waiters.length >= limits.maxListedNames) break;
      waiters.push({ owner: waiter.claimant.publicName, mode: waiter.mode });
    }
    const fencingToken = lock.mode === undefined ? undefined : lock.token;
    return { lock: name, mode: lock.mode, holders: holdersOf(lock, limits.maxListedNames), waiters, fencingToken };
  }

  page({
    prefix,
    after,
    limit,
  }: {
    readonly prefix: string;
    readonly after: string;
    readonly limit: number;
  }): LockView[] {
    const page: LockView[] = [];
    if (limit < 1) return page;
    for (const name of this.names.from(prefix, after)) {
      page.push(this.view(name));
      if (page.length >= limit) break;
    }
    return page;
  }

  /** In no order that may matter. */
  values(): Iterable<Lock> {
    return this.byName.values();
  }
}

/** The first `count` holders, without `except`, as others may see them. */
export function holdersOf(lock: Lock, count: number, except?: Claimant): PublicPrincipal[] {
  const holders: PublicPrincipal[] = [];
  if (lock.mode === undefined) return holders;
  for (let hold = lock.holders.first; hold !== undefined && holders.length < count; hold = hold.next) {
    if (hold.holder !== except) holders.push({ owner: hold.holder.publicName, mode: lock.mode });
  }
  return holders;
}
