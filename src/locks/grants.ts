import { assert } from "../kernel/assert.ts";
import { answeredAgain, answerWith, detachAll, forgetAnswer } from "./operations.ts";
import { type Claimant, Hold, type Lock, type Waiter } from "./records.ts";
import type { LockState } from "./state.ts";
import type { LockError, LockGrant, LockMode, LockResult } from "./types.ts";
import { endOf, refusingHolders } from "./views.ts";

/**
 * Makes a hold. An exclusive grant always gets a new token; a shared phase, from its first holder until there is none,
 * gets one for all its readers (PROTOCOLS L2).
 */
export function addHold(
  state: LockState,
  lock: Lock,
  holder: Claimant,
  mode: LockMode,
  ttlMs: number,
  value: string | undefined,
): Hold {
  assert(lock.admits(mode), "holders do not conflict");
  // L8: what ends a session takes its waiters out of their queues in the same step.
  assert(
    holder.kind !== "session" || state.sessions.find(holder.id) !== undefined,
    "only a living session is granted a lock",
  );
  if (lock.mode === undefined) lock.token = state.nextToken();
  lock.mode = mode;
  lock.value = value;
  state.touch(lock);
  const hold = new Hold(lock, holder, state.nextSerial(), state.nowMs);
  lock.holders.push(hold);
  holder.addHold(hold);
  state.holds += 1;
  if (holder.kind !== "session") state.deadlines.schedule(hold, state.nowMs + ttlMs);
  return hold;
}

/** Ends a hold. The lock is then due for {@link grantWaiting}. */
export function removeHold(state: LockState, hold: Hold): void {
  const { lock, holder } = hold;
  lock.holders.remove(hold);
  if (lock.holders.size === 0) {
    lock.mode = undefined;
    lock.value = undefined;
  }
  state.touch(lock);
  holder.removeHold(hold);
  state.holds -= 1;
  state.deadlines.cancel(hold);
  forgetAnswer(state, hold);
  state.claimants.dropIfIdle(holder);
}

/** Ends a wait: every operation at that place gets the result. The lock is then due for {@link grantWaiting}. */
export function removeWaiter(state: LockState, waiter: Waiter, result: LockResult): void {
  leaveQueue(state, waiter);
  detachAll(state, waiter, result);
  state.claimants.dropIfIdle(waiter.claimant);
}

/**
 * Answers an acquire by a claimant that holds the lock already: at once, past all waiters (PROTOCOLS L5).
 *
 * @param value replaces that of the lock; undefined: it stays
 */
export function reenter(
  state: LockState,
  hold: Hold,
  mode: LockMode,
  ttlMs: number,
  value: string | undefined,
): LockGrant | LockError {
  const { lock, holder } = hold;
  if (mode === "exclusive" && lock.mode === "shared") {
    if (lock.holders.size > 1) {
      const holders = refusingHolders(state, lock, holder);
      return { type: "error", code: "upgrade_conflict", lock: lock.name, holders };
    }
    lock.mode = "exclusive";
    lock.token = state.nextToken();
    state.touch(lock);
  }
  if (value !== undefined && value !== lock.value) {
    lock.value = value;
    state.touch(lock);
  }
  if (holder.kind !== "session") state.deadlines.schedule(hold, state.nowMs + ttlMs);
  return grantOf(state, hold);
}

export function grantOf(state: LockState, hold: Hold): LockGrant {
  const { lock, holder } = hold;
  assert(lock.mode !== undefined, "a lock with a hold has a mode");
  return {
    type: "granted",
    lock: lock.name,
    mode: lock.mode,
    owner: holder.publicName,
    fencingToken: lock.token,
    principalId: holder.kind === "owner" ? `owner:${holder.id}` : holder.id,
    // A lease that is over but not yet expired by a time entry still stands (T2).
    expiresInMs: Math.max(0, endOf(state, hold) - state.nowMs),
  };
}

/**
 * Grants all that can be granted, from the head of the queue, and drops the lock if nothing is left of it. Must follow
 * everything that takes a hold or a waiter away.
 *
 * @returns public names of those that got it, as many as may be shown
 */
export function grantWaiting(state: LockState, lock: Lock): string[] {
  const names: string[] = [];
  for (let step = grantHead(state, lock); step.length > 0; step = grantHead(state, lock)) {
    for (const claimant of step) {
      if (names.length < state.limits.maxShownHolders) names.push(claimant.publicName);
    }
    for (const claimant of step) answerOtherWaits(state, lock, claimant);
  }
  state.locks.dropIfIdle(lock);
  return names;
}

/** One step: an exclusive waiter, or adjacent shared ones together (L5, FIFO). */
function grantHead(state: LockState, lock: Lock): Claimant[] {
  const granted: Claimant[] = [];
  for (let head = lock.queue.first; head !== undefined && lock.admits(head.mode); head = lock.queue.first) {
    leaveQueue(state, head);
    const hold = addHold(state, lock, head.claimant, head.mode, head.ttlMs, head.value);
    const only = detachAll(state, head, grantOf(state, hold));
    if (only !== undefined) answerWith(state, hold, only);
    granted.push(head.claimant);
  }
  return granted;
}

/** Who has just got the lock may wait for it in the other mode, too: that is now a re-entry or an upgrade. */
function answerOtherWaits(state: LockState, lock: Lock, claimant: Claimant): void {
  if (claimant.waiterCount === 0) return;
  for (const mode of ["exclusive", "shared"] as const) {
    const waiter = claimant.waiter(lock.name, mode);
    const hold = claimant.hold(lock.name);
    if (waiter === undefined || hold === undefined) continue;
    // Both requests are answered in this step: neither gets a shorter lease than it asked for.
    const ttlMs = Math.max(waiter.ttlMs, hold.deadlineMs - state.nowMs);
    const result = reenter(state, hold, mode, ttlMs, waiter.value);
    leaveQueue(state, waiter);
    detachAll(state, waiter, result);
    if (result.type === "granted") answeredAgain(state, hold);
  }
}

function leaveQueue(state: LockState, waiter: Waiter): void {
  const { lock } = waiter;
  lock.queue.remove(waiter);
  if (lock.queue.size === 0) state.locks.contested.remove(lock);
  waiter.claimant.removeWaiter(waiter);
  state.waiters -= 1;
  state.deadlines.cancel(waiter);
}
