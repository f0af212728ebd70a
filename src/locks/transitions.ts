import { unreachable } from "../kernel/assert.ts";
import { hashText } from "../kernel/hash-table.ts";
import type { LockError, LockResult, ShownMode } from "./types.ts";

/**
 * The formula of {@link Transitions.hash}: rises with every change of what is noted, in what order, or of a number below.
 * Replicas compare hashes of one formula only, so a cluster half of which is upgraded compares nothing and stops nobody.
 */
export const TRANSITIONS_FORMULA = 1;

/** What can happen to the state. The numbers go into the hash. */
export const changes = {
  entry: 1,
  undecodable: 2,
  operation: 3,
  result: 4,
  cancelled: 5,
  attached: 6,
  waits: 7,
  detached: 8,
  answered: 9,
  unanswered: 10,
  scheduled: 11,
  unscheduled: 12,
  due: 13,
  lockAdded: 14,
  lockDropped: 15,
  lockChanged: 16,
  lockValue: 17,
  held: 18,
  unheld: 19,
  entered: 20,
  left: 21,
  semaphoreAdded: 22,
  semaphoreDropped: 23,
  permitsHeld: 24,
  slot: 25,
  permitsUnheld: 26,
  sessionOpened: 27,
  sessionTtl: 28,
  sessionEnded: 29,
  keyAdded: 30,
  keyOf: 31,
  keyAnswered: 32,
  keyRemoved: 33,
  fenced: 34,
  ingress: 35,
  name: 36,
  featureLevel: 37,
  generation: 38,
} as const;
export type Change = (typeof changes)[keyof typeof changes];

/**
 * A hash of every change of the state, in the order in which they happened (PROTOCOLS R8): replicas that did the same have
 * the same, and one that ever did something else, or in another order, differs from then on. Two lanes of 32 bits, each
 * of which every note maps one to one, so a difference is never forgotten; no allocation. To compare, not to defend.
 */
export class Transitions {
  private low = 0x2545f491;
  private high = 0x9e3779b9 | 0;

  /** @param a, b, c integers in −2³¹…2⁵³−1 */
  note(change: Change, a = 0, b = 0, c = 0): void {
    let { low, high } = this;
    low = Math.imul(low ^ a, 0x9e3779b1);
    high = Math.imul(high ^ (a + change), 0x5f356495);
    low = Math.imul(low ^ (low >>> 15) ^ b, 0x85ebca77);
    high = Math.imul(high ^ (high >>> 15) ^ b, 0xc2b2ae3d);
    low = Math.imul(low ^ (low >>> 13) ^ (c + change), 0x27d4eb2f);
    high = Math.imul(high ^ (high >>> 13) ^ c, 0x165667b1);
    // Few numbers are beyond 32 bits: identities, and lease times after three weeks.
    if ((a | 0) !== a || (b | 0) !== b || (c | 0) !== c) {
      low = Math.imul(low ^ highHalf(a) ^ Math.imul(highHalf(b), 0x9e3779b1), 0x85ebca77);
      high = Math.imul(high ^ highHalf(b) ^ Math.imul(highHalf(c), 0xc2b2ae3d), 0x9e3779b1);
      low = Math.imul(low ^ (low >>> 15) ^ highHalf(c), 0xc2b2ae3d);
      high = Math.imul(high ^ (high >>> 15) ^ highHalf(a), 0x27d4eb2f);
    }
    this.low = low ^ (low >>> 16);
    this.high = high ^ (high >>> 16);
  }

  /** All that {@link hash} is made of, as integers in 0…2³²−1. */
  get lanes(): readonly [low: number, high: number] {
    return [this.low >>> 0, this.high >>> 0];
  }

  /** Goes on from there. */
  resume([low, high]: readonly [low: number, high: number]): void {
    this.low = low | 0;
    this.high = high | 0;
  }

  /** An integer in 0…2⁵³−1. */
  get hash(): number {
    let low = Math.imul(this.low ^ (this.high >>> 13), 0x85ebca6b);
    low ^= low >>> 15;
    const high = Math.imul(this.high ^ (low >>> 16), 0xc2b2ae35);
    return ((high ^ (high >>> 14)) & 0x1f_ffff) * 0x1_0000_0000 + (low >>> 0);
  }
}

function highHalf(value: number): number {
  return Math.floor(value / 0x1_0000_0000) | 0;
}

