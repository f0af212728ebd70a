import { assert } from "../kernel/assert.ts";
import { admitPrincipal, lockHeld } from "./acquire.ts";
import { Bundle, wishKey } from "./bundles.ts";
import type { Claimant } from "./claimants.ts";
import type { Turn } from "./cycle-search.ts";
import { findDeadlock, findUpgradeDeadlock } from "./deadlock.ts";
import { holdAll, upgradeConflict } from "./holds.ts";
import { answerWithAll, attach, SESSION_EXPIRED } from "./operations.ts";
import { enterQueue, waiterLimit } from "./queues.ts";
import type { Lock, Operation, Wish } from "./records.ts";
import type { LockState } from "./state.ts";
import type { LockCommand, LockError, LockResult, LockWish } from "./types.ts";

type AcquireAll = Extract<LockCommand, { type: "acquireAll" }>;

/**
 * All locks in this step, or a place in every queue and none of them (PROTOCOLS L6). What the claimant holds already is
 * re-entered past all waiters if all of it can be granted now; otherwise it stands its turn there, too, so that whom it
 * waits for is settled when it comes (L4).
 *
 * @returns undefined when the operation waits
 */
export function acquireAll(state: LockState, operation: Operation, command: AcquireAll): LockResult | undefined {
  const { principal, waitMs, ttlMs } = command;
  const publicName = admitPrincipal(state, principal);
  if (publicName === undefined) return SESSION_EXPIRED;
  const known = state.claimants.findPrincipal(principal);

  let inTheWay: Lock | undefined;
  for (const { lock: name, mode } of command.locks) {
    const hold = known?.hold(name);
    const lock = hold?.lock ?? state.locks.find(name);
    if (lock === undefined) continue;
    if (hold === undefined) inTheWay ??= lock.isOpenTo(mode) ? undefined : lock;
    else if (mode === "exclusive" && !lock.admits(mode, hold.holder)) return upgradeConflict(state, hold);
  }
  if (inTheWay === undefined) return grantAtOnce(state, operation, command, publicName, known);
  if (waitMs === 0) return lockHeld(state, inTheWay, known);

  const key = wishKey(command.locks);
  const place = known?.bundle(key);
  if (place !== undefined) {
    const full = waiterLimit(state, 0);
    if (full !== undefined) return { type: "error", code: "limit", limit: full };
    attach(state, place, operation, waitMs, ttlMs);
    return undefined;
  }
  const refusal = refuseWait(state, command, known);
  if (refusal !== undefined) return refusal;

  const claimant = known ?? state.claimants.findOrAdd(principal, publicName);
  const bundle = new Bundle(claimant, key, state.nextSerial(), state.nowMs, findOrAddAll(state, command.locks));
  for (const entered of bundle.places) enterQueue(state, entered);
  claimant.others.addBundle(bundle);
  attach(state, bundle, operation, waitMs, ttlMs);
  return undefined;
}

/** Names the first lock whose turn it is not. */
export function bundleHeld(state: LockState, { places, claimant }: Bundle): LockError {
  // In the step in which its time is over the way may have become free.
  const inTheWay = places.find((place) => !place.lock.canGrant(place)) ?? places[0];
  assert(inTheWay !== undefined, "a bundle waits for something");
  return lockHeld(state, inTheWay.lock, claimant);
}

function refuseWait(state: LockState, { locks }: AcquireAll, known: Claimant | undefined): LockError | undefined {
  let unknown = 0;
  for (const { lock: name } of locks) {
    const lock = state.locks.find(name);
    if (lock === undefined) unknown += 1;
    else if (lock.queue.size >= state.limits.maxWaitersPerLock) return limit("maxWaitersPerLock");
  }
  const full = waiterLimit(state, locks.length);
  if (full !== undefined) return limit(full);
  if (state.names + unknown > state.limits.maxLocks) return limit("maxLocks");
  if (known === undefined) return undefined;
  const cycle = findDeadlock(known, turnsOf(state, known, locks));
  return cycle === undefined ? undefined : { type: "error", code: "deadlock", cycle };
}

/** The places that it would take, without those where nobody else is. */
function turnsOf(state: LockState, claimant: Claimant, wishes: readonly LockWish[]): Turn[] {
  const serial = Number.POSITIVE_INFINITY;
  return wishes.flatMap(({ lock: name, mode }) => {
    const lock = state.locks.find(name);
    return lock === undefined ? [] : [{ claimant, lock, mode, serial }];
  });
}

function findOrAddAll(state: LockState, wishes: readonly LockWish[]): Wish[] {
  return wishes.map(({ lock, mode }) => ({ lock: state.locks.find(lock) ?? state.locks.add(lock), mode }));
}

function grantAtOnce(
  state: LockState,
  operation: Operation,
  { locks, principal, ttlMs }: AcquireAll,
  publicName: string,
  known: Claimant | undefined,
): LockResult {
  const held = locks.filter(({ lock }) => known?.hold(lock) !== undefined).length;
  if (state.holds + locks.length - held > state.limits.maxHolds) return limit("maxHolds");
  const unknown = locks.filter(({ lock }) => state.locks.find(lock) === undefined).length;
  if (state.names + unknown > state.limits.maxLocks) return limit("maxLocks");
  const cycle = known === undefined ? undefined : findUpgradeDeadlock(known, upgraded(known, locks));
  if (cycle !== undefined) return { type: "error", code: "deadlock", cycle };

  const claimant = known ?? state.claimants.findOrAdd(principal, publicName);
  const { made, grants } = holdAll(state, claimant, findOrAddAll(state, locks), ttlMs, () => ttlMs);
  answerWithAll(state, made, operation);
  return { type: "grantedAll", grants };
}

/** Locks that the claimant shares and wants alone. */
function upgraded(claimant: Claimant, wishes: readonly LockWish[]): Lock[] {
  return wishes.flatMap(({ lock: name, mode }) => {
    const lock = mode === "exclusive" ? claimant.hold(name)?.lock : undefined;
    return lock?.mode === "shared" ? [lock] : [];
  });
}

function limit(name: string): LockError {
  return { type: "error", code: "limit", limit: name };
}
