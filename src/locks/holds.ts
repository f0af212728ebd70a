import { assert } from "../kernel/assert.ts";
import type { Claimant } from "./claimants.ts";
import { answeredAgain, forgetAnswer } from "./operations.ts";
import { Hold, type Lock, type Wish } from "./records.ts";
import type { LockState } from "./state.ts";
import { changes } from "./transitions.ts";
import type { LockError, LockGrant, LockMode } from "./types.ts";
import { endOf, refusingHolders } from "./views.ts";
import { findUpgradeDeadlock } from "./deadlock.ts";

/**
 * Makes a hold. An exclusive grant always gets a new token; a shared phase, from its first holder until there is none,
 * gets one for all its readers (PROTOCOLS L2), and another when it goes on in a restored cluster. ↯ A backup says that a shares
 * x with token 5; after it x went to b, exclusively, with 6. Restored: c joins a, with 5, and sees what b wrote refused to it.
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
  if (lock.mode === undefined || state.isOfBefore(lock.token)) lock.token = state.nextToken();
  lock.mode = mode;
  lock.value = value;
  state.touch(lock);
  const hold = new Hold(lock, holder, state.nextSerial(), state.nowMs);
  state.transitions.note(changes.held, lock.hash, holder.hash, hold.serial);
  lock.holders.push(hold);
  holder.addHold(hold);
  state.holds += 1;
  if (holder.kind !== "session") state.deadlines.schedule(hold, state.nowMs + ttlMs);
  return hold;
}

/** Ends a hold. The lock is then due for {@link grantFreed}. */
export function removeHold(state: LockState, hold: Hold): void {
  const { lock, holder } = hold;
  state.transitions.note(changes.unheld, lock.hash, holder.hash, hold.serial);
  lock.holders.remove(hold);
  if (lock.mode === "exclusive") lock.sharedDue = true;
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
    if (lock.holders.size > 1) return upgradeConflict(state, hold);
    const cycle = findUpgradeDeadlock(holder, [lock]);
    if (cycle !== undefined) return { type: "error", code: "deadlock", cycle };
  }
  renew(state, hold, mode, ttlMs, value);
  return grantOf(state, hold);
}

/**
 * Makes the claimant hold all of the locks: the caller has seen that it can be.
 *
 * @param ownTtlMs the lease that a hold gets which the claimant has already
 * @returns the holds that are new, and a grant for each lock
 */
export function holdAll(
  state: LockState,
  claimant: Claimant,
  wishes: readonly Wish[],
  ttlMs: number,
  ownTtlMs: (own: Hold) => number,
): { readonly made: readonly Hold[]; readonly grants: readonly LockGrant[] } {
  const made: Hold[] = [];
  const grants = wishes.map(({ lock, mode }) => {
    const own = claimant.hold(lock.name);
    if (own === undefined) made.push(addHold(state, lock, claimant, mode, ttlMs, undefined));
    else {
      renew(state, own, mode, ownTtlMs(own), undefined);
      answeredAgain(state, own);
    }
    return grantOf(state, own ?? (made.at(-1) as Hold));
  });
  return { made, grants };
}

/** What a re-entry does to a hold: the caller has seen that an upgrade is possible. */
function renew(state: LockState, hold: Hold, mode: LockMode, ttlMs: number, value: string | undefined): void {
  const { lock, holder } = hold;
  if (mode === "exclusive" && lock.mode === "shared") {
    assert(lock.holders.size === 1, "only a sole reader is upgraded");
    lock.mode = "exclusive";
    lock.token = state.nextToken();
    state.touch(lock);
  } else if (state.isOfBefore(lock.token)) {
    lock.token = state.nextToken();
    state.touch(lock);
  }
  if (value !== undefined && value !== lock.value) {
    lock.value = value;
    state.touch(lock);
  }
  if (holder.kind !== "session") state.deadlines.schedule(hold, state.nowMs + ttlMs);
}

export function upgradeConflict(state: LockState, { lock, holder }: Hold): LockError {
  return { type: "error", code: "upgrade_conflict", lock: lock.name, holders: refusingHolders(state, lock, holder) };
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
