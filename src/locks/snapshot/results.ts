import { unreachable } from "../../kernel/assert.ts";
import { type ByteReader, type ByteWriter, DecodeError } from "../../kernel/bytes.ts";
import type { LockError, LockGrant, LockResult, RefusingHolder, ShownMode, WaitEdge } from "../types.ts";
import {
  type BlockReader,
  type BlockWriter,
  type Pieces,
  readList,
  type Steps,
  writeList,
} from "../../kernel/snapshot-blocks.ts";

/** Codes in snapshots: append only, never renumber. */
const TYPES: readonly LockResult["type"][] = [
  "error",
  "registered",
  "sessionOpened",
  "keptAlive",
  "sessionClosed",
  "granted",
  "grantedAll",
  "permitsGranted",
  "released",
  "permitsReleased",
  "cancelled",
  "fenceAccepted",
];
const ERRORS: readonly LockError["code"][] = [
  "lock_held",
  "deadlock",
  "upgrade_conflict",
  "semaphore_limit",
  "permits_conflict",
  "not_owner",
  "not_held",
  "session_expired",
  "stale_token",
  "cancelled",
  "stale_operation",
  "idempotency_key_reused",
  "limit",
];
const MODES: readonly ShownMode[] = ["shared", "exclusive", "semaphore"];

/** What an operation came to, for those who ask again (PROTOCOLS Q1). */
export function* writeResult(out: BlockWriter, result: LockResult): Pieces {
  const { bytes } = out;
  bytes.u8(TYPES.indexOf(result.type));
  switch (result.type) {
    case "registered":
    case "cancelled":
      return;
    case "sessionOpened":
      bytes.string(result.session);
      bytes.string(result.name);
      return bytes.varint(result.expiresInMs);
    case "keptAlive":
      return yield* writeList(out, result.expiresInMs, writeRemaining);
    case "sessionClosed":
      yield* writeList(out, result.released, writeText);
      return yield* writeList(out, result.releasedSemaphores, writeText);
    case "granted":
      return writeGrant(bytes, result);
    case "grantedAll":
      return yield* writeList(out, result.grants, writeGrant);
    case "permitsGranted":
      bytes.string(result.semaphore);
      bytes.varint(result.limit);
      bytes.string(result.owner);
      bytes.varint(result.fencingToken);
      bytes.string(result.principalId);
      bytes.varint(result.expiresInMs);
      return yield* writeList(out, result.slots, writeNumber);
    case "released":
      return yield* writeReleased(out, result.lock, result);
    case "permitsReleased":
      return yield* writeReleased(out, result.semaphore, result);
    case "fenceAccepted":
      return bytes.varint(result.highest);
    case "error":
      return yield* writeError(out, result);
    default:
      unreachable(result);
  }
}

export function* readResult(input: BlockReader): Steps<LockResult> {
  const { bytes } = input;
  const type = TYPES[bytes.u8()];
  switch (type) {
    case undefined:
      throw new DecodeError("unknown type of result");
    case "registered":
    case "cancelled":
      return { type };
    case "sessionOpened":
      return { type, session: bytes.string(), name: bytes.string(), expiresInMs: bytes.varint() };
    case "keptAlive":
      return { type, expiresInMs: yield* readList(input, readRemaining) };
    case "sessionClosed": {
      const released = yield* readList(input, readText);
      return { type, released, releasedSemaphores: yield* readList(input, readText) };
    }
    case "granted":
      return readGrant(bytes);
    case "grantedAll":
      return { type, grants: yield* readList(input, readGrant) };
    case "permitsGranted": {
      const semaphore = bytes.string();
      const limit = bytes.varint();
      const terms = readTerms(bytes);
      const slots = yield* readList(input, readNumber);
      // In the order in which they are granted: a retry is answered with the same text.
      return { type, semaphore, permits: slots.length, limit, slots, ...terms };
    }
    case "released":
      return { type, lock: bytes.string(), ...(yield* readReleased(input)) };
    case "permitsReleased":
      return { type, semaphore: bytes.string(), ...(yield* readReleased(input)) };
    case "fenceAccepted":
      return { type, highest: bytes.varint() };
    case "error":
      return yield* readError(input);
    default:
      return unreachable(type);
  }
}

function* writeError(out: BlockWriter, error: LockError): Pieces {
  const { bytes } = out;
  bytes.u8(ERRORS.indexOf(error.code));
  switch (error.code) {
    case "lock_held":
    case "upgrade_conflict":
      bytes.string(error.lock);
      return yield* writeList(out, error.holders, writeHolder);
    case "not_owner":
      return yield* writeList(out, error.holders, writeHolder);
    case "deadlock":
      return yield* writeList(out, error.cycle, writeEdge);
    case "semaphore_limit":
      return bytes.varint(error.limit);
    case "permits_conflict":
      return bytes.varint(error.permits);
    case "stale_token":
      return bytes.varint(error.highest);
    case "limit":
      return bytes.string(error.limit);
    case "not_held":
    case "session_expired":
    case "cancelled":
    case "stale_operation":
    case "idempotency_key_reused":
      return;
    default:
      unreachable(error);
  }
}

