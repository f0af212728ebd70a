import type { Claimant } from "./claimants.ts";
import type { Queued, Turn } from "./cycle-search.ts";
import type { Lock, Place } from "./records.ts";
import type { Semaphore } from "./semaphores.ts";

/** A claimant that waits. */
interface Vertex {
  readonly claimant: Claimant;
  /** What must happen before it can go on: that another one goes on, or that a semaphore has permits enough for it. */
  needs: number;
  /** Who needs that this one goes on, once for each time. */
  readonly neededBy: Vertex[];
}

/** Permits of one semaphore. */
interface Supply {
  readonly semaphore: Semaphore;
  /** Held by claimants that do not go on. */
  stuck: number;
  /** In the order of the queue; the first `served` of them have enough. */
  readonly demands: { readonly vertex: Vertex; readonly permits: number; readonly serial: number }[];
  served: number;
}

/**
 * Those who can never go on, of all whom the claimant waits for, directly or not, and of itself (graph reduction, Holt,
 * "Some deadlock properties of computer systems", 1972; the greatest fixpoint: all who wait are presumed stuck until
 * they are seen to get everything that they wait for, whereupon they give back all that they hold).
 *
 * Starting from the claimant alone would not do. ↯ Of two permits a and b hold one each; W waits for one; a waits for a lock
 * of W; then b asks for it: none of the three waits for b alone, and all are stuck.
 *
 * Linear in places and holders: of a queue each place needs only those that are incompatible up to the nearest exclusive
 * place before it, which needs the others itself.
 *
 * @param added places that the claimant would take
 */
export function stuckClaimants(claimant: Claimant, added: readonly (Turn | Queued)[]): ReadonlySet<Claimant> {
  return new Reduction(claimant, added).stuck();
}

class Reduction {
  private readonly vertices = new Map<Claimant, Vertex>();
  /** In the order in which they were found. */
  private readonly found: Vertex[] = [];
  private readonly supplies = new Map<Semaphore, Supply>();
  private readonly exclusiveAhead = new Map<Place, Place | undefined>();
  /** Go on, and are still to be looked at. */
  private readonly free: Vertex[] = [];

  constructor(
    private readonly start: Claimant,
    added: readonly (Turn | Queued)[],
  ) {
    const first = this.vertexOf(start);
    if (first !== undefined) for (const turn of added) this.addNeeds(first, turn);
    for (let i = 0; i < this.found.length; i++) {
      const vertex = this.found[i];
      if (vertex !== undefined) for (const turn of vertex.claimant.turns()) this.addNeeds(vertex, turn);
    }
  }

  stuck(): ReadonlySet<Claimant> {
    for (const vertex of this.found) if (vertex.needs === 0) this.free.push(vertex);
    for (const supply of this.supplies.values()) {
      supply.demands.sort((a, b) => a.serial - b.serial);
      this.serve(supply);
    }
    for (let vertex = this.free.pop(); vertex !== undefined; vertex = this.free.pop()) {
      for (const other of vertex.neededBy) this.meet(other);
      for (const { semaphore, slots } of vertex.claimant.permitHolds()) {
        const supply = this.supplies.get(semaphore);
        if (supply === undefined) continue;
        supply.stuck -= slots.length;
        this.serve(supply);
      }
    }
    return new Set(this.found.filter(({ needs }) => needs > 0).map(({ claimant }) => claimant));
  }

  private meet(vertex: Vertex): void {
    vertex.needs -= 1;
    if (vertex.needs === 0) this.free.push(vertex);
  }

  /** In the order of the queue: who is further back needs those before it to go on anyway. */
  private serve(supply: Supply): void {
    const { semaphore, demands } = supply;
    for (let next = demands[supply.served]; next !== undefined; next = demands[supply.served]) {
      if (next.permits > semaphore.limit - supply.stuck) return;
      supply.served += 1;
      this.meet(next.vertex);
    }
  }

  /** Undefined for one that waits for nothing: it goes on. */
  private vertexOf(claimant: Claimant): Vertex | undefined {
    if (claimant.waiterCount === 0 && claimant !== this.start) return undefined;
    let vertex = this.vertices.get(claimant);
    if (vertex === undefined) {
      vertex = { claimant, needs: 0, neededBy: [] };
      this.vertices.set(claimant, vertex);
      this.found.push(vertex);
    }
    return vertex;
  }

  private need(vertex: Vertex, claimant: Claimant): void {
    // What is ahead of its own place ahead, that place needs.
    if (claimant === vertex.claimant) return;
    const other = this.vertexOf(claimant);
    if (other === undefined) return;
    other.neededBy.push(vertex);
    vertex.needs += 1;
  }

  private addNeeds(vertex: Vertex, turn: Turn | Queued): void {
    if (turn.mode === "semaphore") {
      const { semaphore, permits, serial } = turn;
      this.supplyOf(semaphore).demands.push({ vertex, permits, serial });
      vertex.needs += 1;
      const ahead = "kind" in turn ? turn.previous : semaphore.queue.last;
      if (ahead !== undefined) this.need(vertex, ahead.claimant);
      return;
    }
    const { lock, mode } = turn;
    let ahead = "kind" in turn ? turn.previous : lock.queue.last;
    if (mode === "shared") ahead = "kind" in turn ? this.exclusiveBefore(turn) : lastExclusive(lock);
    for (; ahead !== undefined && ahead.mode === "shared"; ahead = ahead.previous) this.need(vertex, ahead.claimant);
    if (ahead !== undefined) this.need(vertex, ahead.claimant);
    else if (mode === "exclusive" || lock.mode === "exclusive") this.needHolders(vertex, lock);
  }

  private needHolders(vertex: Vertex, lock: Lock): void {
    for (let hold = lock.holders.first; hold !== undefined; hold = hold.next) this.need(vertex, hold.holder);
  }

  private supplyOf(semaphore: Semaphore): Supply {
    let supply = this.supplies.get(semaphore);
    if (supply !== undefined) return supply;
    supply = { semaphore, stuck: 0, demands: [], served: 0 };
    this.supplies.set(semaphore, supply);
    for (let hold = semaphore.holders.first; hold !== undefined; hold = hold.next) {
      if (this.vertexOf(hold.holder) !== undefined) supply.stuck += hold.slots.length;
    }
    return supply;
  }

  /** Remembered for each shared place that is passed: a run of them is walked once. */
  private exclusiveBefore(place: Place): Place | undefined {
    const passed = [place];
    let ahead = place.previous;
    for (; ahead !== undefined && ahead.mode === "shared" && !this.exclusiveAhead.has(ahead); ahead = ahead.previous) {
      passed.push(ahead);
    }
    if (ahead?.mode === "shared") ahead = this.exclusiveAhead.get(ahead);
    for (const shared of passed) this.exclusiveAhead.set(shared, ahead);
    return ahead;
  }
}

function lastExclusive(lock: Lock): Place | undefined {
  let place = lock.queue.last;
  while (place !== undefined && place.mode === "shared") place = place.previous;
  return place;
}
