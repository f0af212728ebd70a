import { type ByteReader, type ByteWriter, DecodeError, demand } from "../../kernel/bytes.ts";
import { limits } from "../../kernel/limits.ts";
import { readName, readText } from "../codec.ts";
import { Hold, type Lock } from "../records.ts";
import type { LockState } from "../state.ts";
import type { LockMode } from "../types.ts";
import type { BlockReader, BlockWriter, Pieces, Steps } from "../../kernel/snapshot-blocks.ts";
import { readClaimant, writeClaimant } from "./claimants.ts";
import { readPast, readSerial, readToken } from "./counters.ts";
import type { Draft } from "./draft.ts";
import type { KnownIngresses } from "./ingresses.ts";
import { readAnswer, writeAnswer } from "./operations.ts";

/** Codes in snapshots; with it the flag below. */
const MODES: readonly (LockMode | undefined)[] = [undefined, "shared", "exclusive"];
const MODE_BITS = 3;
const HAS_VALUE = 4;

/** In the order of their names, each with its holders. The queues come later. */
export function* writeLocks(out: BlockWriter, state: LockState, known: KnownIngresses): Pieces {
  out.bytes.varint(state.locks.size);
  for (const lock of state.locks.inOrder()) {
    if (out.isFull) yield out.take();
    writeLock(out.bytes, lock);
    for (let hold = lock.holders.first; hold !== undefined; hold = hold.next) {
      if (out.isFull) yield out.take();
      writeHold(out.bytes, state, known, hold);
    }
  }
}

export function* readLocks(input: BlockReader, draft: Draft): Steps {
  const { state } = draft;
  const count = input.bytes.varint();
  demand(count <= state.limits.maxLocks, "more locks than there may be");
  let last = "";
  for (let i = 0; i < count; i++) {
    if (input.isEmpty) yield;
    const name = readName(input.bytes);
    demand(name > last, "locks stand in the order of their names");
    last = name;
    const lock = state.locks.append(name);
    const holders = readLock(input.bytes, state, lock);
    if (holders === 0) draft.openNames += 1;
    for (let k = 0; k < holders; k++) {
      if (input.isEmpty) yield;
      readHold(input.bytes, draft, lock);
    }
  }
}

function writeLock(bytes: ByteWriter, { name, mode, value, token, revision, holders }: Lock): void {
  bytes.string(name);
  bytes.u8(MODES.indexOf(mode) | (value === undefined ? 0 : HAS_VALUE));
  bytes.varint(token);
  bytes.varint(revision);
  if (value !== undefined) bytes.string(value);
  if (mode === "shared") bytes.varint(holders.size);
}

/** @returns how many holders follow */
function readLock(bytes: ByteReader, state: LockState, lock: Lock): number {
  const flags = bytes.u8();
  const code = flags & MODE_BITS;
  if (code >= MODES.length || flags > (MODE_BITS | HAS_VALUE)) throw new DecodeError("unknown mode");
  lock.mode = MODES[code];
  lock.token = readToken(bytes, state);
  lock.revision = bytes.varint();
  if ((flags & HAS_VALUE) !== 0) {
    demand(lock.mode === "exclusive", "only one holder has a value");
    lock.value = readText(bytes, 0, limits.maxValueBytes);
  }
  if (lock.mode !== "shared") return lock.mode === undefined ? 0 : 1;
  const holders = bytes.varint();
  demand(holders > 0, "a lock is shared by somebody");
  return holders;
}

function writeHold(bytes: ByteWriter, state: LockState, known: KnownIngresses, hold: Hold): void {
  writeClaimant(bytes, state, hold.holder);
  bytes.varint(hold.serial);
  bytes.varint(hold.grantedAtMs);
  if (hold.holder.kind !== "session") bytes.varint(hold.deadlineMs);
  writeAnswer(bytes, state, known, hold);
}

function readHold(bytes: ByteReader, draft: Draft, lock: Lock): void {
  const { state, sessions } = draft;
  const holder = readClaimant(bytes, state, sessions);
  demand(holder.hold(lock.name) === undefined, "a lock is held by one claimant twice");
  const hold = new Hold(lock, holder, readSerial(bytes, state), readPast(bytes, state));
  lock.holders.push(hold);
  holder.addHold(hold);
  state.holds += 1;
  if (holder.kind !== "session") state.deadlines.schedule(hold, bytes.varint());
  readAnswer(bytes, draft, hold);
}
