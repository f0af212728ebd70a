import { assert, unreachable } from "../kernel/assert.ts";
import { ByteReader, ByteWriter, DecodeError } from "../kernel/bytes.ts";
import { limits } from "../kernel/limits.ts";
import type { DeliveryId, QueueCommand, QueueEnvelope } from "./commands.ts";
import * as field from "./fields.ts";
import type { Settlement } from "./types.ts";

/*
 * Commands as they stand in the log. Bodies are views on what is decoded: nothing looks into them.
 */

const FORMAT = 1;
/** Places are numbers in the log: a new one goes to the end. */
const TYPES: readonly QueueCommand["type"][] = [
  "registerIngress",
  "publish",
  "receive",
  "giveBack",
  "settle",
  "cancel",
  "configure",
  "pause",
  "purge",
  "redrive",
  "setSchedule",
  "removeSchedule",
  "fireSchedule",
];
const SETTLEMENTS: readonly Settlement["type"][] = ["ack", "nack", "extend"];

const scratch = new ByteWriter(4096);

/** @throws {InvariantError} for what {@link decodeCommand} would refuse: checked before it can reach the log */
export function encodeCommand(envelope: QueueEnvelope): Uint8Array {
  const writer = scratch;
  writer.reset();
  writer.u8(FORMAT);
  field.writePositive(writer, envelope.ingress);
  field.writePositive(writer, envelope.sequence);
  writer.varint(envelope.floor);
  field.writeOptional(writer, envelope.idempotencyKey, (key) =>
    field.writeText(writer, key, 0, limits.maxIdempotencyKeyBytes),
  );
  writeBody(writer, envelope.command);
  return writer.copy();
}

/** @throws {DecodeError} for anything that {@link encodeCommand} does not write */
export function decodeCommand(bytes: Uint8Array): QueueEnvelope {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== FORMAT) throw new DecodeError("unknown format of a command");
  const ingress = field.readPositive(reader);
  const sequence = field.readPositive(reader);
  const floor = reader.varint();
  const idempotencyKey = field.readFlag(reader) ? field.readText(reader, 0, limits.maxIdempotencyKeyBytes) : undefined;
  const command = readBody(reader);
  reader.finish();
  return { ingress, sequence, floor, idempotencyKey, command };
}

function writeBody(writer: ByteWriter, command: QueueCommand): void {
  writer.u8(TYPES.indexOf(command.type));
  if (command.type === "registerIngress") return field.writeId(writer, command.node);
  if (command.type === "cancel") {
    field.writePositive(writer, command.ingress);
    return field.writePositive(writer, command.sequence);
  }
  field.writeName(writer, command.queue);
  switch (command.type) {
    case "publish":
      writer.varint(command.wallMs);
      assert(command.messages.length > 0, "a publish has messages");
      field.writeUpTo(writer, command.messages.length, limits.maxPublishMessages);
      for (const message of command.messages) field.writeMessage(writer, message);
      return;
    case "receive":
      assert(command.max > 0, "a receive asks for messages");
      field.writeUpTo(writer, command.max, limits.maxReceiveMessages);
      field.writeUpTo(writer, command.waitMs, limits.maxWaitMs);
      field.writeOptional(writer, command.visibilityMs, (ms) => field.writeVisibility(writer, ms));
      return field.writeUpTo(writer, command.nonce, field.MAX_NONCE);
    case "giveBack":
      return writeReceipts(writer, command.receipts);
    case "settle":
      writeReceipts(writer, command.receipts);
      return writeSettlement(writer, command.settlement);
    case "configure":
      return field.writeChanges(writer, command.changes);
    case "pause":
      return writer.u8(command.paused ? 1 : 0);
    case "purge":
      return writer.u8(command.part === "dead" ? 1 : 0);
    case "redrive":
      assert(command.max > 0, "a redrive asks for messages");
      return field.writeUpTo(writer, command.max, limits.maxReceiveMessages);
    case "setSchedule":
      writer.varint(command.wallMs);
      return field.writeSchedule(writer, command.schedule);
    case "removeSchedule":
      return field.writeName(writer, command.id);
    case "fireSchedule":
      field.writeName(writer, command.id);
      return writer.varint(command.instantMs);
    default:
      unreachable(command);
  }
}

