import { unreachable } from "../kernel/assert.ts";
import { detachAll } from "./operations.ts";
import type { Operation, Place, Wait } from "./records.ts";
import type { PermitWaiter } from "./semaphores.ts";
import type { LockState } from "./state.ts";
import { changes, codeOfMode } from "./transitions.ts";
import type { LockResult } from "./types.ts";

/** Why there is no room for so many more places in queues, or undefined. */
export function waiterLimit(state: LockState, places: number): string | undefined {
  const waiting = Math.max(state.waiters + places, state.waitingOperations + 1);
  return waiting > state.limits.maxWaiters ? "maxWaiters" : undefined;
}

export function enterQueue(state: LockState, place: Place): void {
  const { lock } = place;
  if (lock.queue.size === 0) state.locks.contested.push(lock);
  state.transitions.note(changes.entered, lock.hash, place.serial, codeOfMode(place.mode));
  lock.enter(place);
  state.waiters += 1;
}

export function enterSemaphore(state: LockState, waiter: PermitWaiter): void {
  const { semaphore, claimant } = waiter;
  if (semaphore.queue.size === 0) state.semaphores.contested.push(semaphore);
  state.transitions.note(changes.entered, semaphore.hash, waiter.serial, waiter.permits);
  semaphore.queue.push(waiter);
  claimant.others.addPermitWaiter(waiter);
  state.waiters += 1;
}

/** Takes a wait out of its queues; its operations are still to be answered. */
export function leaveQueues(state: LockState, wait: Wait): void {
  const { claimant } = wait;
  state.deadlines.cancel(wait);
  switch (wait.kind) {
    case "waiter":
      claimant.removeWaiter(wait);
      leaveQueue(state, wait);
      return;
    case "bundle":
      claimant.others.removeBundle(wait);
      for (const place of wait.places) leaveQueue(state, place);
      return;
    case "permitWaiter":
      claimant.others.removePermitWaiter(wait);
      leaveSemaphore(state, wait);
      return;
    default:
      unreachable(wait);
  }
}

/** Ends a wait: every operation of it gets the result. What it waited for is then due for {@link grantFreed}. */
export function removeWait(state: LockState, wait: Wait, result: LockResult): Operation | undefined {
  leaveQueues(state, wait);
  if (wait.kind === "waiter") state.freed.add(wait.lock);
  else if (wait.kind === "permitWaiter") state.freed.add(wait.semaphore);
  else for (const { lock } of wait.places) state.freed.add(lock);
  const only = detachAll(state, wait, result);
  state.claimants.dropIfIdle(wait.claimant);
  return only;
}

function leaveSemaphore(state: LockState, waiter: PermitWaiter): void {
  const { semaphore } = waiter;
  state.transitions.note(changes.left, semaphore.hash, waiter.serial);
  semaphore.queue.remove(waiter);
  if (semaphore.queue.size === 0) state.semaphores.contested.remove(semaphore);
  state.waiters -= 1;
}

function leaveQueue(state: LockState, place: Place): void {
  const { lock } = place;
  state.transitions.note(changes.left, lock.hash, place.serial);
  lock.leave(place);
  if (lock.queue.size === 0) state.locks.contested.remove(lock);
  state.waiters -= 1;
}
