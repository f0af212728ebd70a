import { unreachable } from "../kernel/assert.ts";
import { hashText } from "../kernel/hash-table.ts";
import type { TransitionHash } from "../kernel/transition-hash.ts";
import type { QueueRefusal, QueueResult } from "./commands.ts";
import { SETTING_NAMES } from "./settings.ts";
import type { SettlementEnd } from "./types.ts";

/** Rises with every change of what is noted, in what order, or of a number below: hashes of one formula alone are compared. */
export const QUEUE_FORMULA = 1;

/** What can happen to the state. The numbers go into the hash. */
export const changes = {
  entry: 1,
  undecodable: 2,
  operation: 3,
  result: 4,
  cancelled: 5,
  featureLevel: 6,
  ingress: 7,
  queueAdded: 8,
  queueForgotten: 9,
  published: 10,
  ready: 11,
  delayed: 12,
  waitsInGroup: 13,
  taken: 14,
  left: 15,
  died: 16,
  receiverAdded: 17,
  receiverLeft: 18,
  dedupeAdded: 19,
  dedupeRemoved: 20,
  configured: 21,
  paused: 22,
  purged: 23,
  redriven: 24,
  scheduled: 25,
  unscheduled: 26,
  fired: 27,
  keyAdded: 28,
  keyRemoved: 29,
  paged: 30,
  unpaged: 31,
  due: 32,
  timer: 33,
  extended: 34,
} as const;
export type Change = (typeof changes)[keyof typeof changes];
export type Transitions = TransitionHash<Change>;

const ENDS: Readonly<Record<SettlementEnd, number>> = { done: 1, dead: 2, stale_attempt: 3, unknown_receipt: 4 };
const ERRORS: Readonly<Record<QueueRefusal["code"], number>> = {
  cancelled: 32,
  stale_operation: 33,
  idempotency_key_reused: 34,
  limit: 35,
};

/** An operation's answer: what clients are told is a part of what replicas must do alike. Undefined: it waits. */
export function noteResult(
  notes: Transitions,
  ingress: number,
  sequence: number,
  result: QueueResult | undefined,
): void {
  notes.note(changes.result, ingress, sequence, result === undefined ? 0 : codeOf(result));
  if (result !== undefined) noteFigures(notes, result);
}

function noteFigures(notes: Transitions, result: QueueResult): void {
  switch (result.type) {
    case "published":
      for (const { message, duplicate } of result.messages) notes.note(changes.result, message, duplicate ? 1 : 0);
      return;
    case "received":
      for (const { message, attempt, nonce } of result.messages) notes.note(changes.result, message, attempt, nonce);
      return;
    case "settled":
      for (const end of result.ends) notes.note(changes.result, ENDS[end]);
      return;
    case "configured":
      for (const name of SETTING_NAMES) notes.note(changes.result, result.settings[name]);
      return;
    case "counted":
      notes.note(changes.result, result.count);
      return;
    case "error":
      if (result.code === "limit") notes.note(changes.result, hashText(result.limit));
      return;
    case "registered":
    case "cancelled":
    case "done":
      return;
    default:
      unreachable(result);
  }
}

/** The numbers go into the hash. */
function codeOf(result: QueueResult): number {
  switch (result.type) {
    case "registered":
      return 1;
    case "published":
      return 2;
    case "received":
      return 3;
    case "settled":
      return 4;
    case "cancelled":
      return 5;
    case "configured":
      return 6;
    case "done":
      return 7;
    case "counted":
      return 8;
    case "error":
      return ERRORS[result.code];
    default:
      return unreachable(result);
  }
}
