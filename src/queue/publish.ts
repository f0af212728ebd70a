import type { PublishedMessage, QueueCommand, QueueRefusal, QueueResult } from "./commands.ts";
import { makeDelayed, makeReady } from "./messages.ts";
import { limitReached } from "./operations.ts";
import type { Queue } from "./queue.ts";
import { DedupeRecord, Message } from "./records.ts";
import type { QueueState } from "./state.ts";
import { changes } from "./transitions.ts";
import type { NewMessage } from "./types.ts";

/** All of them or none. */
export function publish(state: QueueState, command: Extract<QueueCommand, { type: "publish" }>): QueueResult {
  const { messages, wallMs } = command;
  const refusal = noRoom(state, messages);
  if (refusal !== undefined) return refusal;
  const queue = state.queues.findOrAdd(command.queue);
  if (queue === undefined) return limitReached("maxQueues");
  state.touched.add(queue);
  return { type: "published", messages: messages.map((message) => publishOne(state, queue, message, wallMs)) };
}

export function noRoom(state: QueueState, messages: readonly NewMessage[]): QueueRefusal | undefined {
  const { limits } = state;
  let bytes = 0;
  let ids = 0;
  for (const { body, dedupeId } of messages) {
    bytes += body.length;
    if (dedupeId !== undefined) ids += 1;
  }
  if (state.messages + messages.length > limits.maxMessages) return limitReached("maxMessages");
  if (state.bytes + bytes > limits.maxQueuedBytes) return limitReached("maxQueuedBytes");
  if (state.dedupeIds + ids > limits.maxDedupeIds) return limitReached("maxDedupeIds");
  return undefined;
}

function publishOne(state: QueueState, queue: Queue, message: NewMessage, wallMs: number): PublishedMessage {
  const { dedupeId } = message;
  const known = dedupeId === undefined ? undefined : queue.dedupe.get(dedupeId);
  if (known !== undefined) {
    queue.counters.duplicates += 1;
    return { message: known.message, duplicate: true };
  }
  const number = publishNew(state, queue, message, wallMs);
  const { dedupeWindowMs } = queue.settings;
  if (dedupeId !== undefined && dedupeWindowMs > 0) {
    const record = new DedupeRecord(state.nextSerial(), queue, dedupeId, number, 0);
    state.transitions.note(changes.dedupeAdded, record.serial, number);
    queue.dedupe.set(dedupeId, record);
    state.dedupeIds += 1;
    state.deadlines.schedule(record, state.nowMs + dedupeWindowMs);
  }
  return { message: number, duplicate: false };
}

/** @returns its number */
export function publishNew(state: QueueState, queue: Queue, message: NewMessage, wallMs: number): number {
  const { body, delayMs, priority, groupKey } = message;
  const expiresMs = message.expiresMs > 0 ? message.expiresMs : queue.settings.expiresMs;
  const expiresAtMs = expiresMs > 0 ? state.nowMs + expiresMs : 0;
  state.messageCounter += 1;
  const number = state.messageCounter;
  const record = new Message(number, queue, body, priority, groupKey, wallMs, expiresAtMs);
  state.transitions.note(changes.published, number, queue.serial, expiresAtMs);
  state.messages += 1;
  state.bytes += body.length;
  state.heated(1, body.length);
  queue.liveBytes += body.length;
  queue.counters.published += 1;
  if (delayMs > 0) makeDelayed(state, record, delayMs);
  else makeReady(state, record, true);
  return number;
}

/** Its window is over: the next message under that id is another one. */
export function forgetDedupeId(state: QueueState, record: DedupeRecord): void {
  state.transitions.note(changes.dedupeRemoved, record.serial);
  record.queue.dedupe.delete(record.id);
  state.dedupeIds -= 1;
  state.touched.add(record.queue);
}
