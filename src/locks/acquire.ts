import { addHold, grantOf, reenter } from "./grants.ts";
import { answeredAgain, answerWith, attach, SESSION_EXPIRED } from "./operations.ts";
import { type Claimant, type Lock, type Operation, Waiter } from "./records.ts";
import type { LockState } from "./state.ts";
import type { LockCommand, LockError, LockResult, Principal } from "./types.ts";
import { refusingHolders } from "./views.ts";
import { findCycle } from "./wait-for-graph.ts";

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
  if (lock === undefined || (lock.queue.size === 0 && lock.admits(mode))) {
    return grantAtOnce(state, operation, command, lock, publicName);
  }
  if (waitMs === 0) return lockHeld(state, lock);

  const full = queueLimit(state, lock);
  const place = known?.waiter(lock.name, mode);
  if (place !== undefined) {
    // One place a claimant and mode: whoever asks again does not lose it, and does not get a second one.
    if (full === "maxWaiters") return { type: "error", code: "limit", limit: full };
    if (command.value !== undefined) place.value = command.value;
    attach(state, place, operation, waitMs, ttlMs);
    return undefined;
  }
  if (full !== undefined) return { type: "error", code: "limit", limit: full };
  const cycle = known === undefined ? undefined : findCycle(known, lock, mode);
  if (cycle !== undefined) return { type: "error", code: "deadlock", cycle };

  const claimant = known ?? state.claimants.findOrAdd(principal, publicName);
  const waiter = enqueue(state, lock, claimant, mode);
  waiter.value = command.value;
  attach(state, waiter, operation, waitMs, ttlMs);
  return undefined;
}

/** @returns the name that others are shown; undefined when the session is over. A living one is renewed. */
function admitPrincipal(state: LockState, principal: Principal): string | undefined {
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
  if (existing === undefined && state.locks.size >= state.limits.maxLocks) {
    return { type: "error", code: "limit", limit: "maxLocks" };
  }
  const lock = existing ?? state.locks.add(command.lock);
  const claimant = state.claimants.findOrAdd(command.principal, publicName);
  const hold = addHold(state, lock, claimant, command.mode, command.ttlMs, command.value);
  answerWith(state, hold, operation);
  return grantOf(state, hold);
}

function queueLimit(state: LockState, lock: Lock): string | undefined {
  if (Math.max(state.waiters, state.waitingOperations) >= state.limits.maxWaiters) return "maxWaiters";
  return lock.queue.size >= state.limits.maxWaitersPerLock ? "maxWaitersPerLock" : undefined;
}

function enqueue(state: LockState, lock: Lock, claimant: Claimant, mode: Acquire["mode"]): Waiter {
  const waiter = new Waiter(lock, claimant, mode, state.nextSerial(), state.nowMs);
  if (lock.queue.size === 0) state.locks.contested.push(lock);
  lock.queue.push(waiter);
  claimant.addWaiter(waiter);
  state.waiters += 1;
  return waiter;
}

export function lockHeld(state: LockState, lock: Lock): LockError {
  return { type: "error", code: "lock_held", lock: lock.name, holders: refusingHolders(state, lock) };
}
