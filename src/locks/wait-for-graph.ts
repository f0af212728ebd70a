import type { LinkedList } from "../kernel/linked-list.ts";
import type { Claimant } from "./claimants.ts";
import { conflicts, type Lock, type Place, type Wish } from "./records.ts";
import type { LockMode, WaitEdge } from "./types.ts";

/** A place in a queue, or the one behind the last that a request would take. */
interface Turn {
  readonly claimant: Claimant;
  readonly lock: Lock;
  readonly mode: LockMode;
  /** Waiters with a smaller serial are ahead. */
  readonly serial: number;
}

/**
 * The cycle that a request would close by waiting, or undefined.
 *
 * A waiter waits for every incompatible holder and every incompatible earlier place in its queue (PROTOCOLS L4), so edges
 * appear only when a waiter comes, for a grant turns an edge to a waiter into one to a holder; and by an upgrade, see
 * {@link findUpgradeCycle}. Looking then is therefore enough.
 *
 * @param wishes what the request would wait for together
 * @returns a shortest cycle, from the claimant and back to it
 */
export function findCycle(claimant: Claimant, wishes: readonly Wish[]): WaitEdge[] | undefined {
  // Nobody can come back to one whom nobody waits for: the ordinary case, decided without a search.
  if (!isAwaited(claimant)) return undefined;
  const serial = Number.POSITIVE_INFINITY;
  return new CycleSearch(claimant).from(wishes.map(({ lock, mode }) => ({ claimant, lock, mode, serial })));
}

/**
 * The cycle that the sole reader of the locks would close by becoming exclusive, or undefined. A shared place at the front
 * belongs to a bundle that waits for something else: it does not wait for a reader, but would for the writer. ↯ c holds k
 * and waits for {l shared, m}; d holds l shared and waits for k; d upgrades l.
 */
export function findUpgradeCycle(claimant: Claimant, locks: readonly Lock[]): WaitEdge[] | undefined {
  if (claimant.waiterCount === 0 || locks.every(({ queue }) => queue.first?.mode !== "shared")) return undefined;
  for (const lock of locks) lock.mode = "exclusive";
  const cycle = new CycleSearch(claimant).from([...claimant.places()]);
  for (const lock of locks) lock.mode = "shared";
  return cycle;
}

function isAwaited(claimant: Claimant): boolean {
  for (const hold of claimant.holds()) if (hold.lock.queue.size > 0) return true;
  for (const place of claimant.places()) if (place.next !== undefined) return true;
  return false;
}

/** How far a search has looked at a lock. */
interface Progress {
  /** The first waiter that was not yet looked at for an exclusive place, or for a shared one. */
  all: Place | undefined;
  exclusive: Place | undefined;
  holders: boolean;
}

/** Breadth first over claimants. Each queue is walked once for exclusive and once for shared places at most, and once for the request. */
class CycleSearch {
  private readonly reachedFrom = new Map<Claimant, Turn>();
  private readonly progress = new Map<Lock, Progress>();
  private readonly frontier: Claimant[] = [];
  /** A place whose blocker is the start. */
  private closing: Turn | undefined = undefined;

  constructor(private readonly start: Claimant) {}

  /** @param turns the start's own */
  from(turns: readonly Turn[]): WaitEdge[] | undefined {
    this.visitAll(turns);
    for (let next = 0; next < this.frontier.length && this.closing === undefined; next++) {
      this.visitAll(this.frontier[next]?.places() ?? []);
    }
    return this.closing === undefined ? undefined : this.path(this.closing);
  }

  private visitAll(places: Iterable<Turn>): void {
    for (const place of places) {
      this.visitBlockers(place);
      if (this.closing !== undefined) return;
    }
  }

  private visitBlockers(place: Turn): void {
    const { lock, mode } = place;
    let progress = this.progress.get(lock);
    if (progress === undefined) {
      progress = { all: lock.queue.first, exclusive: lock.queue.first, holders: false };
      this.progress.set(lock, progress);
    }
    this.visitHolders(place, progress);
    // What was looked at for a place further back is visited already.
    let waiter = mode === "exclusive" ? progress.all : later(progress.all, progress.exclusive);
    for (; waiter !== undefined && waiter.serial < place.serial; waiter = waiter.next) {
      if (mode === "exclusive" || waiter.mode === "exclusive") this.visit(waiter.claimant, place);
    }
    // A place of the start passes over its own waiter ahead of it; who stands between the two waits for that one.
    if (place.claimant === this.start) return;
    if (mode === "exclusive") progress.all = later(progress.all, waiter);
    else progress.exclusive = later(progress.exclusive, waiter);
  }

  private visitHolders(place: Turn, progress: Progress): void {
    const { lock, mode } = place;
    if (lock.mode === undefined || !conflicts(mode, lock.mode) || progress.holders) return;
    // A place of the start passes over its own hold; who stands ahead of it waits for that one.
    progress.holders = place.claimant !== this.start;
    for (let hold = lock.holders.first; hold !== undefined; hold = hold.next) this.visit(hold.holder, place);
  }

  private visit(blocker: Claimant, place: Turn): void {
    if (blocker === this.start) {
      // Being behind oneself is no wait.
      if (place.claimant !== this.start) this.closing ??= place;
      return;
    }
    if (this.reachedFrom.has(blocker)) return;
    this.reachedFrom.set(blocker, place);
    this.frontier.push(blocker);
  }

  private path(closing: Turn): WaitEdge[] {
    const edges: WaitEdge[] = [];
    let blockedBy = this.start;
    for (let place: Turn | undefined = closing; place !== undefined; place = this.reachedFrom.get(blockedBy)) {
      edges.push(edge(place, blockedBy));
      if (place.claimant === this.start) break;
      blockedBy = place.claimant;
    }
    return edges.reverse();
  }
}

/** The one further back; undefined is the end of the queue. */
function later(a: Place | undefined, b: Place | undefined): Place | undefined {
  if (a === undefined || b === undefined) return undefined;
  return a.serial > b.serial ? a : b;
}

function edge({ claimant, lock, mode }: Turn, blockedBy: Claimant): WaitEdge {
  return { owner: claimant.publicName, lock: lock.name, mode, blockedBy: blockedBy.publicName };
}

/** The graph as it is, up to `limit` edges: for each waiter its incompatible holders, then the earlier waiters. */
export function waitForEdges(contested: LinkedList<Lock>, limit: number): WaitEdge[] {
  const edges: WaitEdge[] = [];
  for (let lock = contested.first; lock !== undefined; lock = lock.next) {
    for (let waiter = lock.queue.first; waiter !== undefined; waiter = waiter.next) {
      for (const blocker of blockers(waiter)) {
        if (edges.length >= limit) return edges;
        edges.push(edge(waiter, blocker));
      }
    }
  }
  return edges;
}

function* blockers(waiter: Place): Generator<Claimant> {
  const { lock, mode, claimant } = waiter;
  if (lock.mode !== undefined && conflicts(mode, lock.mode)) {
    for (let hold = lock.holders.first; hold !== undefined; hold = hold.next) yield hold.holder;
  }
  for (let ahead = lock.queue.first; ahead !== undefined && ahead !== waiter; ahead = ahead.next) {
    if (conflicts(mode, ahead.mode) && ahead.claimant !== claimant) yield ahead.claimant;
  }
}
