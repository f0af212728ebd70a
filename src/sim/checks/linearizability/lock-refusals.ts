import { unreachable } from "../../../kernel/assert.ts";
import type { RefusalCode } from "./client-operation.ts";
import type { LockAcquire, LockRelease, SessionEnd } from "./lock-operation.ts";
import { afterLeases, isAnonymousOf, type LockState, withToken } from "./lock-state.ts";

type IsOwn = (hold: LockState["holds"][number]) => boolean;

/** After a refusal: what it says was so. @param highest the holders' token, where the refusal shows it */
export function refuse(
  state: LockState,
  input: LockAcquire | LockRelease | SessionEnd,
  code: RefusalCode,
  highest: number | undefined,
  nowUs: number,
): readonly LockState[] {
  const isOwn = ownOf(input);
  switch (code) {
    case "deadlock":
      if (mayNotUpgrade(state, input, isOwn)) return [state];
      return someoneElse(state, input, isOwn, nowUs);
    case "lock_held":
    case "not_owner":
      return someoneElse(state, input, isOwn, nowUs);
    case "session_expired":
      return some(afterLeases(state, nowUs, isOwn));
    case "not_held":
      return some(afterLeases(state, nowUs, () => true));
    case "upgrade_conflict":
      return state.mode === "shared" && state.holds.length > 1 && state.holds.some(isOwn) ? [state] : [];
    case "stale_token":
      // Only who names a token can name a wrong one.
      if (input.type !== "release" || input.token === undefined || input.token === highest) return [];
      if (!state.holds.some(isOwn)) return [];
      return some(withToken(state, highest ?? state.token));
    case "semaphore_limit":
    case "permits_conflict":
      return [];
    default:
      return unreachable(code);
  }
}

/** A reader alone is told of a circle where a bundle of others waits to read beside it. */
function mayNotUpgrade(state: LockState, input: LockAcquire | LockRelease | SessionEnd, isOwn: IsOwn): boolean {
  const upgrade = input.type === "acquire" && input.mode === "exclusive" && state.mode === "shared";
  return upgrade && input.behindJoint && state.holds.some(isOwn);
}

function someoneElse(
  state: LockState,
  input: LockAcquire | LockRelease | SessionEnd,
  isOwn: IsOwn,
  nowUs: number,
): readonly LockState[] {
  const left = afterLeases(state, nowUs, isOwn);
  const mayBeFree = input.type === "acquire" && input.behindJoint;
  return left !== undefined && (mayBeFree || left.holds.length > 0) ? [left] : [];
}

function ownOf(input: LockAcquire | LockRelease | SessionEnd): IsOwn {
  const { principal } = input;
  if (principal !== undefined) return (hold) => hold.principal === principal;
  const shown = input.type === "release" ? input.shown : undefined;
  return (hold) => isAnonymousOf(hold, shown);
}

function some(state: LockState | undefined): readonly LockState[] {
  return state === undefined ? [] : [state];
}
