import { grantWaiting, removeHold, removeWaiter } from "./grants.ts";
import { CANCELLED, detach, forgetKey } from "./operations.ts";
import type { Waiter } from "./records.ts";
import type { LockState } from "./state.ts";

/** Nobody listens to that operation any more: it leaves no waiter and no hold behind (PROTOCOLS L7). */
export function cancelOperation(state: LockState, id: number, sequence: number): void {
  const ingress = state.ingresses.find(id);
  // The operations of an unknown ingress are never executed.
  if (ingress === undefined) return;
  const { window } = ingress;
  const waiter = ingress.waiting.get(sequence);
  if (waiter !== undefined) {
    detachOperation(state, waiter, id, sequence);
    if (waiter.operations.length === 0) leave(state, waiter);
    return;
  }
  const hold = ingress.granted.get(sequence);
  const operation = hold?.onlyAnswered;
  if (hold !== undefined && operation?.ingress === id && operation.sequence === sequence) {
    if (operation.key !== undefined) forgetKey(state, operation.key);
    window.record(sequence, CANCELLED);
    removeHold(state, hold);
    grantWaiting(state, hold.lock);
    return;
  }
  // Not seen yet: it may still come, and must not be executed then.
  if (window.classify(sequence, window.floor, state.limits.maxOperationWindow) === "new")
    window.record(sequence, CANCELLED);
}

function leave(state: LockState, waiter: Waiter): void {
  removeWaiter(state, waiter, CANCELLED);
  grantWaiting(state, waiter.lock);
}

export function detachOperation(state: LockState, waiter: Waiter, id: number, sequence: number): void {
  const operation = waiter.operations.find((other) => other.ingress === id && other.sequence === sequence);
  if (operation !== undefined) detach(state, waiter, operation, CANCELLED);
}
