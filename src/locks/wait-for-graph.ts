import type { Claimant } from "./claimants.ts";
import { edge } from "./cycle-search.ts";
import { conflicts, type Place } from "./records.ts";
import type { PermitWaiter } from "./semaphores.ts";
import type { LockState } from "./state.ts";
import type { WaitEdge } from "./types.ts";

/**
 * The graph as it is, up to `limit` edges: for each place its incompatible holders, then the earlier places; first of locks,
 * then of semaphores. Of a semaphore's holders not all need to go on, so a cycle there need be no deadlock.
 */
export function waitForEdges(state: LockState, limit: number): WaitEdge[] {
  const edges: WaitEdge[] = [];
  for (const place of allPlaces(state)) {
    for (const blocker of blockers(place)) {
      if (edges.length >= limit) return edges;
      edges.push(edge(place, blocker));
    }
  }
  return edges;
}

function* allPlaces({ locks, semaphores }: LockState): Generator<Place | PermitWaiter> {
  for (let lock = locks.contested.first; lock !== undefined; lock = lock.next) {
    for (let place = lock.queue.first; place !== undefined; place = place.next) yield place;
  }
  for (let semaphore = semaphores.contested.first; semaphore !== undefined; semaphore = semaphore.next) {
    for (let waiter = semaphore.queue.first; waiter !== undefined; waiter = waiter.next) yield waiter;
  }
}

function* blockers(place: Place | PermitWaiter): Generator<Claimant> {
  const { mode, claimant } = place;
  const { mode: held, holders, queue } = place.kind === "permitWaiter" ? place.semaphore : place.lock;
  if (held !== undefined && conflicts(mode, held)) {
    for (
      let hold: { holder: Claimant; next: typeof holders.first } | undefined = holders.first;
      hold !== undefined;
      hold = hold.next
    ) {
      if (hold.holder !== claimant) yield hold.holder;
    }
  }
  let ahead: Place | PermitWaiter | undefined = queue.first;
  for (; ahead !== undefined && ahead !== place; ahead = ahead.next) {
    if (conflicts(mode, ahead.mode) && ahead.claimant !== claimant) yield ahead.claimant;
  }
}
