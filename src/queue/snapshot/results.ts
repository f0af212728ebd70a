import { unreachable } from "../../kernel/assert.ts";
import { type ByteReader, type ByteWriter, DecodeError } from "../../kernel/bytes.ts";
import { limits } from "../../kernel/limits.ts";
import {
  type BlockReader,
  type BlockWriter,
  type Pieces,
  readList,
  type Steps,
  writeList,
} from "../../kernel/snapshot-blocks.ts";
import type { PublishedMessage, QueueRefusal, QueueResult, TakenMessage } from "../commands.ts";
import { MAX_NONCE, readFlag, readText, readUpTo, writeOptional } from "../fields.ts";
import type { SettlementEnd } from "../types.ts";
import { readBytes, writeBytes } from "./bytes.ts";
import { readSettings, writeSettings } from "./settings.ts";

/** Codes in snapshots: append only, never renumber. */
const TYPES: readonly QueueResult["type"][] = [
  "error",
  "registered",
  "published",
  "received",
  "settled",
  "cancelled",
  "configured",
  "done",
  "counted",
];
const ERRORS: readonly QueueRefusal["code"][] = ["cancelled", "stale_operation", "idempotency_key_reused", "limit"];
const ENDS: readonly SettlementEnd[] = ["done", "dead", "stale_attempt", "unknown_receipt"];

/** What an operation came to, for those who ask again (PROTOCOLS Q1). */
export function* writeResult(out: BlockWriter, result: QueueResult): Pieces {
  const { bytes } = out;
  bytes.u8(TYPES.indexOf(result.type));
  switch (result.type) {
    case "registered":
    case "cancelled":
    case "done":
      return;
    case "published":
      return yield* writeList(out, result.messages, writePublished);
    case "received":
      bytes.varint(result.visibilityMs);
      bytes.varint(result.messages.length);
      for (const message of result.messages) yield* writeTaken(out, message);
      return;
    case "settled":
      return yield* writeList(out, result.ends, (writer, end) => writer.u8(ENDS.indexOf(end)));
    case "configured":
      return writeSettings(bytes, result.settings);
    case "counted":
      return bytes.varint(result.count);
    case "error":
      bytes.u8(ERRORS.indexOf(result.code));
      if (result.code === "limit") bytes.string(result.limit);
      return;
    default:
      unreachable(result);
  }
}

export function* readResult(input: BlockReader): Steps<QueueResult> {
  const { bytes } = input;
  const type = TYPES[bytes.u8()];
  switch (type) {
    case "registered":
    case "cancelled":
    case "done":
      return { type };
    case "published":
      return { type, messages: yield* readList(input, readPublished) };
    case "received":
      return { type, visibilityMs: bytes.varint(), messages: yield* readTakenMessages(input) };
    case "settled":
      return { type, ends: yield* readList(input, readEnd) };
    case "configured":
      return { type, settings: readSettings(bytes) };
    case "counted":
      return { type, count: bytes.varint() };
    case "error":
      return readRefusal(bytes);
    case undefined:
      throw new DecodeError("unknown type of result");
    default:
      return unreachable(type);
  }
}

function writePublished(writer: ByteWriter, { message, duplicate }: PublishedMessage): void {
  writer.varint(message);
  writer.u8(duplicate ? 1 : 0);
}

function readPublished(reader: ByteReader): PublishedMessage {
  return { message: reader.varint(), duplicate: readFlag(reader) };
}

function* writeTaken(out: BlockWriter, taken: TakenMessage): Pieces {
  if (out.isFull) yield out.take();
  const { bytes } = out;
  bytes.varint(taken.message);
  bytes.varint(taken.attempt);
  bytes.varint(taken.nonce);
  bytes.u8(taken.priority);
  writeOptional(bytes, taken.groupKey, (key) => bytes.string(key));
  bytes.varint(taken.publishedAtMs);
  yield* writeBytes(out, taken.body);
}

function* readTakenMessages(input: BlockReader): Steps<TakenMessage[]> {
  const count = readUpTo(input.bytes, limits.maxReceiveMessages);
  const messages: TakenMessage[] = [];
  for (let i = 0; i < count; i++) {
    if (input.isEmpty) yield;
    const { bytes } = input;
    const message = bytes.varint();
    const attempt = bytes.varint();
    const nonce = readUpTo(bytes, MAX_NONCE);
    const priority = bytes.u8();
    const groupKey = readFlag(bytes) ? readText(bytes, 1, limits.maxGroupKeyBytes) : undefined;
    const publishedAtMs = bytes.varint();
    const body = yield* readBytes(input, limits.maxBodyBytes);
    messages.push({ message, attempt, nonce, priority, groupKey, publishedAtMs, body });
  }
  return messages;
}

function readEnd(reader: ByteReader): SettlementEnd {
  const end = ENDS[reader.u8()];
  if (end === undefined) throw new DecodeError("unknown end of a settlement");
  return end;
}

function readRefusal(reader: ByteReader): QueueRefusal {
  const code = ERRORS[reader.u8()];
  switch (code) {
    case undefined:
      throw new DecodeError("unknown refusal");
    case "limit":
      return { type: "error", code, limit: reader.string() };
    default:
      return { type: "error", code };
  }
}
