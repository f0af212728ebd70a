import { assert, unreachable } from "../kernel/assert.ts";
import { type ByteReader, type ByteWriter, DecodeError } from "../kernel/bytes.ts";
import type { Entry, EntryKind, Message } from "./types.ts";

/** Codes on the wire and on disk: append only, never renumber. */
const ENTRY_KINDS: readonly EntryKind[] = ["noop", "command", "time", "configuration"];
const MESSAGE_TYPES: readonly (Message["type"] | "transferVoteRequest")[] = [
  "preVoteRequest",
  "preVoteReply",
  "voteRequest",
  "voteReply",
  "append",
  "appendReply",
  "heartbeat",
  "heartbeatReply",
  "timeoutNow",
  // A code of its own and not a flag: the bytes of other vote requests stay what they were.
  "transferVoteRequest",
];

export function writeEntry(writer: ByteWriter, entry: Entry): void {
  writer.u8(ENTRY_KINDS.indexOf(entry.kind));
  writer.varint(entry.term);
  writer.varint(entry.index);
  writer.varint(entry.leaseTimeMs);
  writer.blob(entry.payload);
}

/** The payload is a view on the reader's bytes. */
export function readEntry(reader: ByteReader): Entry {
  const kind = ENTRY_KINDS[reader.u8()];
  if (kind === undefined) throw new DecodeError("unknown kind of entry");
  const term = reader.varint();
  const index = reader.varint();
  if (term < 1 || index < 1) throw new DecodeError("an entry's term and index start at 1");
  const leaseTimeMs = reader.varint();
  return { index, term, kind, leaseTimeMs, payload: reader.blob() };
}

export function writeMessage(writer: ByteWriter, message: Message): void {
  const isTransfer = message.type === "voteRequest" && message.transfer === true;
  const type = MESSAGE_TYPES.indexOf(isTransfer ? "transferVoteRequest" : message.type);
  assert(type >= 0, "every message type has a code");
  writer.u8(type);
  writer.varint(message.group);
  writer.varint(message.from);
  writer.varint(message.to);
  writer.varint(message.term);
  switch (message.type) {
    case "preVoteRequest":
    case "voteRequest":
      writer.varint(message.lastIndex);
      writer.varint(message.lastTerm);
      return;
    case "preVoteReply":
    case "voteReply":
      writer.u8(message.granted ? 1 : 0);
      return;
    case "append":
      writer.varint(message.prevIndex);
      writer.varint(message.prevTerm);
      writer.varint(message.commitIndex);
      writer.varint(message.leaseTimeMs);
      writer.varint(message.entries.length);
      for (const entry of message.entries) writeEntry(writer, entry);
      return;
    case "appendReply":
      writer.u8(message.success ? 1 : 0);
      writer.varint(message.index);
      writer.varint(message.hintTerm);
      writer.varint(message.hintIndex);
      return;
    case "heartbeat":
      writer.varint(message.round);
      writer.varint(message.commitIndex);
      writer.varint(message.leaseTimeMs);
      return;
    case "heartbeatReply":
      writer.varint(message.round);
      return;
    case "timeoutNow":
      return;
    default:
      unreachable(message);
  }
}

/** @throws {DecodeError} for anything that {@link writeMessage} does not write */
export function readMessage(reader: ByteReader): Message {
  const type = MESSAGE_TYPES[reader.u8()];
  if (type === undefined) throw new DecodeError("unknown type of message");
  const group = reader.varint();
  const from = reader.varint();
  const to = reader.varint();
  const term = reader.varint();
  const envelope = { group, from, to, term };
  switch (type) {
    case "preVoteRequest":
    case "voteRequest":
      return { type, ...envelope, lastIndex: reader.varint(), lastTerm: reader.varint() };
    case "transferVoteRequest": {
      const lastIndex = reader.varint();
      return { type: "voteRequest", ...envelope, lastIndex, lastTerm: reader.varint(), transfer: true };
    }
    case "preVoteReply":
    case "voteReply":
      return { type, ...envelope, granted: readFlag(reader) };
    case "append": {
      const prevIndex = reader.varint();
      const prevTerm = reader.varint();
      const commitIndex = reader.varint();
      const leaseTimeMs = reader.varint();
      const entries = readEntries(reader, prevIndex, prevTerm, term);
      return { type, ...envelope, prevIndex, prevTerm, commitIndex, leaseTimeMs, entries };
    }
    case "appendReply":
      return {
        type,
        ...envelope,
        success: readFlag(reader),
        index: reader.varint(),
        hintTerm: reader.varint(),
        hintIndex: reader.varint(),
      };
    case "heartbeat":
      return {
        type,
        ...envelope,
        round: reader.varint(),
        commitIndex: reader.varint(),
        leaseTimeMs: reader.varint(),
      };
    case "heartbeatReply":
      return { type, ...envelope, round: reader.varint() };
    case "timeoutNow":
      return { type, ...envelope };
    default:
      return unreachable(type);
  }
}

/** Entries that follow `prevIndex` without a gap, neither term nor lease time falling, none later than their sender. */
function readEntries(reader: ByteReader, prevIndex: number, prevTerm: number, maxTerm: number): Entry[] {
  const count = reader.varint();
  // An entry takes five bytes at least: a forged count cannot make us allocate.
  if (count > reader.remaining / 5) throw new DecodeError("more entries announced than there are bytes");
  const entries: Entry[] = [];
  let lastTerm = prevTerm;
  let lastLeaseTimeMs = 0;
  for (let i = 0; i < count; i++) {
    const entry = readEntry(reader);
    const follows = entry.index === prevIndex + 1 + i && entry.term >= lastTerm && entry.leaseTimeMs >= lastLeaseTimeMs;
    if (!follows || entry.term > maxTerm) throw new DecodeError("entries out of order");
    lastTerm = entry.term;
    lastLeaseTimeMs = entry.leaseTimeMs;
    entries.push(entry);
  }
  return entries;
}

function readFlag(reader: ByteReader): boolean {
  const value = reader.u8();
  if (value > 1) throw new DecodeError("a flag is 0 or 1");
  return value === 1;
}
