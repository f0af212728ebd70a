import { assert, unreachable } from "../kernel/assert.ts";
import { ByteReader, ByteWriter, DecodeError } from "../kernel/bytes.ts";
import { limits } from "../kernel/limits.ts";
import { utf8Length } from "../kernel/utf8.ts";
import type { CommandEnvelope, LockCommand, Principal } from "./types.ts";

const FORMAT = 1;

/** Codes in the log: append only, never renumber. */
const TYPES: readonly LockCommand["type"][] = [
  "registerIngress",
  "openSession",
  "keepalive",
  "closeSession",
  "acquire",
  "release",
  "cancel",
  "fence",
];
type Holder = Extract<LockCommand, { type: "release" }>["holder"];
const HOLDERS: readonly Holder["kind"][] = ["session", "owner", "once", "anonymous", "onceId"];

/** Ids, owners and nodes: a grant's `principalId` is an owner's name with a prefix. */
const MAX_ID_BYTES = limits.maxNameBytes + 16;

const scratch = new ByteWriter(512);

/** @throws {InvariantError} for what {@link decodeCommand} would refuse: checked before it can reach the log */
export function encodeCommand(envelope: CommandEnvelope): Uint8Array {
  const writer = scratch;
  writer.reset();
  writer.u8(FORMAT);
  writePositive(writer, envelope.ingress);
  writePositive(writer, envelope.sequence);
  writer.varint(envelope.floor);
  writeOptional(writer, envelope.idempotencyKey, (key) => writeText(writer, key, 0, limits.maxIdempotencyKeyBytes));
  writeBody(writer, envelope.command);
  return writer.copy();
}

/** @throws {DecodeError} for anything that {@link encodeCommand} does not write */
export function decodeCommand(bytes: Uint8Array): CommandEnvelope {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== FORMAT) throw new DecodeError("unknown format of a command");
  const ingress = readPositive(reader);
  const sequence = readPositive(reader);
  const floor = reader.varint();
  const idempotencyKey = readFlag(reader) ? readText(reader, 0, limits.maxIdempotencyKeyBytes) : undefined;
  const command = readBody(reader);
  reader.finish();
  return { ingress, sequence, floor, idempotencyKey, command };
}

function writeBody(writer: ByteWriter, command: LockCommand): void {
  writer.u8(TYPES.indexOf(command.type));
  switch (command.type) {
    case "registerIngress":
      return writeId(writer, command.node);
    case "openSession":
      writeId(writer, command.session);
      return writeUpTo(writer, command.ttlMs, limits.maxTtlMs);
    case "keepalive":
      writer.varint(command.sessions.length);
      for (const session of command.sessions) writeId(writer, session);
      return;
    case "closeSession":
      return writeId(writer, command.session);
    case "acquire":
      writeName(writer, command.lock);
      writer.u8(command.mode === "exclusive" ? 1 : 0);
      writeHolder(writer, command.principal);
      writeUpTo(writer, command.ttlMs, limits.maxTtlMs);
      return writeUpTo(writer, command.waitMs, limits.maxWaitMs);
    case "release":
      writeName(writer, command.lock);
      writeHolder(writer, command.holder);
      return writeOptional(writer, command.fencingToken, (token) => writer.varint(token));
    case "cancel":
      writePositive(writer, command.ingress);
      return writePositive(writer, command.sequence);
    case "fence":
      writeName(writer, command.resource);
      return writer.varint(command.token);
    default:
      unreachable(command);
  }
}

function readBody(reader: ByteReader): LockCommand {
  const type = TYPES[reader.u8()];
  if (type === undefined) throw new DecodeError("unknown type of command");
  switch (type) {
    case "registerIngress":
      return { type, node: readId(reader) };
    case "openSession":
      return { type, session: readId(reader), ttlMs: readUpTo(reader, limits.maxTtlMs) };
    case "keepalive":
      return { type, sessions: readIds(reader) };
    case "closeSession":
      return { type, session: readId(reader) };
    case "acquire":
      return {
        type,
        lock: readName(reader),
        mode: readFlag(reader) ? "exclusive" : "shared",
        principal: readPrincipal(reader),
        ttlMs: readUpTo(reader, limits.maxTtlMs),
        waitMs: readUpTo(reader, limits.maxWaitMs),
      };
    case "release":
      return {
        type,
        lock: readName(reader),
        holder: readHolder(reader),
        fencingToken: readFlag(reader) ? reader.varint() : undefined,
      };
    case "cancel":
      return { type, ingress: readPositive(reader), sequence: readPositive(reader) };
    case "fence":
      return { type, resource: readName(reader), token: reader.varint() };
    default:
      return unreachable(type);
  }
}

