import { assert } from "../kernel/assert.ts";
import { type ByteReader, type ByteWriter, DecodeError, demand } from "../kernel/bytes.ts";
import { limits } from "../kernel/limits.ts";
import { utf8Length } from "../kernel/utf8.ts";
import { SETTING_NAMES, SETTING_RANGES } from "./settings.ts";
import type { NewMessage, QueueSettings, Schedule } from "./types.ts";

/*
 * What commands and snapshots are made of. A writer asserts what its reader refuses with a `DecodeError`.
 */

export const MAX_NONCE = 2 ** 48 - 1;

export function writeMessage(writer: ByteWriter, message: NewMessage): void {
  assert(message.body.length <= limits.maxBodyBytes, "a body is not larger than it may be");
  writer.blob(message.body);
  writeUpTo(writer, message.delayMs, limits.maxDelayMs);
  writeUpTo(writer, message.priority, limits.maxPriority);
  writeOptional(writer, message.dedupeId, (id) => writeText(writer, id, 1, limits.maxDedupeIdBytes));
  writeOptional(writer, message.groupKey, (key) => writeText(writer, key, 1, limits.maxGroupKeyBytes));
  writeUpTo(writer, message.expiresMs, limits.maxExpiresMs);
}

export function readMessage(reader: ByteReader): NewMessage {
  const body = reader.blob();
  demand(body.length <= limits.maxBodyBytes, "a body larger than it may be");
  return {
    body,
    delayMs: readUpTo(reader, limits.maxDelayMs),
    priority: readUpTo(reader, limits.maxPriority),
    dedupeId: readFlag(reader) ? readText(reader, 1, limits.maxDedupeIdBytes) : undefined,
    groupKey: readFlag(reader) ? readText(reader, 1, limits.maxGroupKeyBytes) : undefined,
    expiresMs: readUpTo(reader, limits.maxExpiresMs),
  };
}

export function writeSchedule(writer: ByteWriter, { id, cron, zone, missed, message }: Schedule): void {
  writeName(writer, id);
  writeText(writer, cron, 1, limits.maxCronBytes);
  writeText(writer, zone, 1, limits.maxZoneBytes);
  writer.u8(missed === "once" ? 1 : 0);
  writeMessage(writer, { ...message, dedupeId: undefined });
}

export function readSchedule(reader: ByteReader): Schedule {
  const id = readName(reader);
  const cron = readText(reader, 1, limits.maxCronBytes);
  const zone = readText(reader, 1, limits.maxZoneBytes);
  const missed = readFlag(reader) ? "once" : "skip";
  const { dedupeId, ...message } = readMessage(reader);
  demand(dedupeId === undefined, "a schedule's message has no dedupe id");
  return { id, cron, zone, missed, message };
}

/** A bit for each setting that is named, then its value. */
export function writeChanges(writer: ByteWriter, changes: Partial<QueueSettings>): void {
  let named = 0;
  for (const [place, name] of SETTING_NAMES.entries()) if (changes[name] !== undefined) named |= 1 << place;
  writer.varint(named);
  for (const name of SETTING_NAMES) {
    const value = changes[name];
    if (value === undefined) continue;
    const [min, max] = SETTING_RANGES[name];
    assert(value >= min && value <= max, `${name} is ${min} to ${max}`);
    writer.varint(value);
  }
}

export function readChanges(reader: ByteReader): Partial<QueueSettings> {
  const named = reader.varint();
  demand(named < 2 ** SETTING_NAMES.length, "an unknown setting");
  const changes: { -readonly [Name in keyof QueueSettings]?: number } = {};
  for (const [place, name] of SETTING_NAMES.entries()) {
    if ((named & (1 << place)) === 0) continue;
    const value = reader.varint();
    const [min, max] = SETTING_RANGES[name];
    demand(value >= min && value <= max, `${name} is ${min} to ${max}`);
    changes[name] = value;
  }
  return changes;
}

export function writeName(writer: ByteWriter, name: string): void {
  writeText(writer, name, 1, limits.maxNameBytes);
}

export function readName(reader: ByteReader): string {
  return readText(reader, 1, limits.maxNameBytes);
}

/** Of a node. */
export function writeId(writer: ByteWriter, id: string): void {
  writeText(writer, id, 0, limits.maxNameBytes);
}

export function readId(reader: ByteReader): string {
  return readText(reader, 0, limits.maxNameBytes);
}

export function writeText(writer: ByteWriter, text: string, minBytes: number, maxBytes: number): void {
  assert(fits(text, minBytes, maxBytes), `text in a command has ${minBytes} to ${maxBytes} bytes`);
  writer.string(text);
}

export function readText(reader: ByteReader, minBytes: number, maxBytes: number): string {
  const text = reader.string();
  if (!fits(text, minBytes, maxBytes)) throw new DecodeError(`text is not of ${minBytes} to ${maxBytes} bytes`);
  return text;
}

export function writeVisibility(writer: ByteWriter, ms: number): void {
  assert(ms >= limits.minVisibilityMs, "a visibility is not shorter than it may be");
  writeUpTo(writer, ms, limits.maxVisibilityMs);
}

export function readVisibility(reader: ByteReader): number {
  const ms = readUpTo(reader, limits.maxVisibilityMs);
  demand(ms >= limits.minVisibilityMs, "a visibility shorter than it may be");
  return ms;
}

export function writeUpTo(writer: ByteWriter, value: number, max: number): void {
  assert(value <= max, `a number of a command is at most ${max}`);
  writer.varint(value);
}

export function readUpTo(reader: ByteReader, max: number): number {
  const value = reader.varint();
  if (value > max) throw new DecodeError(`a number of a command is more than ${max}`);
  return value;
}

/** 1…max: few enough that a forged count cannot make us allocate much. */
export function readCount(reader: ByteReader, max: number): number {
  const count = readUpTo(reader, max);
  demand(count > 0, "a count of nothing");
  return count;
}

export function writePositive(writer: ByteWriter, value: number): void {
  assert(value > 0, "ids, sequences and numbers start at 1");
  writer.varint(value);
}

export function readPositive(reader: ByteReader): number {
  const value = reader.varint();
  if (value === 0) throw new DecodeError("ids, sequences and numbers start at 1");
  return value;
}

export function writeOptional<Value>(
  writer: ByteWriter,
  value: Value | undefined,
  write: (value: Value) => void,
): void {
  writer.u8(value === undefined ? 0 : 1);
  if (value !== undefined) write(value);
}

export function readFlag(reader: ByteReader): boolean {
  const value = reader.u8();
  if (value > 1) throw new DecodeError("a flag is 0 or 1");
  return value === 1;
}

function fits(text: string, minBytes: number, maxBytes: number): boolean {
  // A UTF-16 unit is at most three bytes of UTF-8: short text need not be measured.
  return text.length >= minBytes && (text.length * 3 <= maxBytes || utf8Length(text) <= maxBytes);
}
