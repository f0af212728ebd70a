import { assert, unreachable } from "../kernel/assert.ts";
import { ByteReader, ByteWriter, DecodeError } from "../kernel/bytes.ts";
import { limits } from "../kernel/limits.ts";
import { utf8Length } from "../kernel/utf8.ts";
import type { CommandEnvelope, LockCommand, LockMode, LockWish, Principal } from "./types.ts";

const FORMAT = 1;

/** Codes in the log: append only, never renumber. `campaign`: an `acquire` with a value. */
const TYPES: readonly (LockCommand["type"] | "campaign")[] = [
  "registerIngress",
  "openSession",
  "keepalive",
  "closeSession",
  "acquire",
  "release",
  "cancel",
  "fence",
  "campaign",
  "acquireAll",
  "acquirePermits",
  "releasePermits",
];
type Acquire = Extract<LockCommand, { type: "acquire" }>;
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
  const campaign = command.type === "acquire" && command.value !== undefined;
  writer.u8(TYPES.indexOf(campaign ? "campaign" : command.type));
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
      writeUpTo(writer, command.waitMs, limits.maxWaitMs);
      if (command.value === undefined) return;
      assert(command.mode === "exclusive", "only one holder has a value");
      return writeText(writer, command.value, 0, limits.maxValueBytes);
    case "acquireAll":
      assert(isDistinct(command.locks), `1 to ${limits.maxLocksPerRequest} locks, no name twice`);
      writer.varint(command.locks.length);
      for (const wish of command.locks) writeWish(writer, wish);
      return writeClaim(writer, command);
    case "release":
      writeName(writer, command.lock);
      writeHolder(writer, command.holder);
      return writeOptional(writer, command.fencingToken, (token) => writer.varint(token));
    case "acquirePermits":
      assert(arePermits(command.permits, command.limit), `1 to ${limits.maxPermits} permits`);
      writeName(writer, command.semaphore);
      writer.varint(command.permits);
      writer.varint(command.limit);
      return writeClaim(writer, command);
    case "releasePermits":
      writeName(writer, command.semaphore);
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
      return readAcquire(reader);
    case "campaign":
      return readCampaign(reader);
    case "acquireAll":
      return { type, locks: readWishes(reader), ...readClaim(reader) };
    case "acquirePermits":
      return { type, semaphore: readName(reader), ...readPermits(reader), ...readClaim(reader) };
    case "release":
      return { type, lock: readName(reader), holder: readHolder(reader), fencingToken: readToken(reader) };
    case "releasePermits":
      return { type, semaphore: readName(reader), holder: readHolder(reader), fencingToken: readToken(reader) };
    case "cancel":
      return { type, ingress: readPositive(reader), sequence: readPositive(reader) };
    case "fence":
      return { type, resource: readName(reader), token: reader.varint() };
    default:
      return unreachable(type);
  }
}

function readAcquire(reader: ByteReader): Acquire {
  return {
    type: "acquire",
    lock: readName(reader),
    mode: readMode(reader),
    principal: readPrincipal(reader),
    ttlMs: readUpTo(reader, limits.maxTtlMs),
    waitMs: readUpTo(reader, limits.maxWaitMs),
  };
}

function readCampaign(reader: ByteReader): Acquire {
  const acquire = readAcquire(reader);
  if (acquire.mode !== "exclusive") throw new DecodeError("only one holder has a value");
  return { ...acquire, value: readText(reader, 0, limits.maxValueBytes) };
}

function writeWish(writer: ByteWriter, { lock, mode }: LockWish): void {
  writeName(writer, lock);
  writer.u8(mode === "exclusive" ? 1 : 0);
}

function readMode(reader: ByteReader): LockMode {
  return readFlag(reader) ? "exclusive" : "shared";
}

function readWishes(reader: ByteReader): LockWish[] {
  const count = reader.varint();
  if (count > limits.maxLocksPerRequest) throw new DecodeError("too many locks in one request");
  const wishes: LockWish[] = [];
  for (let i = 0; i < count; i++) wishes.push({ lock: readName(reader), mode: readMode(reader) });
  if (!isDistinct(wishes)) throw new DecodeError("no lock, or one twice");
  return wishes;
}

function isDistinct(wishes: readonly LockWish[]): boolean {
  if (wishes.length === 0 || wishes.length > limits.maxLocksPerRequest) return false;
  return new Set(wishes.map(({ lock }) => lock)).size === wishes.length;
}

function readPermits(reader: ByteReader): { permits: number; limit: number } {
  const permits = reader.varint();
  const limit = reader.varint();
  if (!arePermits(permits, limit)) throw new DecodeError("permits are 1 to the limit");
  return { permits, limit };
}

function arePermits(permits: number, limit: number): boolean {
  return permits >= 1 && permits <= limit && limit <= limits.maxPermits;
}

interface Claim {
  readonly principal: Principal;
  readonly ttlMs: number;
  readonly waitMs: number;
}

function writeClaim(writer: ByteWriter, { principal, ttlMs, waitMs }: Claim): void {
  writeHolder(writer, principal);
  writeUpTo(writer, ttlMs, limits.maxTtlMs);
  writeUpTo(writer, waitMs, limits.maxWaitMs);
}

function readClaim(reader: ByteReader): Claim {
  return {
    principal: readPrincipal(reader),
    ttlMs: readUpTo(reader, limits.maxTtlMs),
    waitMs: readUpTo(reader, limits.maxWaitMs),
  };
}

function readToken(reader: ByteReader): number | undefined {
  return readFlag(reader) ? reader.varint() : undefined;
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

export function readName(reader: ByteReader): string {
  return readText(reader, 1, limits.maxNameBytes);
}

function writeId(writer: ByteWriter, id: string): void {
  writeText(writer, id, 0, MAX_ID_BYTES);
}

export function readId(reader: ByteReader): string {
  return readText(reader, 0, MAX_ID_BYTES);
}

function writeText(writer: ByteWriter, text: string, minBytes: number, maxBytes: number): void {
  assert(fits(text, minBytes, maxBytes), `text in a command has ${minBytes} to ${maxBytes} bytes`);
  writer.string(text);
}

export function readText(reader: ByteReader, minBytes: number, maxBytes: number): string {
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