function readBody(reader: ByteReader): QueueCommand {
  const type = TYPES[reader.u8()];
  if (type === undefined) throw new DecodeError("unknown type of command");
  if (type === "registerIngress") return { type, node: field.readId(reader) };
  if (type === "cancel") {
    return { type, ingress: field.readPositive(reader), sequence: field.readPositive(reader) };
  }
  const queue = field.readName(reader);
  switch (type) {
    case "publish":
      return { type, queue, wallMs: reader.varint(), messages: readMessages(reader) };
    case "receive":
      return {
        type,
        queue,
        max: field.readCount(reader, limits.maxReceiveMessages),
        waitMs: field.readUpTo(reader, limits.maxWaitMs),
        visibilityMs: field.readFlag(reader) ? field.readVisibility(reader) : undefined,
        nonce: field.readUpTo(reader, field.MAX_NONCE),
      };
    case "giveBack":
      return { type, queue, receipts: readReceipts(reader) };
    case "settle":
      return { type, queue, receipts: readReceipts(reader), settlement: readSettlement(reader) };
    case "configure":
      return { type, queue, changes: field.readChanges(reader) };
    case "pause":
      return { type, queue, paused: field.readFlag(reader) };
    case "purge":
      return { type, queue, part: field.readFlag(reader) ? "dead" : "live" };
    case "redrive":
      return { type, queue, max: field.readCount(reader, limits.maxReceiveMessages) };
    case "setSchedule":
      return { type, queue, wallMs: reader.varint(), schedule: field.readSchedule(reader) };
    case "removeSchedule":
      return { type, queue, id: field.readName(reader) };
    case "fireSchedule":
      return { type, queue, id: field.readName(reader), instantMs: reader.varint() };
    default:
      return unreachable(type);
  }
}

function readMessages(reader: ByteReader) {
  const count = field.readCount(reader, limits.maxPublishMessages);
  return Array.from({ length: count }, () => field.readMessage(reader));
}

function writeReceipts(writer: ByteWriter, receipts: readonly DeliveryId[]): void {
  assert(receipts.length > 0, "there are receipts");
  field.writeUpTo(writer, receipts.length, limits.maxReceiveMessages);
  for (const { message, attempt, nonce } of receipts) {
    field.writePositive(writer, message);
    field.writePositive(writer, attempt);
    field.writeUpTo(writer, nonce, field.MAX_NONCE);
  }
}

function readReceipts(reader: ByteReader): DeliveryId[] {
  const count = field.readCount(reader, limits.maxReceiveMessages);
  return Array.from({ length: count }, () => ({
    message: field.readPositive(reader),
    attempt: field.readPositive(reader),
    nonce: field.readUpTo(reader, field.MAX_NONCE),
  }));
}

function writeSettlement(writer: ByteWriter, settlement: Settlement): void {
  writer.u8(SETTLEMENTS.indexOf(settlement.type));
  switch (settlement.type) {
    case "ack":
      return;
    case "nack":
      return field.writeOptional(writer, settlement.delayMs, (ms) => field.writeUpTo(writer, ms, limits.maxDelayMs));
    case "extend":
      return field.writeVisibility(writer, settlement.visibilityMs);
    default:
      unreachable(settlement);
  }
}

function readSettlement(reader: ByteReader): Settlement {
  const type = SETTLEMENTS[reader.u8()];
  switch (type) {
    case "ack":
      return { type };
    case "nack":
      return { type, delayMs: field.readFlag(reader) ? field.readUpTo(reader, limits.maxDelayMs) : undefined };
    case "extend":
      return { type, visibilityMs: field.readVisibility(reader) };
    case undefined:
      throw new DecodeError("unknown type of settlement");
    default:
      return unreachable(type);
  }
}
