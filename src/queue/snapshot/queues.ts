import { demand } from "../../kernel/bytes.ts";
import { limits } from "../../kernel/limits.ts";
import type { BlockReader, BlockWriter, Pieces, Steps } from "../../kernel/snapshot-blocks.ts";
import { readFlag, readName, readText, readUpTo, writeOptional } from "../fields.ts";
import { COUNTERS, Queue } from "../queue.ts";
import { type Message, Taking } from "../records.ts";
import type { QueueState } from "../state.ts";
import { readMessage, readPagedList, writeMessage, writePagedList } from "./messages.ts";
import {
  readDedupe,
  readReceivers,
  readSchedules,
  writeDedupe,
  writeReceivers,
  writeSchedules,
} from "./attachments.ts";
import { readSettings, writeSettings } from "./settings.ts";

export function* writeQueues(out: BlockWriter, state: QueueState): Pieces {
  out.bytes.varint(state.queues.size);
  for (const queue of state.queues.ordered()) {
    if (out.isFull) yield out.take();
    writeFacts(out, queue);
    yield* writeReady(out, state, queue);
    yield* writeMessages(out, sorted(queue.delayed.values()), (message) => out.bytes.varint(message.deadlineMs));
    yield* writeInFlight(out, state, queue);
    yield* writeWaiting(out, queue);
    yield* writePagedList(out, state, queue.dead);
    yield* writeDedupe(out, queue);
    yield* writeSchedules(out, queue);
    yield* writeReceivers(out, queue);
  }
  const idle = [...state.queues.idle()];
  out.bytes.varint(idle.length);
  for (const queue of idle) {
    if (out.isFull) yield out.take();
    out.bytes.string(queue.key);
  }
}

export function* readQueues(input: BlockReader, state: QueueState): Steps {
  if (input.isEmpty) yield;
  const count = readUpTo(input.bytes, state.limits.maxQueues);
  for (let i = 0; i < count; i++) {
    if (input.isEmpty) yield;
    const queue = readFacts(input, state);
    yield* readReady(input, state, queue);
    for (const message of yield* readMessages(input, state, queue, "delayed")) queue.delayed.push(message);
    yield* readInFlight(input, state, queue);
    yield* readWaiting(input, state, queue);
    yield* readPagedList(input, state, queue, queue.dead, "dead");
    yield* readDedupe(input, state, queue);
    yield* readSchedules(input, state, queue);
    yield* readReceivers(input, state, queue);
  }
  if (input.isEmpty) yield;
  const idle = readUpTo(input.bytes, count);
  for (let i = 0; i < idle; i++) {
    if (input.isEmpty) yield;
    const queue = state.queues.find(readName(input.bytes));
    demand(queue?.isIdle === true && !queue.isForgettable, "a queue that holds something can be forgotten");
    state.queues.mind(queue);
  }
}

function sorted(messages: Iterable<Message>): Message[] {
  return [...messages].sort((a, b) => a.number - b.number);
}

function writeFacts({ bytes }: BlockWriter, queue: Queue): void {
  bytes.string(queue.key);
  bytes.varint(queue.serial);
  writeSettings(bytes, queue.settings);
  bytes.u8(queue.paused ? 1 : 0);
  bytes.varint(queue.arrivalUs);
  for (const name of COUNTERS) bytes.varint(queue.counters[name]);
  writeOptional(bytes, queue.heapIndex === -1 ? undefined : queue.deadlineMs, (ms) => bytes.varint(ms));
}

function readFacts({ bytes }: BlockReader, state: QueueState): Queue {
  const name = readName(bytes);
  demand(state.queues.find(name) === undefined, "a queue twice");
  const queue = new Queue(name, readUpTo(bytes, state.serialCounter), state);
  queue.settings = readSettings(bytes);
  queue.paused = readFlag(bytes);
  queue.arrivalUs = bytes.varint();
  for (const counter of COUNTERS) queue.counters[counter] = bytes.varint();
  if (readFlag(bytes)) state.deadlines.schedule(queue, bytes.varint());
  state.queues.restore(queue);
  return queue;
}

function* writeReady(out: BlockWriter, state: QueueState, queue: Queue): Pieces {
  const lanes = [...queue.ready.lanes.entries()].filter(([, lane]) => lane !== undefined && lane.size > 0);
  out.bytes.varint(lanes.length);
  for (const [priority, lane] of lanes) {
    if (lane === undefined) continue;
    if (out.isFull) yield out.take();
    out.bytes.u8(priority);
    yield* writePagedList(out, state, lane.fresh);
    yield* writeMessages(out, sorted(lane.returned.values()), () => {});
  }
}

