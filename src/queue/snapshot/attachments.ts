import { demand } from "../../kernel/bytes.ts";
import { limits } from "../../kernel/limits.ts";
import type { BlockReader, BlockWriter, Pieces, Steps } from "../../kernel/snapshot-blocks.ts";
import {
  MAX_NONCE,
  readFlag,
  readPositive,
  readSchedule,
  readText,
  readUpTo,
  readVisibility,
  writeOptional,
  writeSchedule,
} from "../fields.ts";
import type { Queue } from "../queue.ts";
import { DedupeRecord, Receiver } from "../records.ts";
import type { QueueState } from "../state.ts";
import { readBytes, writeBytes } from "./bytes.ts";

/*
 * What a queue has beside messages.
 */

const EMPTY = new Uint8Array(0);

export function* writeDedupe(out: BlockWriter, queue: Queue): Pieces {
  if (out.isFull) yield out.take();
  out.bytes.varint(queue.dedupe.size);
  for (const record of [...queue.dedupe.values()].sort((a, b) => a.serial - b.serial)) {
    if (out.isFull) yield out.take();
    out.bytes.varint(record.serial);
    out.bytes.string(record.id);
    out.bytes.varint(record.message);
    out.bytes.varint(record.deadlineMs);
  }
}

export function* readDedupe(input: BlockReader, state: QueueState, queue: Queue): Steps {
  if (input.isEmpty) yield;
  const count = input.bytes.varint();
  for (let i = 0; i < count; i++) {
    if (input.isEmpty) yield;
    const { bytes } = input;
    const serial = readUpTo(bytes, state.serialCounter);
    const id = readText(bytes, 1, limits.maxDedupeIdBytes);
    demand(!queue.dedupe.has(id), "a dedupe id twice");
    const record = new DedupeRecord(serial, queue, id, readUpTo(bytes, state.messageCounter), 0);
    queue.dedupe.set(id, record);
    state.dedupeIds += 1;
    state.deadlines.schedule(record, bytes.varint());
  }
}

export function* writeSchedules(out: BlockWriter, queue: Queue): Pieces {
  if (out.isFull) yield out.take();
  out.bytes.varint(queue.schedules.size);
  for (const id of [...queue.schedules.keys()].sort()) {
    const record = queue.schedules.get(id);
    if (record === undefined) continue;
    if (out.isFull) yield out.take();
    const { body, ...message } = record.schedule.message;
    writeSchedule(out.bytes, { ...record.schedule, message: { ...message, body: EMPTY } });
    out.bytes.varint(record.setAtMs);
    out.bytes.varint(record.firedAtMs);
    yield* writeBytes(out, body);
  }
}

export function* readSchedules(input: BlockReader, state: QueueState, queue: Queue): Steps {
  if (input.isEmpty) yield;
  const count = readUpTo(input.bytes, state.limits.maxSchedulesPerQueue);
  for (let i = 0; i < count; i++) {
    if (input.isEmpty) yield;
    const schedule = readSchedule(input.bytes);
    const setAtMs = input.bytes.varint();
    const firedAtMs = input.bytes.varint();
    const body = yield* readBytes(input, limits.maxBodyBytes);
    const whole = { ...schedule, message: { ...schedule.message, body } };
    state.scheduled.add(queue);
    queue.schedules.set(schedule.id, { schedule: whole, setAtMs, firedAtMs });
  }
}

export function* writeReceivers(out: BlockWriter, queue: Queue): Pieces {
  if (out.isFull) yield out.take();
  out.bytes.varint(queue.receivers.size);
  for (let next = queue.receivers.first; next !== undefined; next = next.next) {
    if (out.isFull) yield out.take();
    const { bytes } = out;
    bytes.varint(next.serial);
    bytes.varint(next.operation.ingress);
    bytes.varint(next.operation.sequence);
    bytes.varint(next.max);
    writeOptional(bytes, next.visibilityMs, (ms) => bytes.varint(ms));
    bytes.varint(next.nonce);
    bytes.varint(next.deadlineMs);
  }
}

export function* readReceivers(input: BlockReader, state: QueueState, queue: Queue): Steps {
  if (input.isEmpty) yield;
  const count = readUpTo(input.bytes, state.limits.maxReceivers);
  for (let i = 0; i < count; i++) {
    if (input.isEmpty) yield;
    const { bytes } = input;
    const serial = readUpTo(bytes, state.serialCounter);
    const operation = { ingress: readPositive(bytes), sequence: readPositive(bytes), key: undefined };
    const max = readUpTo(bytes, limits.maxReceiveMessages);
    const visibilityMs = readFlag(bytes) ? readVisibility(bytes) : undefined;
    const nonce = readUpTo(bytes, MAX_NONCE);
    const receiver = new Receiver(serial, queue, operation, max, visibilityMs, nonce, 0);
    const waiting = state.ingresses.find(operation.ingress)?.waiting;
    demand(waiting !== undefined && !waiting.has(operation.sequence), "who waits is of no process, or waits twice");
    waiting.set(operation.sequence, receiver);
    queue.receivers.push(receiver);
    state.receivers += 1;
    state.deadlines.schedule(receiver, bytes.varint());
  }
}
