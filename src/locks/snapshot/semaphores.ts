import { type ByteReader, type ByteWriter, demand } from "../../kernel/bytes.ts";
import { limits } from "../../kernel/limits.ts";
import { readName } from "../codec.ts";
import { PermitHold, type Semaphore } from "../semaphores.ts";
import type { LockState } from "../state.ts";
import type { BlockReader, BlockWriter, Pieces, Steps } from "../../kernel/snapshot-blocks.ts";
import { readClaimant, writeClaimant } from "./claimants.ts";
import { readPast, readSerial, readToken } from "./counters.ts";
import type { Draft } from "./draft.ts";
import type { KnownIngresses } from "./ingresses.ts";
import { readAnswer, writeAnswer } from "./operations.ts";

/** Each with its holders. The queues come later. */
export function* writeSemaphores(out: BlockWriter, state: LockState, known: KnownIngresses): Pieces {
  out.bytes.varint(state.semaphores.size);
  for (const { name, limit, holders } of state.semaphores.ordered()) {
    if (out.isFull) yield out.take();
    out.bytes.string(name);
    out.bytes.varint(limit);
    out.bytes.varint(holders.size);
    for (let hold = holders.first; hold !== undefined; hold = hold.next) {
      if (out.isFull) yield out.take();
      writeHold(out.bytes, state, known, hold);
    }
  }
}

export function* readSemaphores(input: BlockReader, draft: Draft): Steps {
  const { state } = draft;
  const count = input.bytes.varint();
  demand(count + state.locks.size <= state.limits.maxLocks, "more semaphores than there may be");
  for (let i = 0; i < count; i++) {
    if (input.isEmpty) yield;
    const name = readName(input.bytes);
    const limit = input.bytes.varint();
    demand(limit >= 1 && limit <= limits.maxPermits, "a semaphore with too many permits");
    demand(state.semaphores.find(name) === undefined, "a semaphore twice");
    const semaphore = state.semaphores.add(name, limit);
    const holders = input.bytes.varint();
    if (holders === 0) draft.openNames += 1;
    for (let k = 0; k < holders; k++) {
      if (input.isEmpty) yield;
      readHold(input.bytes, draft, semaphore);
    }
  }
}

function writeHold(bytes: ByteWriter, state: LockState, known: KnownIngresses, hold: PermitHold): void {
  writeClaimant(bytes, state, hold.holder);
  bytes.varint(hold.slots.length);
  for (const slot of hold.slots) bytes.varint(slot);
  bytes.varint(hold.token);
  bytes.varint(hold.serial);
  bytes.varint(hold.grantedAtMs);
  if (hold.holder.kind !== "session") bytes.varint(hold.deadlineMs);
  writeAnswer(bytes, state, known, hold);
}

function readHold(bytes: ByteReader, draft: Draft, semaphore: Semaphore): void {
  const { state, sessions } = draft;
  const holder = readClaimant(bytes, state, sessions);
  demand(holder.permitHold(semaphore.name) === undefined, "permits are held by one claimant twice");
  const slots = readSlots(bytes, semaphore);
  const token = readToken(bytes, state);
  const hold = new PermitHold(semaphore, holder, slots, token, readSerial(bytes, state), readPast(bytes, state));
  semaphore.holders.push(hold);
  holder.others.addPermitHold(hold);
  state.holds += 1;
  if (holder.kind !== "session") state.deadlines.schedule(hold, bytes.varint());
  readAnswer(bytes, draft, hold);
}

function readSlots(bytes: ByteReader, semaphore: Semaphore): number[] {
  const count = bytes.varint();
  demand(count >= 1 && count <= semaphore.available, "more permits are held than there are");
  const slots: number[] = [];
  let last = -1;
  for (let i = 0; i < count; i++) {
    const slot = bytes.varint();
    demand(slot > last && slot < semaphore.limit && semaphore.isFree(slot), "a permit is held twice");
    last = slot;
    slots.push(slot);
  }
  semaphore.occupy(slots);
  return slots;
}
