import { readId } from "../codec.ts";
import { Session } from "../sessions.ts";
import type { LockState } from "../state.ts";
import type { BlockReader, BlockWriter, Pieces, Steps } from "./blocks.ts";
import { readSerial } from "./counters.ts";
import { demand } from "./format.ts";

/** In the order of their numbers. */
export function* writeSessions(out: BlockWriter, { sessions }: LockState): Pieces {
  const { bytes } = out;
  bytes.varint(sessions.size);
  bytes.varint(sessions.lastNumber);
  for (const { id, number, serial, ttlMs, deadlineMs } of sessions.inOrder()) {
    if (out.isFull) yield out.take();
    bytes.string(id);
    bytes.varint(number);
    bytes.varint(serial);
    bytes.varint(ttlMs);
    bytes.varint(deadlineMs);
  }
}

/** @returns in the order of their numbers */
export function* readSessions(input: BlockReader, state: LockState): Steps<Session[]> {
  const { sessions, deadlines, limits } = state;
  const count = input.bytes.varint();
  const lastNumber = input.bytes.varint();
  demand(count <= limits.maxSessions, "more sessions than there may be");
  const all: Session[] = [];
  for (let i = 0; i < count; i++) {
    if (input.isEmpty) yield;
    const { bytes } = input;
    const id = readId(bytes);
    const number = bytes.varint();
    demand(sessions.find(id) === undefined, "a session twice");
    demand(number > sessions.lastNumber && number <= lastNumber, "numbers of sessions rise");
    const session = new Session(id, number, readSerial(bytes, state), bytes.varint());
    sessions.insert(session);
    deadlines.schedule(session, bytes.varint());
    all.push(session);
  }
  sessions.lastNumber = lastNumber;
  return all;
}