function* readError(input: BlockReader): Steps<LockError> {
  const { bytes } = input;
  const type = "error";
  const code = ERRORS[bytes.u8()];
  switch (code) {
    case undefined:
      throw new DecodeError("unknown code of error");
    case "lock_held":
    case "upgrade_conflict":
      return { type, code, lock: bytes.string(), holders: yield* readList(input, readHolder) };
    case "not_owner":
      return { type, code, holders: yield* readList(input, readHolder) };
    case "deadlock":
      return { type, code, cycle: yield* readList(input, readEdge) };
    case "semaphore_limit":
      return { type, code, limit: bytes.varint() };
    case "permits_conflict":
      return { type, code, permits: bytes.varint() };
    case "stale_token":
      return { type, code, highest: bytes.varint() };
    case "limit":
      return { type, code, limit: bytes.string() };
    case "not_held":
    case "session_expired":
    case "cancelled":
    case "stale_operation":
    case "idempotency_key_reused":
      return { type, code };
    default:
      return unreachable(code);
  }
}

interface Released {
  readonly releasedBy: string;
  readonly grantedTo: readonly string[] | undefined;
}

function* writeReleased(out: BlockWriter, name: string, { releasedBy, grantedTo }: Released): Pieces {
  out.bytes.string(name);
  out.bytes.string(releasedBy);
  out.bytes.u8(grantedTo === undefined ? 0 : 1);
  if (grantedTo !== undefined) yield* writeList(out, grantedTo, writeText);
}

function* readReleased(input: BlockReader): Steps<Released> {
  const releasedBy = input.bytes.string();
  return { releasedBy, grantedTo: readFlag(input.bytes) ? yield* readList(input, readText) : undefined };
}

function writeGrant(bytes: ByteWriter, grant: LockGrant): void {
  bytes.string(grant.lock);
  bytes.u8(MODES.indexOf(grant.mode));
  bytes.string(grant.owner);
  bytes.varint(grant.fencingToken);
  bytes.string(grant.principalId);
  bytes.varint(grant.expiresInMs);
}

function readGrant(bytes: ByteReader): LockGrant {
  const lock = bytes.string();
  const mode = readMode(bytes);
  if (mode === "semaphore") throw new DecodeError("a lock is shared or exclusive");
  return { type: "granted", lock, mode, ...readTerms(bytes) };
}

function readTerms(bytes: ByteReader): Omit<LockGrant, "type" | "lock" | "mode"> {
  return {
    owner: bytes.string(),
    fencingToken: bytes.varint(),
    principalId: bytes.string(),
    expiresInMs: bytes.varint(),
  };
}

function writeHolder(bytes: ByteWriter, holder: RefusingHolder): void {
  bytes.string(holder.owner);
  bytes.u8(MODES.indexOf(holder.mode));
  bytes.varint(holder.heldForMs);
  bytes.varint(holder.expiresInMs);
}

function readHolder(bytes: ByteReader): RefusingHolder {
  return { owner: bytes.string(), mode: readMode(bytes), heldForMs: bytes.varint(), expiresInMs: bytes.varint() };
}

function writeEdge(bytes: ByteWriter, edge: WaitEdge): void {
  bytes.string(edge.owner);
  bytes.string(edge.lock);
  bytes.u8(MODES.indexOf(edge.mode));
  bytes.string(edge.blockedBy);
}

function readEdge(bytes: ByteReader): WaitEdge {
  return { owner: bytes.string(), lock: bytes.string(), mode: readMode(bytes), blockedBy: bytes.string() };
}

function readMode(bytes: ByteReader): ShownMode {
  const mode = MODES[bytes.u8()];
  if (mode === undefined) throw new DecodeError("unknown mode");
  return mode;
}

/** One more than the time; 0 for a session that was unknown. */
function writeRemaining(bytes: ByteWriter, expiresInMs: number | undefined): void {
  bytes.varint(expiresInMs === undefined ? 0 : expiresInMs + 1);
}

function readRemaining(bytes: ByteReader): number | undefined {
  const value = bytes.varint();
  return value === 0 ? undefined : value - 1;
}

function writeText(bytes: ByteWriter, text: string): void {
  bytes.string(text);
}

function readText(bytes: ByteReader): string {
  return bytes.string();
}

function writeNumber(bytes: ByteWriter, value: number): void {
  bytes.varint(value);
}

function readNumber(bytes: ByteReader): number {
  return bytes.varint();
}

export function readFlag(bytes: ByteReader): boolean {
  const value = bytes.u8();
  if (value > 1) throw new DecodeError("a flag is 0 or 1");
  return value === 1;
}
