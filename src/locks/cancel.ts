import { grantFreed } from "./grants.ts";
import { removeHold } from "./holds.ts";
import { CANCELLED, detach, forgetKey } from "./operations.ts";
import { removePermitHold } from "./permits.ts";
import { removeWait } from "./queues.ts";
import type { Hold, Wait } from "./records.ts";
import type { PermitHold } from "./semaphores.ts";
import type { LockState } from "./state.ts";
import { changes } from "./transitions.ts";

/** Nobody listens to that operation any more: it leaves no waiter and no hold behind (PROTOCOLS L7). */
export function cancelOperation(state: LockState, id: number, sequence: number): void {
  const ingress = state.ingresses.find(id);
  // The operations of an unknown ingress are never executed.
  if (ingress === undefined) return;
  const { window } = ingress;
  const wait = ingress.waiting.get(sequence);
  if (wait !== undefined) {
    detachOperation(state, wait, id, sequence);
    if (wait.operations.length === 0) removeWait(state, wait, CANCELLED);
    grantFreed(state);
    return;
  }
  const granted = ingress.granted.get(sequence);
  if (granted !== undefined) {
    state.transitions.note(changes.cancelled, id, sequence);
    window.record(sequence, CANCELLED);
    ingress.granted.delete(sequence);
    // Removing a hold takes it out of the set. What ended or was answered again while this process had given way is in it still.
    for (const hold of granted instanceof Set ? [...granted] : [granted]) {
      const only = hold.onlyAnswered;
      if (only?.ingress === id && only.sequence === sequence) giveBack(state, hold);
    }
    grantFreed(state);
    return;
  }
  // Not seen yet: it may still come, and must not be executed then.
  if (window.classify(sequence, window.floor, state.limits.maxOperationWindow) !== "new") return;
  state.transitions.note(changes.cancelled, id, sequence);
  window.record(sequence, CANCELLED);
}

function giveBack(state: LockState, hold: Hold | PermitHold): void {
  const key = hold.onlyAnswered?.key;
  if (key !== undefined) forgetKey(state, key);
  if (hold.kind === "hold") {
    removeHold(state, hold);
    state.freed.add(hold.lock);
  } else {
    removePermitHold(state, hold);
    state.freed.add(hold.semaphore);
  }
}

export function detachOperation(state: LockState, wait: Wait, id: number, sequence: number): void {
  const operation = wait.operations.find((other) => other.ingress === id && other.sequence === sequence);
  if (operation !== undefined) detach(state, wait, operation, CANCELLED);
}
