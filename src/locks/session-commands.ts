import { grantWaiting, removeHold, removeWaiter } from "./grants.ts";
import { SESSION_EXPIRED } from "./operations.ts";
import type { Lock, Timed } from "./records.ts";
import type { Session } from "./sessions.ts";
import type { LockState } from "./state.ts";
import type { LockResult } from "./types.ts";

export function openSession(state: LockState, id: string, ttlMs: number): LockResult {
  let session = state.sessions.find(id);
  if (session === undefined) {
    if (state.sessions.size >= state.limits.maxSessions) return { type: "error", code: "limit", limit: "maxSessions" };
    session = state.sessions.add(id, state.nextSerial(), ttlMs);
  }
  session.ttlMs = ttlMs;
  state.deadlines.schedule(session, state.nowMs + ttlMs);
  return { type: "sessionOpened", session: id, name: session.name, expiresInMs: ttlMs };
}

/** Renews also what is overdue: only a time entry ends a session, and this one stands before it (PROTOCOLS T2). */
export function keepalive(state: LockState, ids: readonly string[]): LockResult {
  const expiresInMs = ids.map((id) => {
    const session = state.sessions.find(id);
    if (session === undefined) return undefined;
    state.deadlines.schedule(session, state.nowMs + session.ttlMs);
    return session.ttlMs;
  });
  return { type: "keptAlive", expiresInMs };
}

export function closeSession(state: LockState, id: string): LockResult {
  const session = state.sessions.find(id);
  if (session === undefined) return SESSION_EXPIRED;
  const freed = new Set<Lock>();
  const released = endSession(state, session, freed);
  for (const lock of freed) grantWaiting(state, lock);
  return { type: "sessionClosed", released, releasedSemaphores: [] };
}

/**
 * Ends a session with all that it holds and waits for; its locks, added to `freed`, are then due for
 * {@link grantWaiting}. Its waiters go in the same step, so no grant can reach a session that is over (PROTOCOLS L8).
 *
 * @returns names of the locks that it held
 */
export function endSession(state: LockState, session: Session, freed: Set<Lock>): string[] {
  state.sessions.remove(session);
  state.deadlines.cancel(session);
  const claimant = state.claimants.find("session", session.id);
  if (claimant === undefined) return [];
  for (const waiter of [...claimant.waiters()].sort(bySerial)) {
    removeWaiter(state, waiter, SESSION_EXPIRED);
    freed.add(waiter.lock);
  }
  const released: string[] = [];
  for (const hold of [...claimant.holds()].sort(bySerial)) {
    removeHold(state, hold);
    freed.add(hold.lock);
    released.push(hold.lock.name);
  }
  return released;
}

function bySerial(a: Timed, b: Timed): number {
  return a.serial - b.serial;
}
