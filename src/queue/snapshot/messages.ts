import { demand } from "../../kernel/bytes.ts";
import { limits } from "../../kernel/limits.ts";
import type { BlockReader, BlockWriter, Pieces, Steps } from "../../kernel/snapshot-blocks.ts";
import { MAX_NONCE, readFlag, readText, readUpTo, writeOptional } from "../fields.ts";
import { Group } from "../groups.ts";
import { mayExpire } from "../messages.ts";
import type { PagedList } from "../paged-list.ts";
import { decodePage, type Page } from "../pages.ts";
import type { Queue } from "../queue.ts";
import { Message } from "../records.ts";
import type { QueueState } from "../state.ts";
import type { MessageState } from "../types.ts";
import { readBytes, writeBytes } from "./bytes.ts";

const REASONS = [undefined, "deliveries", "expired"] as const;
/** A page ends with the message that makes it full, and each has some bytes beside its body. */
const MAX_PAGE_BYTES = limits.pageBytes + limits.maxBodyBytes + limits.pageMessages * 1024;

/** All of a message but where it is. */
export function* writeMessage(out: BlockWriter, message: Message): Pieces {
  if (out.isFull) yield out.take();
  const { bytes } = out;
  bytes.varint(message.number);
  bytes.u8(message.priority);
  bytes.varint(message.attempt);
  bytes.varint(message.failures);
  bytes.varint(message.nonce);
  bytes.varint(message.publishedAtMs);
  bytes.varint(message.expiresAtMs);
  bytes.u8(REASONS.indexOf(message.deadReason));
  writeOptional(bytes, message.groupKey, (key) => bytes.string(key));
  // Of a group that it stands for: one that was delayed and never ready is of none.
  bytes.u8(message.group === undefined ? 0 : 1);
  yield* writeBytes(out, message.body);
}

export function* readMessage(
  input: BlockReader,
  state: QueueState,
  queue: Queue,
  where: MessageState,
  waits = false,
): Steps<Message> {
  if (input.isEmpty) yield;
  const { bytes } = input;
  const number = bytes.varint();
  demand(number > 0 && number <= state.messageCounter, "a message that is still to be published");
  const priority = readUpTo(bytes, limits.maxPriority);
  const attempt = bytes.varint();
  const failures = readUpTo(bytes, attempt);
  const nonce = readUpTo(bytes, MAX_NONCE);
  const publishedAtMs = bytes.varint();
  const expiresAtMs = bytes.varint();
  const reason = readUpTo(bytes, REASONS.length - 1);
  demand(reason > 0 === (where === "dead"), "a reason to be dead is that of a dead letter");
  const groupKey = readFlag(bytes) ? readText(bytes, 1, limits.maxGroupKeyBytes) : undefined;
  const isGrouped = readFlag(bytes);
  const body = yield* readBytes(input, limits.maxBodyBytes);
  const message = new Message(number, queue, body, priority, groupKey, publishedAtMs, expiresAtMs);
  message.state = where;
  message.attempt = attempt;
  message.failures = failures;
  message.nonce = nonce;
  message.deadReason = REASONS[reason];
  count(state, queue, message);
  if (isGrouped) joinGroup(queue, message, waits);
  if (where === "ready" || where === "delayed") mayExpire(message);
  return message;
}

export function* writePagedList(out: BlockWriter, state: QueueState, list: PagedList): Pieces {
  out.bytes.varint(list.head.size);
  for (let next = list.head.first; next !== undefined; next = next.next) yield* writeMessage(out, next);
  out.bytes.varint(list.pageCount);
  for (const page of list.allPages()) {
    if (out.isFull) yield out.take();
    out.bytes.varint(page.id);
    out.bytes.varint(page.firstPublishedAtMs);
    yield* writeBytes(out, state.load(page.id));
  }
  out.bytes.varint(list.tail.size);
  for (let next = list.tail.first; next !== undefined; next = next.next) yield* writeMessage(out, next);
}

export function* readPagedList(
  input: BlockReader,
  state: QueueState,
  queue: Queue,
  list: PagedList,
  where: "ready" | "dead",
): Steps {
  const heads = input.bytes.varint();
  for (let i = 0; i < heads; i++) list.restore("head", yield* readMessage(input, state, queue, where));
  if (input.isEmpty) yield;
  const pages = input.bytes.varint();
  for (let i = 0; i < pages; i++) {
    if (input.isEmpty) yield;
    list.restorePage(yield* readPage(input, state, queue, where));
  }
  if (input.isEmpty) yield;
  const tails = input.bytes.varint();
  for (let i = 0; i < tails; i++) list.restore("tail", yield* readMessage(input, state, queue, where));
}

function* readPage(input: BlockReader, state: QueueState, queue: Queue, where: "ready" | "dead"): Steps<Page> {
  const id = input.bytes.varint();
  demand(id > 0 && id <= state.pageCounter, "a page that is still to be made");
  const firstPublishedAtMs = input.bytes.varint();
  const content = yield* readBytes(input, MAX_PAGE_BYTES);
  let messages = 0;
  let bytes = 0;
  let minNumber = Number.POSITIVE_INFINITY;
  let maxNumber = 0;
  for (const { number, body, deadReason } of decodePage(content)) {
    demand((deadReason !== undefined) === (where === "dead"), "a page of another list");
    messages += 1;
    bytes += body.length;
    minNumber = Math.min(minNumber, number);
    maxNumber = Math.max(maxNumber, number);
  }
  demand(messages > 0 && maxNumber <= state.messageCounter, "a page of nothing, or of what is still to come");
  state.pages.put(id, content);
  state.messages += messages;
  state.bytes += bytes;
  if (where === "dead") queue.deadBytes += bytes;
  else {
    queue.liveBytes += bytes;
    queue.ready.size += messages;
  }
  return { id, count: messages, bytes, minNumber, maxNumber, firstPublishedAtMs };
}

function count(state: QueueState, queue: Queue, { state: where, body }: Message): void {
  state.messages += 1;
  state.bytes += body.length;
  state.heated(1, body.length);
  if (where === "dead") queue.deadBytes += body.length;
  else if (where === "in_flight") queue.flightBytes += body.length;
  else queue.liveBytes += body.length;
}

/** It stands for its group, or waits behind who does. */
function joinGroup(queue: Queue, message: Message, waits: boolean): void {
  const { groupKey } = message;
  demand(groupKey !== undefined, "a group has a key");
  let group = queue.groups.get(groupKey);
  demand(waits === (group !== undefined), "one message stands for its group, and comes before those behind it");
  if (group === undefined) queue.groups.set(groupKey, (group = new Group(groupKey)));
  message.group = group;
  if (waits) group.waiting.push(message);
  else group.head = message;
}
