import type { Bundle } from "./bundles.ts";
import { addHold, grantOf, holdAll, reenter } from "./holds.ts";
import { answeredAgain, answerWith, answerWithAll, detachAll } from "./operations.ts";
import { grantPermits } from "./permits.ts";
import { leaveQueues } from "./queues.ts";
import { type Hold, Lock, type Place, type Waiter } from "./records.ts";
import type { LockState } from "./state.ts";

type Granted = Waiter | Bundle;

/** Looks at all of {@link LockState.freed} in that order; what a bundle leaves behind comes after them. */
export function grantFreed(state: LockState): void {
  const { freed } = state;
  // A set is walked in the order of insertion, and what is added meanwhile is walked, too.
  for (const resource of freed) {
    freed.delete(resource);
    if (resource instanceof Lock) grantWaiting(state, resource);
    else grantPermits(state, resource);
  }
}

/**
 * Grants all that can be granted, from the head of the queue, and drops the lock if nothing is left of it. Must follow
 * everything that takes a hold or a place away, and be followed by {@link grantFreed}.
 *
 * @returns public names of those that got it, as many as may be shown
 */
export function grantWaiting(state: LockState, lock: Lock): string[] {
  const names: string[] = [];
  for (let step = grantFront(state, lock, names); step.length > 0; step = grantFront(state, lock, names)) {
    for (const wait of step) {
      if (wait.kind === "waiter") answerOtherWaits(state, wait, lock);
      else for (const place of wait.places) answerOtherWaits(state, wait, place.lock);
    }
  }
  state.locks.dropIfIdle(lock);
  return names;
}

/** One step: an exclusive place, or the shared ones in front of the first exclusive one together (L5, L6, FIFO). */
function grantFront(state: LockState, lock: Lock, names: string[]): Granted[] {
  const granted: Granted[] = [];
  const { sharedDue } = lock;
  lock.sharedDue = false;
  const head = lock.queue.first;
  if (head === undefined) return granted;
  if (head.mode === "exclusive") {
    if (lock.canGrant(head)) grantPlace(state, head, granted, names);
    return granted;
  }
  // Shared places that stay in front belong to bundles that wait elsewhere: they are not looked at again for nothing.
  if (!sharedDue && state.freed.size === 0) return granted;
  for (let place: Place | undefined = head; place !== undefined && place !== lock.firstExclusive;) {
    const { next }: Place = place;
    if (lock.canGrant(place)) grantPlace(state, place, granted, names);
    // Only the holder's own bundle is not kept out by its hold.
    else if (lock.holders.first?.holder.hasBundles !== true) break;
    place = next;
  }
  return granted;
}

/** A bundle only if it is its turn everywhere (PROTOCOLS L6). */
function grantPlace(state: LockState, place: Place, granted: Granted[], names: string[]): void {
  if (place.kind === "place") {
    const { bundle } = place;
    if (!bundle.places.every((other) => other.lock.canGrant(other))) return;
    if (bundle.claimant.hold(place.lock.name) === undefined) show(state, names, bundle);
    grantBundle(state, bundle, place.lock);
    granted.push(bundle);
    return;
  }
  // A bundle of the same claimant was granted in this step: what the claimant asked for by itself is now a re-entry.
  if (place.claimant.hold(place.lock.name) !== undefined) return;
  show(state, names, place);
  leaveQueues(state, place);
  const hold = addHold(state, place.lock, place.claimant, place.mode, place.ttlMs, place.value);
  const only = detachAll(state, place, grantOf(state, hold));
  if (only !== undefined) answerWith(state, hold, only);
  granted.push(place);
}

function show(state: LockState, names: string[], { claimant }: Granted): void {
  if (names.length < state.limits.maxShownHolders) names.push(claimant.publicName);
}

function grantBundle(state: LockState, bundle: Bundle, current: Lock): void {
  const { claimant, places } = bundle;
  leaveQueues(state, bundle);
  for (const { lock } of places) if (lock !== current) state.freed.add(lock);
  const ownTtlMs = (own: Hold): number => longerOf(state, own, bundle.ttlMs);
  const { made, grants } = holdAll(state, claimant, places, bundle.ttlMs, ownTtlMs);
  const only = detachAll(state, bundle, { type: "grantedAll", grants });
  if (only !== undefined) answerWithAll(state, made, only);
}

/** Who has just got the lock may wait for it by itself, too: that is now a re-entry or an upgrade. */
function answerOtherWaits(state: LockState, { claimant }: Granted, lock: Lock): void {
  if (claimant.waiterCount === 0) return;
  for (const mode of ["exclusive", "shared"] as const) {
    const waiter = claimant.waiter(lock.name, mode);
    const hold = claimant.hold(lock.name);
    if (waiter !== undefined && hold !== undefined) answerAsReentry(state, waiter, hold);
  }
}

function answerAsReentry(state: LockState, waiter: Waiter, hold: Hold): void {
  leaveQueues(state, waiter);
  const result = reenter(state, hold, waiter.mode, longerOf(state, hold, waiter.ttlMs), waiter.value);
  detachAll(state, waiter, result);
  if (result.type === "granted") answeredAgain(state, hold);
}

/** Requests that are answered in one step: none of them gets a shorter lease than it asked for. */
function longerOf(state: LockState, hold: Hold, ttlMs: number): number {
  return Math.max(ttlMs, hold.deadlineMs - state.nowMs);
}
