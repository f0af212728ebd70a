import { limits } from "../kernel/limits.ts";
import type { Claimant } from "./claimants.ts";
import type { Hold, Lock } from "./records.ts";
import type { PermitHold, Semaphore } from "./semaphores.ts";
import type { Session } from "./sessions.ts";
import type { LockState } from "./state.ts";
import type {
  HolderTimes,
  LockView,
  PermitHolder,
  PermitWaiterView,
  PublicPrincipal,
  RefusingHolder,
  SemaphoreView,
  SessionView,
  ShownMode,
  WaiterTimes,
} from "./types.ts";

/** When the hold ends in lease time, unless it is renewed. A session's lives by the session. */
export function endOf(state: LockState, { holder, deadlineMs }: Hold | PermitHold): number {
  return holder.kind === "session" ? (state.sessions.find(holder.id)?.deadlineMs ?? 0) : deadlineMs;
}

/** The oldest holders without `except`, as whoever is refused for them may see them. */
export function refusingHolders(state: LockState, lock: Lock, except?: Claimant): RefusingHolder[] {
  return oldestHolders(state, lock, except).map((holder) => asRefusing(state, holder, holder.mode));
}

/** The oldest holders of permits, as of {@link refusingHolders}. */
export function refusingPermitHolders(state: LockState, semaphore: Semaphore): RefusingHolder[] {
  const shown = permitHolders(state, semaphore, state.limits.maxShownHolders);
  return shown.map((holder) => asRefusing(state, holder, "semaphore"));
}

function asRefusing(
  { nowMs }: LockState,
  { owner, grantedAtMs, endsAtMs }: HolderTimes | PermitHolder,
  mode: ShownMode,
): RefusingHolder {
  // A lease that is over but not yet expired by a time entry still stands (T2).
  return { owner, mode, heldForMs: nowMs - grantedAtMs, expiresInMs: Math.max(0, endsAtMs - nowMs) };
}

/** All holders, for there are at most `maxPermits`, and the head of the queue. */
export function viewSemaphore(state: LockState, name: string): SemaphoreView {
  const semaphore = state.semaphores.find(name);
  if (semaphore === undefined) {
    return { semaphore: name, limit: undefined, available: undefined, holders: [], waiters: [] };
  }
  const { limit, available, queue } = semaphore;
  const waiters: PermitWaiterView[] = [];
  for (let waiter = queue.first; waiter !== undefined && waiters.length < limits.maxListedNames; waiter = waiter.next) {
    const { claimant, permits, enqueuedAtMs } = waiter;
    waiters.push({ owner: claimant.publicName, permits, enqueuedAtMs });
  }
  return { semaphore: name, limit, available, holders: permitHolders(state, semaphore, limit), waiters };
}

function permitHolders(state: LockState, { holders }: Semaphore, count: number): PermitHolder[] {
  const shown: PermitHolder[] = [];
  for (let hold = holders.first; hold !== undefined && shown.length < count; hold = hold.next) {
    const { holder, slots, token, grantedAtMs } = hold;
    shown.push({ owner: holder.publicName, slots, fencingToken: token, grantedAtMs, endsAtMs: endOf(state, hold) });
  }
  return shown;
}

export function viewLock(state: LockState, name: string): LockView {
  const lock = state.locks.find(name);
  if (lock !== undefined) return viewOf(state, lock);
  const none = { holders: [], waiters: [], holderTimes: [], waiterTimes: [] };
  return { lock: name, mode: undefined, fencingToken: undefined, value: undefined, revision: 0, ...none };
}

/** Index of the entry that last changed holders, mode or value; 0 while nobody holds the lock. */
export function revisionOf(lock: Lock | undefined): number {
  return lock?.mode === undefined ? 0 : lock.revision;
}

/** The first holders and waiters, as many as a reply may have: more would stop the loop for too long (PROTOCOLS D10). */
export function viewOf(state: LockState, lock: Lock): LockView {
  const { mode } = lock;
  const holders: PublicPrincipal[] = [];
  if (mode !== undefined) {
    for (let hold = lock.holders.first; hold !== undefined; hold = hold.next) {
      if (holders.length >= limits.maxListedNames) break;
      holders.push({ owner: hold.holder.publicName, mode });
    }
  }
  const waiters: PublicPrincipal[] = [];
  const waiterTimes: WaiterTimes[] = [];
  for (let waiter = lock.queue.first; waiter !== undefined; waiter = waiter.next) {
    if (waiters.length >= limits.maxListedNames) break;
    const shown = { owner: waiter.claimant.publicName, mode: waiter.mode };
    waiters.push(shown);
    if (waiterTimes.length >= state.limits.maxShownHolders) continue;
    waiterTimes.push({ ...shown, enqueuedAtMs: waiter.enqueuedAtMs });
  }
  return {
    lock: lock.name,
    mode,
    holders,
    waiters,
    fencingToken: mode === undefined ? undefined : lock.token,
    value: lock.value,
    revision: revisionOf(lock),
    holderTimes: oldestHolders(state, lock),
    waiterTimes,
  };
}

/** Sessions in the order in which they were opened, after the one of that number, at most `limit`. */
export function viewSessions(state: LockState, afterNumber: number, limit: number): SessionView[] {
  return state.sessions.page(afterNumber, limit).map((session) => viewSession(state, session));
}

function viewSession(state: LockState, { id, name, ttlMs, deadlineMs }: Session): SessionView {
  const claimant = state.claimants.find("session", id);
  return {
    name,
    ttlMs,
    endsAtMs: deadlineMs,
    holds: claimant?.holdCount ?? 0,
    waiters: claimant?.waiterCount ?? 0,
  };
}

function oldestHolders(state: LockState, lock: Lock, except?: Claimant): HolderTimes[] {
  const { mode } = lock;
  const shown: HolderTimes[] = [];
  if (mode === undefined) return shown;
  const count = state.limits.maxShownHolders;
  for (let hold = lock.holders.first; hold !== undefined && shown.length < count; hold = hold.next) {
    const { holder, grantedAtMs } = hold;
    if (holder === except) continue;
    shown.push({ owner: holder.publicName, mode, grantedAtMs, endsAtMs: endOf(state, hold) });
  }
  return shown;
}
