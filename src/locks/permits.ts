import { assert } from "../kernel/assert.ts";
import type { Claimant } from "./claimants.ts";
import { detachAll, answerWith, forgetAnswer } from "./operations.ts";
import { leaveQueues } from "./queues.ts";
import { PermitHold, type Semaphore } from "./semaphores.ts";
import type { LockState } from "./state.ts";
import { changes } from "./transitions.ts";
import type { LockError, PermitGrant } from "./types.ts";
import { endOf } from "./views.ts";

/** Makes a hold of the lowest free slots, with one token for all of them: so they rise for each (PROTOCOLS L2). */
export function addPermitHold(
  state: LockState,
  semaphore: Semaphore,
  holder: Claimant,
  permits: number,
  ttlMs: number,
): PermitHold {
  // L8, as of locks.
  assert(
    holder.kind !== "session" || state.sessions.find(holder.id) !== undefined,
    "only a living session is granted permits",
  );
  const slots = semaphore.take(permits);
  const hold = new PermitHold(semaphore, holder, slots, state.nextToken(), state.nextSerial(), state.nowMs);
  state.transitions.note(changes.permitsHeld, semaphore.hash, holder.hash, hold.serial);
  noteSlots(state, hold);
  semaphore.holders.push(hold);
  holder.others.addPermitHold(hold);
  state.holds += 1;
  if (holder.kind !== "session") state.deadlines.schedule(hold, state.nowMs + ttlMs);
  return hold;
}

function noteSlots(state: LockState, { slots, token }: PermitHold): void {
  for (const slot of slots) state.transitions.note(changes.slot, slot, token);
}

/** As of a lock that is re-entered in a restored cluster. */
export function renewToken(state: LockState, hold: PermitHold): void {
  if (!state.isOfBefore(hold.token)) return;
  hold.token = state.nextToken();
  noteSlots(state, hold);
}

/** Ends a hold. The semaphore is then due for {@link grantPermits}. */
export function removePermitHold(state: LockState, hold: PermitHold): void {
  const { semaphore, holder, slots } = hold;
  state.transitions.note(changes.permitsUnheld, semaphore.hash, slots.length, hold.serial);
  semaphore.holders.remove(hold);
  semaphore.giveBack(slots);
  holder.others.removePermitHold(hold);
  state.holds -= 1;
  state.deadlines.cancel(hold);
  forgetAnswer(state, hold);
  state.claimants.dropIfIdle(holder);
}

export function permitGrantOf(state: LockState, hold: PermitHold): PermitGrant {
  const { semaphore, holder, slots, token } = hold;
  return {
    type: "permitsGranted",
    semaphore: semaphore.name,
    permits: slots.length,
    limit: semaphore.limit,
    slots,
    owner: holder.publicName,
    fencingToken: token,
    principalId: holder.kind === "owner" ? `owner:${holder.id}` : holder.id,
    expiresInMs: Math.max(0, endOf(state, hold) - state.nowMs),
  };
}

export function permitsConflict({ slots }: PermitHold): LockError {
  return { type: "error", code: "permits_conflict", permits: slots.length };
}

/**
 * Grants from the head of the queue as long as there are permits enough for it: nobody overtakes, however little it wants.
 * Drops the semaphore if nothing is left of it.
 *
 * @returns as {@link grantWaiting}
 */
export function grantPermits(state: LockState, semaphore: Semaphore): string[] {
  const names: string[] = [];
  for (let head = semaphore.queue.first; head !== undefined; head = semaphore.queue.first) {
    const { claimant, permits, ttlMs } = head;
    if (permits > semaphore.available) break;
    leaveQueues(state, head);
    const hold = addPermitHold(state, semaphore, claimant, permits, ttlMs);
    const only = detachAll(state, head, permitGrantOf(state, hold));
    if (only !== undefined) answerWith(state, hold, only);
    if (names.length < state.limits.maxShownHolders) names.push(claimant.publicName);
    // Its other places are for other numbers of permits than it holds now.
    for (const other of [...claimant.others.permitWaiters(semaphore)]) {
      leaveQueues(state, other);
      detachAll(state, other, permitsConflict(hold));
    }
  }
  state.semaphores.dropIfIdle(semaphore);
  return names;
}
