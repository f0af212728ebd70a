import { assert, unreachable } from "../kernel/assert.ts";
import { type ByteReader, type ByteWriter, DecodeError } from "../kernel/bytes.ts";
import { limits } from "../kernel/limits.ts";
import { decodeConfiguration, readConfiguration, writeConfiguration } from "./configuration.ts";
import type { Entry, EntryKind, Message, Snapshot, SnapshotState } from "./types.ts";

/** Codes on the wire and on disk: append only, never renumber. */
const ENTRY_KINDS: readonly EntryKind[] = ["noop", "command", "time", "configuration", "feature"];
const MESSAGE_TYPES: readonly (Message["type"] | "transferVoteRequest" | RepairingType)[] = [
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
  "snapshotChunk",
  "snapshotReply",
  // For the same reason.
  "repairingAppendReply",
  "repairingSnapshotReply",
];
type RepairingType = "repairingAppendReply" | "repairingSnapshotReply";
const SNAPSHOT_STATES: readonly SnapshotState[] = ["receiving", "refused", "installed"];

export function writeEntry(writer: ByteWriter, entry: Entry): void {
  writer.u8(ENTRY_KINDS.indexOf(entry.kind));
  writer.varint(entry.term);
  writer.varint(entry.index);
  writer.varint(entry.leaseTimeMs);
  writer.blob(entry.payload);
}

/** The payload is a view on the reader's bytes. That of a `configuration` is one. */
export function readEntry(reader: ByteReader): Entry {
  const kind = ENTRY_KINDS[reader.u8()];
  if (kind === undefined) throw new DecodeError("unknown kind of entry");
  const term = reader.varint();
  const index = reader.varint();
  if (term < 1 || index < 1) throw new DecodeError("an entry's term and index start at 1");
  const leaseTimeMs = reader.varint();
  const payload = reader.blob();
  if (kind === "configuration") decodeConfiguration(payload);
  return { index, term, kind, leaseTimeMs, payload };
}

export function writeMessage(writer: ByteWriter, message: Message): void {
  const type = MESSAGE_TYPES.indexOf(wireType(message));
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
    case "snapshotChunk":
      writeSnapshot(writer, message.snapshot);
      writer.varint(message.offset);
      writer.blob(message.bytes);
      return;
    case "snapshotReply":
      writer.u8(SNAPSHOT_STATES.indexOf(message.state));
      writer.varint(message.index);
      writer.varint(message.offset);
      return;
    default:
      unreachable(message);
  }
}

function wireType(message: Message): (typeof MESSAGE_TYPES)[number] {
  if (message.type === "voteRequest" && message.transfer === true) return "transferVoteRequest";
  if (message.type === "appendReply" && message.repairing === true) return "repairingAppendReply";
  if (message.type === "snapshotReply" && message.repairing === true) return "repairingSnapshotReply";
  return message.type;
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
    case "repairingAppendReply":
      return {
        type: "appendReply",
        ...envelope,
        success: readFlag(reader),
        index: reader.varint(),
        hintTerm: reader.varint(),
        hintIndex: reader.varint(),
        ...(type === "repairingAppendReply" && { repairing: true }),
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
    case "snapshotChunk": {
      const snapshot = readSnapshot(reader, term);
      const offset = reader.varint();
      const bytes = reader.blob();
      const fits = bytes.length <= limits.maxSnapshotChunkBytes && offset + bytes.length <= snapshot.totalBytes;
      if (!fits) throw new DecodeError("a piece lies within its snapshot and is not too large");
      return { type, ...envelope, snapshot, offset, bytes };
    }
    case "snapshotReply":
    case "repairingSnapshotReply": {
      const state = SNAPSHOT_STATES[reader.u8()];
      if (state === undefined) throw new DecodeError("unknown state of a snapshot");
      const reply = { ...envelope, state, index: reader.varint(), offset: reader.varint() };
      return { type: "snapshotReply", ...reply, ...(type === "repairingSnapshotReply" && { repairing: true }) };
    }
    default:
      return unreachable(type);
  }
}

function writeSnapshot(writer: ByteWriter, snapshot: Snapshot): void {
  writer.varint(snapshot.index);
  writer.varint(snapshot.term);
  writer.varint(snapshot.leaseTimeMs);
  writer.varint(snapshot.totalBytes);
  writer.varint(snapshot.digest);
  writeConfiguration(writer, snapshot.configuration);
}

function readSnapshot(reader: ByteReader, maxTerm: number): Snapshot {
  const index = reader.varint();
  const term = reader.varint();
  if (index < 1 || term < 1 || term > maxTerm)
    throw new DecodeError("a snapshot is of an entry, none later than its sender");
  const leaseTimeMs = reader.varint();
  const totalBytes = reader.varint();
  if (totalBytes < 1) throw new DecodeError("a snapshot has bytes");
  const digest = reader.varint();
  return { index, term, leaseTimeMs, totalBytes, digest, configuration: readConfiguration(reader) };
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
