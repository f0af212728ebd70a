import { demand } from "../../kernel/bytes.ts";
import { readId } from "../codec.ts";
import { Session } from "../sessions.ts";
import type { LockState } from "../state.ts";
import type { BlockReader, BlockWriter, Pieces, Steps } from "../../kernel/snapshot-blocks.ts";
import { readCount, readSerial, readTtl } from "./counters.ts";

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

/** What came in, by number. */
export class NumberedSessions {
  private readonly numbers: number[] = [];
  private readonly sessions: Session[] = [];

  /** Its number is above all others. */
  push(session: Session): void {
    this.numbers.push(session.number);
    this.sessions.push(session);
  }

  at(number: number): Session {
    let low = 0;
    let high = this.numbers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.numbers[middle] ?? 0) < number) low = middle + 1;
      else high = middle;
    }
    const session = this.sessions[low];
    demand(session?.number === number, "a claimant is no session that lives");
    return session;
  }
}

export function* readSessions(input: BlockReader, state: LockState): Steps<NumberedSessions> {
  const { sessions, deadlines, limits } = state;
  const count = input.bytes.varint();
  const lastNumber = readCount(input.bytes);
  demand(count <= limits.maxSessions, "more sessions than there may be");
  const all = new NumberedSessions();
  for (let i = 0; i < count; i++) {
    if (input.isEmpty) yield;
    const { bytes } = input;
    const id = readId(bytes);
    const number = bytes.varint();
    demand(sessions.find(id) === undefined, "a session twice");
    demand(number > sessions.lastNumber && number <= lastNumber, "numbers of sessions rise");
    const session = new Session(id, number, readSerial(bytes, state), readTtl(bytes));
    sessions.insert(session);
    deadlines.schedule(session, bytes.varint());
    all.push(session);
  }
  sessions.lastNumber = lastNumber;
  return all;
}
