import { assert } from "../kernel/assert.ts";
import { isForgettable, type KeyRecord } from "./idempotency.ts";
import type { Hold, Operation, Waiter } from "./records.ts";
import type { LockState } from "./state.ts";
import type { LockError, LockResult } from "./types.ts";

export const CANCELLED: LockError = { type: "error", code: "cancelled" };
export const SESSION_EXPIRED: LockError = { type: "error", code: "session_expired" };
export const STALE_OPERATION: LockError = { type: "error", code: "stale_operation" };

/** Answers an operation: remembered in its window and by its key, and emitted. */
export function finish(state: LockState, operation: Operation, result: LockResult): void {
  const { ingress: id, sequence, key } = operation;
  state.ingresses.find(id)?.window.record(sequence, result);
  if (key !== undefined) finishKey(state, key, result);
  state.emit({ ingress: id, sequence, result });
}

/** The operation waits at this place in the queue; the place lasts as long as its most patient operation. */
export function attach(state: LockState, waiter: Waiter, operation: Operation, waitMs: number, ttlMs: number): void {
  waiter.operations.push(operation);
  waiter.ttlMs = Math.max(waiter.ttlMs, ttlMs);
  state.deadlines.schedule(waiter, Math.max(waiter.deadlineMs, state.nowMs + waitMs));
  state.waitingOperations += 1;
  const { ingress: id, sequence, key } = operation;
  state.ingresses.find(id)?.waiting.set(sequence, waiter);
  if (key !== undefined) {
    key.pending += 1;
    key.waiter = waiter;
  }
  state.emit({ ingress: id, sequence });
}

/** Answers an operation that waits and takes it from its place, which stays. */
export function detach(state: LockState, waiter: Waiter, operation: Operation, result: LockResult): void {
  const index = waiter.operations.indexOf(operation);
  assert(index >= 0, "only an attached operation can be detached");
  waiter.operations.splice(index, 1);
  unattach(state, operation);
  finish(state, operation, result);
}

/** Answers all operations that wait at this place. If it is a single one, it is returned. */
export function detachAll(state: LockState, waiter: Waiter, result: LockResult): Operation | undefined {
  const operations = waiter.operations.splice(0);
  for (const operation of operations) {
    unattach(state, operation);
    finish(state, operation, result);
  }
  return operations.length === 1 ? operations[0] : undefined;
}

function unattach(state: LockState, { ingress, sequence, key }: Operation): void {
  state.waitingOperations -= 1;
  state.ingresses.find(ingress)?.waiting.delete(sequence);
  if (key !== undefined) key.pending -= 1;
}

/** The hold is the answer to this acquire alone: if nobody heard it, a cancel gives the hold back. */
export function answerWith(state: LockState, hold: Hold, operation: Operation): void {
  hold.onlyAnswered = operation;
  state.ingresses.find(operation.ingress)?.granted.set(operation.sequence, hold);
}

/**
 * The hold is the answer to more than one request: one of them may have been heard, so no cancel takes it away. A client
 * whose renewal was cut off still holds what it was granted before.
 */
export function answeredAgain(state: LockState, hold: Hold): void {
  forgetAnswer(state, hold);
}

export function forgetAnswer(state: LockState, hold: Hold): void {
  const operation = hold.onlyAnswered;
  if (operation === undefined) return;
  hold.onlyAnswered = undefined;
  const ingress = state.ingresses.find(operation.ingress);
  if (ingress?.granted.get(operation.sequence) === hold) ingress.granted.delete(operation.sequence);
}

/** A retry under this key executes anew. */
export function forgetKey(state: LockState, record: KeyRecord): void {
  state.deadlines.cancel(record);
  state.keys.remove(record);
}

function finishKey(state: LockState, record: KeyRecord, result: LockResult): void {
  if (record.result !== undefined) return;
  if (isForgettable(result)) {
    if (record.pending === 0) forgetKey(state, record);
    return;
  }
  record.result = result;
  record.waiter = undefined;
  state.deadlines.schedule(record, state.nowMs + state.limits.idempotencyKeyKeepMs);
}
