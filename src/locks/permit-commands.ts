import { admitPrincipal } from "./acquire.ts";
import type { Claimant } from "./claimants.ts";
import { findDeadlock } from "./deadlock.ts";
import { answeredAgain, answerWith, attach, SESSION_EXPIRED } from "./operations.ts";
import {
  addPermitHold,
  grantPermits,
  permitGrantOf,
  permitsConflict,
  removePermitHold,
  renewToken,
} from "./permits.ts";
import { enterSemaphore, waiterLimit } from "./queues.ts";
import type { Operation } from "./records.ts";
import { type PermitHold, PermitWaiter, type Semaphore } from "./semaphores.ts";
import type { LockState } from "./state.ts";
import type { LockCommand, LockError, LockResult } from "./types.ts";
import { refusingPermitHolders } from "./views.ts";

type AcquirePermits = Extract<LockCommand, { type: "acquirePermits" }>;
type ReleasePermits = Extract<LockCommand, { type: "releasePermits" }>;

/** @returns undefined when the operation waits */
export function acquirePermits(
  state: LockState,
  operation: Operation,
  command: AcquirePermits,
): LockResult | undefined {
  const { principal, permits, waitMs, ttlMs } = command;
  const publicName = admitPrincipal(state, principal);
  if (publicName === undefined) return SESSION_EXPIRED;

  const semaphore = state.semaphores.find(command.semaphore);
  if (semaphore === undefined) return grantAtOnce(state, operation, command, semaphore, publicName);
  if (semaphore.limit !== command.limit) return { type: "error", code: "semaphore_limit", limit: semaphore.limit };
  const known = state.claimants.findPrincipal(principal);
  const hold = known?.permitHold(semaphore.name);
  if (hold !== undefined) return reenter(state, hold, command);
  if (semaphore.queue.size === 0 && permits <= semaphore.available) {
    return grantAtOnce(state, operation, command, semaphore, publicName);
  }
  if (waitMs === 0) return permitsHeld(state, semaphore);

  const place = known?.others.permitWaiters(semaphore).find((other) => other.permits === permits);
  const refusal = refuseWait(state, semaphore, permits, known, place);
  if (refusal !== undefined) return refusal;
  if (place !== undefined) {
    attach(state, place, operation, waitMs, ttlMs);
    return undefined;
  }
  const claimant = known ?? state.claimants.findOrAdd(principal, publicName);
  const waiter = new PermitWaiter(semaphore, claimant, permits, state.nextSerial(), state.nowMs);
  enterSemaphore(state, waiter);
  attach(state, waiter, operation, waitMs, ttlMs);
  return undefined;
}

export function releasePermits(
  state: LockState,
  { semaphore: name, holder, fencingToken }: ReleasePermits,
): LockResult {
  if (holder.kind === "session" && state.sessions.find(holder.id) === undefined) return SESSION_EXPIRED;
  const semaphore = state.semaphores.find(name);
  if (semaphore === undefined || semaphore.holders.size === 0) return { type: "error", code: "not_held" };
  const hold = findHold(state, semaphore, holder);
  if (hold === undefined) {
    return { type: "error", code: "not_owner", holders: refusingPermitHolders(state, semaphore) };
  }
  if (fencingToken !== undefined && fencingToken !== hold.token) {
    return { type: "error", code: "stale_token", highest: hold.token };
  }
  removePermitHold(state, hold);
  const grantedTo = grantPermits(state, semaphore);
  return {
    type: "permitsReleased",
    semaphore: name,
    releasedBy: hold.holder.publicName,
    grantedTo: grantedTo.length > 0 ? grantedTo : undefined,
  };
}

export function permitsHeld(state: LockState, semaphore: Semaphore): LockError {
  const holders = refusingPermitHolders(state, semaphore);
  return { type: "error", code: "lock_held", lock: semaphore.name, holders };
}

function reenter(state: LockState, hold: PermitHold, { permits, ttlMs }: AcquirePermits): LockResult {
  if (hold.slots.length !== permits) return permitsConflict(hold);
  if (hold.holder.kind !== "session") state.deadlines.schedule(hold, state.nowMs + ttlMs);
  renewToken(state, hold);
  answeredAgain(state, hold);
  return permitGrantOf(state, hold);
}

function grantAtOnce(
  state: LockState,
  operation: Operation,
  { semaphore: name, limit, permits, principal, ttlMs }: AcquirePermits,
  existing: Semaphore | undefined,
  publicName: string,
): LockResult {
  if (state.holds >= state.limits.maxHolds) return { type: "error", code: "limit", limit: "maxHolds" };
  if (existing === undefined && state.names >= state.limits.maxLocks) {
    return { type: "error", code: "limit", limit: "maxLocks" };
  }
  const semaphore = existing ?? state.semaphores.add(name, limit);
  const claimant = state.claimants.findOrAdd(principal, publicName);
  const hold = addPermitHold(state, semaphore, claimant, permits, ttlMs);
  answerWith(state, hold, operation);
  return permitGrantOf(state, hold);
}

function refuseWait(
  state: LockState,
  semaphore: Semaphore,
  permits: number,
  claimant: Claimant | undefined,
  place: PermitWaiter | undefined,
): LockError | undefined {
  const full = waiterLimit(state, 1);
  if (full !== undefined) return { type: "error", code: "limit", limit: full };
  if (place !== undefined) return undefined;
  if (semaphore.queue.size >= state.limits.maxWaitersPerLock) {
    return { type: "error", code: "limit", limit: "maxWaitersPerLock" };
  }
  if (claimant === undefined) return undefined;
  const serial = Number.POSITIVE_INFINITY;
  const cycle = findDeadlock(claimant, [{ claimant, semaphore, mode: "semaphore", permits, serial }]);
  return cycle === undefined ? undefined : { type: "error", code: "deadlock", cycle };
}

function findHold(state: LockState, semaphore: Semaphore, holder: ReleasePermits["holder"]): PermitHold | undefined {
  if (holder.kind === "onceId") return state.claimants.find("once", holder.id)?.permitHold(semaphore.name);
  if (holder.kind !== "anonymous") return state.claimants.findPrincipal(holder)?.permitHold(semaphore.name);
  for (let hold = semaphore.holders.first; hold !== undefined; hold = hold.next) {
    if (hold.holder.kind === "once" && hold.holder.publicName === holder.node) return hold;
  }
  return undefined;
}
