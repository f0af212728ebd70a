import { grantFreed, grantWaiting } from "./grants.ts";
import { removeHold } from "./holds.ts";
import { SESSION_EXPIRED } from "./operations.ts";
import type { Hold, Lock } from "./records.ts";
import type { LockState } from "./state.ts";
import type { LockCommand, LockResult } from "./types.ts";
import { refusingHolders } from "./views.ts";

type Release = Extract<LockCommand, { type: "release" }>;

export function release(state: LockState, { lock: name, holder, fencingToken }: Release): LockResult {
  if (holder.kind === "session" && state.sessions.find(holder.id) === undefined) return SESSION_EXPIRED;
  const lock = state.locks.find(name);
  if (lock === undefined || lock.mode === undefined) return { type: "error", code: "not_held" };
  const hold = findHold(state, lock, holder);
  if (hold === undefined) {
    return { type: "error", code: "not_owner", holders: refusingHolders(state, lock) };
  }
  if (fencingToken !== undefined && fencingToken !== lock.token && !isOfSamePhase(state, lock, fencingToken)) {
    return { type: "error", code: "stale_token", highest: lock.token };
  }
  removeHold(state, hold);
  return { type: "released", lock: name, releasedBy: hold.holder.publicName, grantedTo: grantTo(state, lock) };
}

/** Whoever reads since before the cluster was restored knows the phase by its token of then, which others may have renewed. */
function isOfSamePhase(state: LockState, { mode, token }: Lock, fencingToken: number): boolean {
  return mode === "shared" && state.isOfBefore(fencingToken) && !state.isOfBefore(token);
}

function grantTo(state: LockState, lock: Lock): readonly string[] | undefined {
  // The ordinary case: nobody waits.
  if (lock.queue.size === 0) {
    state.locks.dropIfIdle(lock);
    return undefined;
  }
  const names = grantWaiting(state, lock);
  grantFreed(state);
  return names.length > 0 ? names : undefined;
}

function findHold(state: LockState, lock: Lock, holder: Release["holder"]): Hold | undefined {
  if (holder.kind === "onceId") return state.claimants.find("once", holder.id)?.hold(lock.name);
  if (holder.kind !== "anonymous") return state.claimants.findPrincipal(holder)?.hold(lock.name);
  for (let hold = lock.holders.first; hold !== undefined; hold = hold.next) {
    if (hold.holder.kind === "once" && hold.holder.publicName === holder.node) return hold;
  }
  return undefined;
}
