import { ApiError } from "../../api/errors.ts";
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

function lockError(error: LockError): ApiError {
  switch (error.code) {
    case "lock_held":
    case "upgrade_conflict":
    case "not_owner":
      return new ApiError(error.code, { details: { holders: error.holders.map(holder) } });
    case "deadlock":
      return new ApiError("deadlock", { details: { cycle: error.cycle.map(edge) } });
    case "not_held":
    case "session_expired":
    case "cancelled":
      return new ApiError(error.code);
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
    case "semaphore_limit":
      return new ApiError(error.code, { details: { limit: error.limit } });
    case "permits_conflict":
      return new ApiError(error.code, { details: { permits: error.permits } });
    case "limit":
      return new ApiError("limit", { details: { limit: error.limit } });
    default:
      return unreachable(error);
  }
}

function holder(principal: RefusingHolder) {
  const { owner, mode, heldForMs, expiresInMs } = principal;
  return { owner, lock_type: mode, held_for_ms: heldForMs, expires_in_ms: expiresInMs };
}

function edge({ owner, lock, mode, blockedBy }: WaitEdge) {
  return { owner, lock_name: lock, lock_type: mode, blocked_by: blockedBy };
}
