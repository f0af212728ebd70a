import { unreachable } from "../kernel/assert.ts";
import { hashText } from "../kernel/hash-table.ts";
import type { TransitionHash } from "../kernel/transition-hash.ts";
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

/** See there (PROTOCOLS R8). */
export type Transitions = TransitionHash<Change>;

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