function* readReady(input: BlockReader, state: QueueState, queue: Queue): Steps {
  const lanes = readUpTo(input.bytes, limits.maxPriority + 1);
  for (let i = 0; i < lanes; i++) {
    if (input.isEmpty) yield;
    const lane = queue.ready.lane(readUpTo(input.bytes, limits.maxPriority));
    demand(lane.size === 0, "a priority twice");
    const before = queue.ready.size;
    yield* readPagedList(input, state, queue, lane.fresh, "ready");
    for (const message of yield* readMessages(input, state, queue, "ready")) lane.returned.push(message);
    queue.ready.size = before + lane.size;
  }
}

/** @param place what is written after each: where it is */
function* writeMessages(out: BlockWriter, messages: readonly Message[], place: (message: Message) => void): Pieces {
  if (out.isFull) yield out.take();
  out.bytes.varint(messages.length);
  for (const message of messages) {
    yield* writeMessage(out, message);
    place(message);
  }
}

function* readMessages(
  input: BlockReader,
  state: QueueState,
  queue: Queue,
  where: "ready" | "delayed",
): Steps<Message[]> {
  if (input.isEmpty) yield;
  const count = input.bytes.varint();
  const messages: Message[] = [];
  for (let i = 0; i < count; i++) {
    const message = yield* readMessage(input, state, queue, where);
    if (where === "delayed") message.deadlineMs = input.bytes.varint();
    messages.push(message);
  }
  return messages;
}

function* writeInFlight(out: BlockWriter, state: QueueState, queue: Queue): Pieces {
  const messages =
    queue.inFlight === 0 ? [] : [...state.inFlight.values()].filter((message) => message.queue === queue);
  yield* writeMessages(out, sorted(messages), ({ deadlineMs, taking }) => {
    out.bytes.varint(deadlineMs);
    out.bytes.varint(taking?.ingress ?? 0);
    out.bytes.varint(taking?.sequence ?? 0);
  });
}

function* readInFlight(input: BlockReader, state: QueueState, queue: Queue): Steps {
  if (input.isEmpty) yield;
  const count = input.bytes.varint();
  for (let i = 0; i < count; i++) {
    const message = yield* readMessage(input, state, queue, "in_flight");
    demand(message.attempt > 0 && !state.inFlight.has(message.number), "a message that is out twice, or never was");
    state.deadlines.schedule(message, input.bytes.varint());
    state.inFlight.set(message.number, message);
    queue.inFlight += 1;
    const ingress = input.bytes.varint();
    const sequence = input.bytes.varint();
    if (ingress === 0) continue;
    const takings = state.ingresses.find(ingress)?.takings;
    demand(takings !== undefined, "a message with a process that is not there");
    let taking = takings.get(sequence);
    if (taking === undefined) takings.set(sequence, (taking = new Taking(ingress, sequence)));
    taking.messages.push(message);
    taking.left += 1;
    message.taking = taking;
  }
}

function* writeWaiting(out: BlockWriter, queue: Queue): Pieces {
  const groups = [...queue.groups.values()].filter(({ waiting }) => waiting.size > 0);
  if (out.isFull) yield out.take();
  out.bytes.varint(groups.length);
  for (const { key, waiting } of groups.sort((a, b) => (a.key < b.key ? -1 : 1))) {
    if (out.isFull) yield out.take();
    out.bytes.string(key);
    out.bytes.varint(waiting.size);
    for (let next = waiting.first; next !== undefined; next = next.next) yield* writeMessage(out, next);
  }
}

function* readWaiting(input: BlockReader, state: QueueState, queue: Queue): Steps {
  if (input.isEmpty) yield;
  const groups = input.bytes.varint();
  for (let i = 0; i < groups; i++) {
    if (input.isEmpty) yield;
    const key = readText(input.bytes, 1, limits.maxGroupKeyBytes);
    const count = input.bytes.varint();
    for (let k = 0; k < count; k++) {
      const message = yield* readMessage(input, state, queue, "ready", true);
      demand(message.groupKey === key && message.group !== undefined, "a message that waits in another group");
      queue.grouped += 1;
    }
  }
}
