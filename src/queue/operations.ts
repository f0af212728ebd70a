import type { Operation, Receiver } from "./records.ts";
import { KeyRecord } from "./records.ts";
import type { QueueRefusal, QueueResult } from "./commands.ts";
import type { QueueState } from "./state.ts";
import { changes, noteResult } from "./transitions.ts";

export const CANCELLED: QueueRefusal = { type: "error", code: "cancelled" };
export const STALE_OPERATION: QueueRefusal = { type: "error", code: "stale_operation" };
export const DONE: QueueResult = { type: "done" };

export function limitReached(limit: string): QueueRefusal {
  return { type: "error", code: "limit", limit };
}

/** Answers an operation: remembered in its window and by its key, and emitted. */
export function finish(state: QueueState, operation: Operation, result: QueueResult): void {
  const { ingress: id, sequence, key } = operation;
  noteResult(state.transitions, id, sequence, result);
  state.ingresses.find(id)?.window.record(sequence, result);
  // After a refusal for a limit nothing was done: a retry executes anew.
  if (key !== undefined && result.type !== "error") remember(state, key, result);
  state.emit({ ingress: id, sequence, result });
}

/** The receiver waits in its queue. */
export function wait(state: QueueState, receiver: Receiver): void {
  const { queue, operation, deadlineMs, serial } = receiver;
  const { ingress: id, sequence } = operation;
  state.transitions.note(changes.receiverAdded, serial, id, sequence);
  queue.receivers.push(receiver);
  state.receivers += 1;
  state.deadlines.schedule(receiver, deadlineMs);
  state.ingresses.find(id)?.waiting.set(sequence, receiver);
  state.emit({ ingress: id, sequence });
}

/** The receiver leaves its queue, and its request is answered. */
export function leave(state: QueueState, receiver: Receiver, result: QueueResult): void {
  const { queue, operation } = receiver;
  state.transitions.note(changes.receiverLeft, receiver.serial);
  queue.receivers.remove(receiver);
  state.receivers -= 1;
  state.deadlines.cancel(receiver);
  state.ingresses.find(operation.ingress)?.waiting.delete(operation.sequence);
  state.touched.add(queue);
  finish(state, operation, result);
}

function remember(state: QueueState, { key, fingerprint }: NonNullable<Operation["key"]>, result: QueueResult): void {
  const record = new KeyRecord(state.nextSerial(), key, fingerprint, result, 0);
  state.transitions.note(changes.keyAdded, record.hash, record.serial, fingerprint);
  state.keys.add(record);
  state.deadlines.schedule(record, state.nowMs + state.limits.idempotencyKeyKeepMs);
}
