import type { LinkedList } from "../kernel/linked-list.ts";
import { type Claimant, conflicts, type Lock, type Waiter } from "./records.ts";
import type { LockMode, WaitEdge } from "./types.ts";

/** A place in a queue: of a waiter, or the one behind the last that a request would take. */
interface Place {
  readonly claimant: Claimant;
  readonly lock: Lock;
  readonly mode: LockMode;
  /** Waiters with a smaller serial are ahead. */
  readonly serial: number;
}

/**
 * The cycle that a new waiter would close, or undefined.
 *
 * A waiter waits for every incompatible holder and every incompatible earlier waiter of its lock (PROTOCOLS L4), so
 * edges appear only when a waiter comes: a grant turns an edge to a waiter into one to a holder, and an upgrade adds
 * only edges to where a path leads already. Looking when a waiter comes is therefore enough.
 *
 * @returns a shortest cycle, from the claimant and back to it
 */
export function findCycle(claimant: Claimant, lock: Lock, mode: LockMode): WaitEdge[] | undefined {
  // Nobody can come back to one whom nobody waits for: the ordinary case, decided without a search.
  if (!isAwaited(claimant)) return undefined;
  return new CycleSearch(claimant).from({ claimant, lock, mode, serial: Number.POSITIVE_INFINITY });
}

function isAwaited(claimant: Claimant): boolean {
  for (const hold of claimant.holds()) if (hold.lock.queue.size > 0) return true;
  for (const waiter of claimant.waiters()) if (waiter.next !== undefined) return true;
  return false;
}

/** How far a search has looked at a lock. */
interface Progress {
  /** The first waiter that was not yet looked at for an exclusive place, or for a shared one. */
  all: Waiter | undefined;
  exclusive: Waiter | undefined;
  holders: boolean;
}

/** Breadth first over claimants. Each queue is walked once for exclusive and once for shared places at most, and once for the request. */
class CycleSearch {
  private readonly reachedFrom = new Map<Claimant, Place>();
  private readonly progress = new Map<Lock, Progress>();
  private readonly frontier: Claimant[] = [];
  /** A place whose blocker is the start. */
  private closing: Place | undefined = undefined;

  constructor(private readonly start: Claimant) {}

  from(request: Place): WaitEdge[] | undefined {
    this.visitBlockers(request);
    for (let next = 0; next < this.frontier.length && this.closing === undefined; next++) {
      for (const waiter of this.frontier[next]?.waiters() ?? []) {
        this.visitBlockers(waiter);
        if (this.closing !== undefined) break;
      }
    }
    return this.closing === undefined ? undefined : this.path(this.closing);
  }

  private visitBlockers(place: Place): void {
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
    // The request passes over the start's own waiter ahead of it; who stands between the two waits for that one.
    if (place.claimant === this.start) return;
    if (mode === "exclusive") progress.all = later(progress.all, waiter);
    else progress.exclusive = later(progress.exclusive, waiter);
  }

  private visitHolders(place: Place, progress: Progress): void {
    const { lock, mode } = place;
    if (lock.mode === undefined || !conflicts(mode, lock.mode) || progress.holders) return;
    progress.holders = true;
    for (let hold = lock.holders.first; hold !== undefined; hold = hold.next) this.visit(hold.holder, place);
  }

  private visit(blocker: Claimant, place: Place): void {
    if (blocker === this.start) {
      // Being behind oneself is no wait.
      if (place.claimant !== this.start) this.closing ??= place;
      return;
    }
    if (this.reachedFrom.has(blocker)) return;
    this.reachedFrom.set(blocker, place);
    this.frontier.push(blocker);
  }

  private path(closing: Place): WaitEdge[] {
    const edges: WaitEdge[] = [];
    let blockedBy = this.start;
    for (let place: Place | undefined = closing; place !== undefined; place = this.reachedFrom.get(blockedBy)) {
      edges.push(edge(place, blockedBy));
      if (place.claimant === this.start) break;
      blockedBy = place.claimant;
    }
    return edges.reverse();
  }
}

/** The one further back; undefined is the end of the queue. */
function later(a: Waiter | undefined, b: Waiter | undefined): Waiter | undefined {
  if (a === undefined || b === undefined) return undefined;
  return a.serial > b.serial ? a : b;
}

function edge({ claimant, lock, mode }: Place, blockedBy: Claimant): WaitEdge {
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

function* blockers(waiter: Waiter): Generator<Claimant> {
  const { lock, mode, claimant } = waiter;
  if (lock.mode !== undefined && conflicts(mode, lock.mode)) {
    for (let hold = lock.holders.first; hold !== undefined; hold = hold.next) yield hold.holder;
  }
  for (let ahead = lock.queue.first; ahead !== undefined && ahead !== waiter; ahead = ahead.next) {
    if (conflicts(mode, ahead.mode) && ahead.claimant !== claimant) yield ahead.claimant;
  }
}
