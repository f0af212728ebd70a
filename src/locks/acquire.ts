import type { Turn } from "./cycle-search.ts";
import { findDeadlock } from "./deadlock.ts";
import { addHold, grantOf, reenter } from "./holds.ts";
import { answeredAgain, answerWith, attach, SESSION_EXPIRED } from "./operations.ts";
import type { Claimant } from "./claimants.ts";
import { enterQueue, waiterLimit } from "./queues.ts";
import { type Lock, type Operation, Waiter } from "./records.ts";
import type { LockState } from "./state.ts";
import type { LockCommand, LockError, LockResult, Principal } from "./types.ts";
import { refusingHolders } from "./views.ts";

type Acquire = Extract<LockCommand, { type: "acquire" }>;

/** @returns undefined when the operation waits: its answer comes from the entry that ends the wait (PROTOCOLS L7) */
export function acquire(state: LockState, operation: Operation, command: Acquire): LockResult | undefined {
  const { principal, mode, ttlMs, waitMs } = command;
  const publicName = admitPrincipal(state, principal);
  if (publicName === undefined) return SESSION_EXPIRED;

  const known = state.claimants.findPrincipal(principal);
  const hold = known?.hold(command.lock);
  if (hold !== undefined) {
    const result = reenter(state, hold, mode, ttlMs, command.value);
    if (result.type === "granted") answeredAgain(state, hold);
    return result;
  }

  const lock = state.locks.find(command.lock);
  if (lock === undefined || lock.isOpenTo(mode)) {
    return grantAtOnce(state, operation, command, lock, publicName);
  }
  if (waitMs === 0) return lockHeld(state, lock);

  const full = waiterLimit(state, 1);
  const place = known?.waiter(lock.name, mode);
  if (place !== undefined) {
    // One place a claimant and mode: whoever asks again does not lose it, and does not get a second one.
    if (full !== undefined) return { type: "error", code: "limit", limit: full };
    if (command.value !== undefined) place.value = command.value;
    attach(state, place, operation, waitMs, ttlMs);
    return undefined;
  }
  if (full !== undefined) return { type: "error", code: "limit", limit: full };
  if (lock.queue.size >= state.limits.maxWaitersPerLock) {
    return { type: "error", code: "limit", limit: "maxWaitersPerLock" };
  }
  const cycle = known === undefined ? undefined : findDeadlock(known, [turnOf(known, lock, mode)]);
  if (cycle !== undefined) return { type: "error", code: "deadlock", cycle };

  const claimant = known ?? state.claimants.findOrAdd(principal, publicName);
  const waiter = new Waiter(lock, claimant, mode, state.nextSerial(), state.nowMs);
  enterQueue(state, waiter);
  claimant.addWaiter(waiter);
  waiter.value = command.value;
  attach(state, waiter, operation, waitMs, ttlMs);
  return undefined;
}

function turnOf(claimant: Claimant, lock: Lock, mode: Acquire["mode"]): Turn {
  return { claimant, lock, mode, serial: Number.POSITIVE_INFINITY };
}

/** @returns the name that others are shown; undefined when the session is over. A living one is renewed. */
export function admitPrincipal(state: LockState, principal: Principal): string | undefined {
  if (principal.kind === "owner") return principal.name;
  if (principal.kind === "once") return principal.node;
  const session = state.sessions.find(principal.id);
  if (session === undefined) return undefined;
  state.deadlines.schedule(session, state.nowMs + session.ttlMs);
  return session.name;
}

function grantAtOnce(
  state: LockState,
  operation: Operation,
  command: Acquire,
  existing: Lock | undefined,
  publicName: string,
): LockResult {
  if (state.holds >= state.limits.maxHolds) return { type: "error", code: "limit", limit: "maxHolds" };
  if (existing === undefined && state.names >= state.limits.maxLocks) {
    return { type: "error", code: "limit", limit: "maxLocks" };
  }
  const lock = existing ?? state.locks.add(command.lock);
  const claimant = state.claimants.findOrAdd(command.principal, publicName);
  const hold = addHold(state, lock, claimant, command.mode, command.ttlMs, command.value);
  answerWith(state, hold, operation);
  return grantOf(state, hold);
}

/** @param except the claimant that is refused, if it holds the lock itself */
export function lockHeld(state: LockState, lock: Lock, except?: Claimant): LockError {
  return { type: "error", code: "lock_held", lock: lock.name, holders: refusingHolders(state, lock, except) };
}
