import { ApiError } from "../../api/errors.ts";
import { shownName } from "../../api/names.ts";
import { assert, unreachable } from "../../kernel/assert.ts";
import type { LockError, LockResult, RefusingHolder, WaitEdge } from "../../locks/types.ts";

/** A result that is no error, of the one kind that the command can come to. */
export function expectResult<T extends Exclude<LockResult["type"], "error">>(
  result: LockResult,
  type: T,
): Extract<LockResult, { type: T }> {
  if (result.type === "error") throw lockError(result);
  assert(result.type === type, `the group answered ${result.type} where ${type} was due`);
  return result as Extract<LockResult, { type: T }>;
}

/** The same for a command to a semaphore, whose refusals do not speak of a lock. */
export function expectPermits<T extends "permitsGranted" | "permitsReleased">(
  result: LockResult,
  type: T,
): Extract<LockResult, { type: T }> {
  if (result.type === "error") throw permitError(result);
  return expectResult(result, type);
}

export function permitError(error: LockError): ApiError {
  switch (error.code) {
    case "lock_held":
      return new ApiError("lock_held", {
        message:
          "Not enough permits are free, or others wait for them before you: wait longer with `timeout`, or ask again later.",
        details: { semaphore: error.lock, holders: error.holders.map(permitHolder) },
      });
    case "not_owner":
      return new ApiError("not_owner", {
        message: "You hold no permits of this semaphore; others do.",
        details: { holders: error.holders.map(permitHolder) },
      });
    case "not_held":
      return new ApiError("not_held", { message: "Nobody holds permits of this semaphore." });
    default:
      return lockError(error);
  }
}

export function lockError(error: LockError): ApiError {
  switch (error.code) {
    case "lock_held":
      return new ApiError("lock_held", {
        message: heldMessage(error.lock, error.holders.length > 0),
        details: { lock_name: error.lock, holders: error.holders.map(holder) },
      });
    case "upgrade_conflict":
      return new ApiError("upgrade_conflict", {
        details: { lock_name: error.lock, holders: error.holders.map(holder) },
      });
    case "not_owner":
      return new ApiError("not_owner", { details: { holders: error.holders.map(holder) } });
    case "deadlock":
      return new ApiError("deadlock", { details: { cycle: error.cycle.map(edge) } });
    case "not_held":
    case "session_expired":
    case "cancelled":
      return new ApiError(error.code);
    case "semaphore_limit":
      return new ApiError("semaphore_limit", {
        message: `The semaphore is in use with limit=${error.limit}: ask with that, or when nobody holds or waits for it.`,
        details: { limit: error.limit },
      });
    case "permits_conflict":
      return new ApiError("permits_conflict", {
        message: `You hold permits already: ask with permits=${error.permits} to renew them, or release them first.`,
        details: { permits: error.permits },
      });
    case "stale_token":
      return new ApiError("stale_token", { details: { highest: error.highest } });
    // The entry did nothing, but an earlier proposal of the same request may have.
    case "stale_operation":
      return new ApiError("outcome_unknown");
    case "idempotency_key_reused":
      return new ApiError("bad_request", {
        message: "This Idempotency-Key was used for another request: each request needs its own.",
        details: { reason: "idempotency_key_reused" },
      });
    case "limit":
      return new ApiError("limit", { details: { limit: error.limit } });
    default:
      return unreachable(error);
  }
}

/** A lock that nobody holds is in the way when a request for several has its place there and waits for another one. */
function heldMessage(lock: string, isHeld: boolean): string {
  const inTheWay = isHeld ? "is held" : "is free, but others wait for it before you";
  return `The lock ${shownName(lock)} ${inTheWay}: wait longer with \`timeout\`, or ask again later.`;
}

function holder({ owner, mode, heldForMs, expiresInMs }: RefusingHolder) {
  return { owner, lock_type: mode, held_for_ms: heldForMs, expires_in_ms: expiresInMs };
}

function permitHolder({ owner, heldForMs, expiresInMs }: RefusingHolder) {
  return { owner, held_for_ms: heldForMs, expires_in_ms: expiresInMs };
}

function edge({ owner, lock, mode, blockedBy }: WaitEdge) {
  if (mode === "semaphore") return { owner, semaphore: lock, blocked_by: blockedBy };
  return { owner, lock_name: lock, lock_type: mode, blocked_by: blockedBy };
}
