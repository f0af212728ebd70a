import { assert } from "../kernel/assert.ts";
import { hashText } from "../kernel/hash-table.ts";
import { isForgettable, type KeyRecord } from "./idempotency.ts";
import type { Hold, Operation, Wait } from "./records.ts";
import type { PermitHold } from "./semaphores.ts";
import type { LockState } from "./state.ts";
import { changes, noteResult } from "./transitions.ts";
import type { LockError, LockResult } from "./types.ts";

export const CANCELLED: LockError = { type: "error", code: "cancelled" };
export const SESSION_EXPIRED: LockError = { type: "error", code: "session_expired" };
export const STALE_OPERATION: LockError = { type: "error", code: "stale_operation" };

/** Answers an operation: remembered in its window and by its key, and emitted. */
export function finish(state: LockState, operation: Operation, result: LockResult): void {
  const { ingress: id, sequence, key } = operation;
  noteResult(state.transitions, id, sequence, result);
  state.ingresses.find(id)?.window.record(sequence, result);
  if (key !== undefined) finishKey(state, key, result);
  state.emit({ ingress: id, sequence, result });
}

/** The operation joins the wait, which lasts as long as its most patient operation. */
export function attach(state: LockState, wait: Wait, operation: Operation, waitMs: number, ttlMs: number): void {
  wait.operations.push(operation);
  wait.ttlMs = Math.max(wait.ttlMs, ttlMs);
  state.deadlines.schedule(wait, Math.max(wait.deadlineMs, state.nowMs + waitMs));
  state.waitingOperations += 1;
  const { ingress: id, sequence, key } = operation;
  noteWait(state, wait, id, sequence);
  state.ingresses.find(id)?.waiting.set(sequence, wait);
  if (key !== undefined) {
    key.pending += 1;
    key.wait = wait;
  }
  state.emit({ ingress: id, sequence });
}

function noteWait({ transitions }: LockState, wait: Wait, ingress: number, sequence: number): void {
  const value = wait.kind === "waiter" ? wait.value : undefined;
  transitions.note(changes.attached, wait.serial, ingress, sequence);
  transitions.note(changes.waits, wait.claimant.hash, wait.ttlMs, value === undefined ? 0 : hashText(value));
}

/** Answers an operation that waits and takes it from its wait, which stays. */
export function detach(state: LockState, wait: Wait, operation: Operation, result: LockResult): void {
  const index = wait.operations.indexOf(operation);
  assert(index >= 0, "only an attached operation can be detached");
  wait.operations.splice(index, 1);
  unattach(state, operation);
  finish(state, operation, result);
}

/** Answers all operations of the wait. If it is a single one, it is returned. */
export function detachAll(state: LockState, wait: Wait, result: LockResult): Operation | undefined {
  const operations = wait.operations.splice(0);
  for (const operation of operations) {
    unattach(state, operation);
    finish(state, operation, result);
  }
  return operations.length === 1 ? operations[0] : undefined;
}

function unattach(state: LockState, { ingress, sequence, key }: Operation): void {
  state.transitions.note(changes.detached, ingress, sequence);
  state.waitingOperations -= 1;
  state.ingresses.find(ingress)?.waiting.delete(sequence);
  if (key !== undefined) key.pending -= 1;
}

/** The hold is the answer to this acquire alone: if nobody heard it, a cancel gives the hold back. */
export function answerWith(state: LockState, hold: Hold | PermitHold, operation: Operation): void {
  noteAnswer(state, hold, operation);
  hold.onlyAnswered = operation;
  state.ingresses.find(operation.ingress)?.granted.set(operation.sequence, hold);
}

/** As {@link answerWith}, of holds that one acquire was answered with together. */
export function answerWithAll(state: LockState, holds: readonly Hold[], operation: Operation): void {
  if (holds.length === 0) return;
  for (const hold of holds) {
    noteAnswer(state, hold, operation);
    hold.onlyAnswered = operation;
  }
  state.ingresses.find(operation.ingress)?.granted.set(operation.sequence, new Set(holds));
}

function noteAnswer({ transitions }: LockState, { serial }: Hold | PermitHold, operation: Operation): void {
  transitions.note(changes.answered, serial, operation.ingress, operation.sequence);
}

/**
 * The hold is the answer to more than one request: one of them may have been heard, so no cancel takes it away. A client
 * whose renewal was cut off still holds what it was granted before.
 */
export function answeredAgain(state: LockState, hold: Hold | PermitHold): void {
  forgetAnswer(state, hold);
}

export function forgetAnswer(state: LockState, hold: Hold | PermitHold): void {
  const operation = hold.onlyAnswered;
  if (operation === undefined) return;
  state.transitions.note(changes.unanswered, hold.serial);
  hold.onlyAnswered = undefined;
  const granted = state.ingresses.find(operation.ingress)?.granted;
  const holds = granted?.get(operation.sequence);
  if (holds === hold) granted?.delete(operation.sequence);
  else if (holds instanceof Set && hold.kind === "hold") {
    holds.delete(hold);
    if (holds.size === 0) granted?.delete(operation.sequence);
  }
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
  state.transitions.note(changes.keyAnswered, record.serial);
  record.result = result;
  record.wait = undefined;
  state.deadlines.schedule(record, state.nowMs + state.limits.idempotencyKeyKeepMs);
}
