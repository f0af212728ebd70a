import type { Bundle } from "./bundles.ts";
import { detachAll } from "./operations.ts";
import type { Operation, Place, Wait } from "./records.ts";
import type { LockState } from "./state.ts";
import type { LockResult } from "./types.ts";

/** Why there is no room for so many more places in queues, or undefined. */
export function waiterLimit(state: LockState, places: number): string | undefined {
  const waiting = Math.max(state.waiters + places, state.waitingOperations + 1);
  return waiting > state.limits.maxWaiters ? "maxWaiters" : undefined;
}

export function enterQueue(state: LockState, place: Place): void {
  const { lock } = place;
  if (lock.queue.size === 0) state.locks.contested.push(lock);
  lock.enter(place);
  state.waiters += 1;
}

/** Takes a wait out of its queues; its operations are still to be answered. */
export function leaveQueues(state: LockState, wait: Wait): void {
  state.deadlines.cancel(wait);
  if (wait.kind === "waiter") {
    wait.claimant.removeWaiter(wait);
    leaveQueue(state, wait);
  } else leaveAll(state, wait);
}

/** Ends a wait: every operation of it gets the result. What it waited for is then due for {@link grantFreed}. */
export function removeWait(state: LockState, wait: Wait, result: LockResult): Operation | undefined {
  leaveQueues(state, wait);
  if (wait.kind === "waiter") state.freed.add(wait.lock);
  else for (const { lock } of wait.places) state.freed.add(lock);
  const only = detachAll(state, wait, result);
  state.claimants.dropIfIdle(wait.claimant);
  return only;
}

function leaveAll(state: LockState, bundle: Bundle): void {
  bundle.claimant.removeBundle(bundle);
  for (const place of bundle.places) leaveQueue(state, place);
}

function leaveQueue(state: LockState, place: Place): void {
  const { lock } = place;
  lock.leave(place);
  if (lock.queue.size === 0) state.locks.contested.remove(lock);
  state.waiters -= 1;
}
