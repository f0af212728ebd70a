import { grantFreed } from "./grants.ts";
import { removeHold } from "./holds.ts";
import { SESSION_EXPIRED } from "./operations.ts";
import { removePermitHold } from "./permits.ts";
import { removeWait } from "./queues.ts";
import type { Timed } from "./records.ts";
import type { Session } from "./sessions.ts";
import type { LockState } from "./state.ts";
import { changes } from "./transitions.ts";
import type { LockResult } from "./types.ts";

export function openSession(state: LockState, id: string, ttlMs: number): LockResult {
  let session = state.sessions.find(id);
  if (session === undefined) {
    if (state.sessions.size >= state.limits.maxSessions) return { type: "error", code: "limit", limit: "maxSessions" };
    session = state.sessions.add(id, state.nextSerial(), ttlMs);
  }
  session.ttlMs = ttlMs;
  state.transitions.note(changes.sessionTtl, session.serial, ttlMs);
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
  const released = endSession(state, session);
  grantFreed(state);
  return { type: "sessionClosed", ...released };
}

/**
 * Ends a session with all that it holds and waits for; its locks are then due for
 * {@link grantFreed}. Its waiters go in the same step, so no grant can reach a session that is over (PROTOCOLS L8).
 *
 * @returns names of the locks and semaphores that it held
 */
export function endSession(
  state: LockState,
  session: Session,
): { readonly released: string[]; readonly releasedSemaphores: string[] } {
  state.sessions.remove(session);
  state.deadlines.cancel(session);
  const claimant = state.claimants.find("session", session.id);
  const released: string[] = [];
  const releasedSemaphores: string[] = [];
  if (claimant === undefined) return { released, releasedSemaphores };
  for (const wait of [...claimant.waits()].sort(bySerial)) removeWait(state, wait, SESSION_EXPIRED);
  for (const hold of [...claimant.holds()].sort(bySerial)) {
    removeHold(state, hold);
    state.freed.add(hold.lock);
    released.push(hold.lock.name);
  }
  for (const hold of [...claimant.permitHolds()].sort(bySerial)) {
    removePermitHold(state, hold);
    state.freed.add(hold.semaphore);
    releasedSemaphores.push(hold.semaphore.name);
  }
  return { released, releasedSemaphores };
}

function bySerial(a: Timed, b: Timed): number {
  return a.serial - b.serial;
}