/** An operation's answer: what clients are told is a part of what replicas must do alike. */
export function noteResult(
  notes: Transitions,
  ingress: number,
  sequence: number,
  result: LockResult | undefined,
): void {
  notes.note(changes.result, ingress, sequence, result === undefined ? 0 : codeOf(result));
  if (result !== undefined) noteFigures(notes, result);
}

/** Everything that the result says beyond its kind and what the request itself said. */
function noteFigures(notes: Transitions, result: LockResult): void {
  switch (result.type) {
    case "granted":
      notes.note(changes.result, result.fencingToken, result.expiresInMs, codeOfMode(result.mode));
      notes.note(changes.name, hashText(result.owner));
      return;
    case "grantedAll":
      for (const grant of result.grants) noteFigures(notes, grant);
      return;
    case "permitsGranted":
      notes.note(changes.result, result.fencingToken, result.expiresInMs, result.limit);
      noteNumbers(notes, result.slots);
      notes.note(changes.name, hashText(result.owner));
      return;
    case "keptAlive":
      noteNumbers(notes, result.expiresInMs);
      return;
    case "sessionOpened":
      notes.note(changes.result, result.expiresInMs, hashText(result.name));
      return;
    case "sessionClosed":
      noteNames(notes, result.released);
      noteNames(notes, result.releasedSemaphores);
      return;
    case "released":
    case "permitsReleased":
      notes.note(changes.name, hashText(result.releasedBy));
      if (result.grantedTo !== undefined) noteNames(notes, result.grantedTo);
      return;
    case "fenceAccepted":
      notes.note(changes.result, result.highest);
      return;
    case "error":
      noteError(notes, result);
      return;
    case "registered":
    case "cancelled":
      return;
    default:
      unreachable(result);
  }
}

function noteError(notes: Transitions, error: LockError): void {
  switch (error.code) {
    case "lock_held":
    case "upgrade_conflict":
    case "not_owner":
      for (const { owner, mode, heldForMs, expiresInMs } of error.holders) {
        notes.note(changes.name, hashText(owner), codeOfMode(mode));
        notes.note(changes.result, heldForMs, expiresInMs);
      }
      return;
    case "deadlock":
      for (const { owner, lock, mode, blockedBy } of error.cycle) {
        notes.note(changes.name, hashText(owner), hashText(lock), hashText(blockedBy));
        notes.note(changes.result, codeOfMode(mode));
      }
      return;
    case "stale_token":
      notes.note(changes.result, error.highest);
      return;
    case "semaphore_limit":
      notes.note(changes.result, error.limit);
      return;
    case "permits_conflict":
      notes.note(changes.result, error.permits);
      return;
    case "limit":
      notes.note(changes.name, hashText(error.limit));
      return;
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

function noteNames(notes: Transitions, names: readonly string[]): void {
  for (const name of names) notes.note(changes.name, hashText(name));
}

function noteNumbers(notes: Transitions, numbers: readonly (number | undefined)[]): void {
  for (const number of numbers) notes.note(changes.result, number ?? -1);
}

/** 0: none. */
export function codeOfMode(mode: ShownMode | undefined): number {
  return mode === undefined ? 0 : mode === "shared" ? 1 : mode === "exclusive" ? 2 : 3;
}

/** The numbers go into the hash. */
function codeOf(result: LockResult): number {
  switch (result.type) {
    case "registered":
      return 1;
    case "sessionOpened":
      return 2;
    case "keptAlive":
      return 3;
    case "sessionClosed":
      return 4;
    case "granted":
      return 5;
    case "grantedAll":
      return 6;
    case "permitsGranted":
      return 7;
    case "released":
      return 8;
    case "permitsReleased":
      return 9;
    case "cancelled":
      return 10;
    case "fenceAccepted":
      return 11;
    case "error":
      return errorCodes[result.code];
    default:
      return unreachable(result);
  }
}

const errorCodes: Readonly<Record<Extract<LockResult, { type: "error" }>["code"], number>> = {
  lock_held: 32,
  deadlock: 33,
  upgrade_conflict: 34,
  semaphore_limit: 35,
  permits_conflict: 36,
  not_owner: 37,
  not_held: 38,
  session_expired: 39,
  stale_token: 40,
  cancelled: 41,
  stale_operation: 42,
  idempotency_key_reused: 43,
  limit: 44,
};