function writeHolder(writer: ByteWriter, holder: Holder): void {
  writer.u8(HOLDERS.indexOf(holder.kind));
  if (holder.kind === "owner") return writeId(writer, holder.name);
  if (holder.kind !== "anonymous") writeId(writer, holder.id);
  if (holder.kind === "once" || holder.kind === "anonymous") writeId(writer, holder.node);
}

function readHolder(reader: ByteReader): Holder {
  const kind = HOLDERS[reader.u8()];
  switch (kind) {
    case undefined:
      throw new DecodeError("unknown kind of holder");
    case "session":
    case "onceId":
      return { kind, id: readId(reader) };
    case "owner":
      return { kind, name: readId(reader) };
    case "once":
      return { kind, id: readId(reader), node: readId(reader) };
    case "anonymous":
      return { kind, node: readId(reader) };
    default:
      return unreachable(kind);
  }
}

function readPrincipal(reader: ByteReader): Principal {
  const holder = readHolder(reader);
  if (holder.kind === "anonymous" || holder.kind === "onceId") throw new DecodeError("not a principal");
  return holder;
}

function readIds(reader: ByteReader): string[] {
  const count = reader.varint();
  // An id takes one byte at least: a forged count cannot make us allocate.
  if (count > reader.remaining) throw new DecodeError("more sessions announced than there are bytes");
  const ids: string[] = [];
  for (let i = 0; i < count; i++) ids.push(readId(reader));
  return ids;
}

function writeName(writer: ByteWriter, name: string): void {
  writeText(writer, name, 1, limits.maxNameBytes);
}

function readName(reader: ByteReader): string {
  return readText(reader, 1, limits.maxNameBytes);
}

function writeId(writer: ByteWriter, id: string): void {
  writeText(writer, id, 0, MAX_ID_BYTES);
}

function readId(reader: ByteReader): string {
  return readText(reader, 0, MAX_ID_BYTES);
}

function writeText(writer: ByteWriter, text: string, minBytes: number, maxBytes: number): void {
  assert(fits(text, minBytes, maxBytes), `text in a command has ${minBytes} to ${maxBytes} bytes`);
  writer.string(text);
}

function readText(reader: ByteReader, minBytes: number, maxBytes: number): string {
  const text = reader.string();
  if (!fits(text, minBytes, maxBytes)) throw new DecodeError(`text is not of ${minBytes} to ${maxBytes} bytes`);
  return text;
}

function fits(text: string, minBytes: number, maxBytes: number): boolean {
  // A UTF-16 unit is at most three bytes of UTF-8: short text need not be measured.
  return text.length >= minBytes && (text.length * 3 <= maxBytes || utf8Length(text) <= maxBytes);
}

function writeUpTo(writer: ByteWriter, value: number, max: number): void {
  assert(value <= max, `a duration is at most ${max} ms`);
  writer.varint(value);
}

function readUpTo(reader: ByteReader, max: number): number {
  const value = reader.varint();
  if (value > max) throw new DecodeError(`a duration is more than ${max} ms`);
  return value;
}

function writePositive(writer: ByteWriter, value: number): void {
  assert(value > 0, "ingress and sequence start at 1");
  writer.varint(value);
}

function readPositive(reader: ByteReader): number {
  const value = reader.varint();
  if (value === 0) throw new DecodeError("ingress and sequence start at 1");
  return value;
}

function writeOptional<Value>(writer: ByteWriter, value: Value | undefined, write: (value: Value) => void): void {
  writer.u8(value === undefined ? 0 : 1);
  if (value !== undefined) write(value);
}

function readFlag(reader: ByteReader): boolean {
  const value = reader.u8();
  if (value > 1) throw new DecodeError("a flag is 0 or 1");
  return value === 1;
}
