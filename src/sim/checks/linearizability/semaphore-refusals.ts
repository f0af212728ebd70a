import { unreachable } from "../../../kernel/assert.ts";
import type { Refused } from "./client-operation.ts";
import type { SessionEnd } from "./lock-operation.ts";
import { isAnonymousOf } from "./lock-state.ts";
import type { PermitAcquire, PermitRelease } from "./semaphore-operation.ts";
import { afterLeases, type PermitHeld, type SemaphoreState, sumOf } from "./semaphore-state.ts";

type Refusable = PermitAcquire | PermitRelease | SessionEnd;

/** After a refusal: what it says was so. */
export function refuse(
  state: SemaphoreState,
  input: Refusable,
  refusal: Refused,
  nowUs: number,
): readonly SemaphoreState[] {
  const isOwn = ownOf(input);
  switch (refusal.code) {
    case "deadlock":
    case "lock_held":
      return tooFew(state, input, isOwn, nowUs);
    case "not_owner":
      return some(afterLeases(state, nowUs, isOwn)).filter(({ holds }) => holds.length > 0);
    case "session_expired":
      return some(afterLeases(state, nowUs, isOwn));
    case "not_held":
      return some(afterLeases(state, nowUs, () => true));
    case "stale_token":
      return otherToken(state, input, isOwn, refusal.highest);
    case "semaphore_limit": {
      const { limit } = state;
      const differs = input.type === "acquirePermits" && limit !== undefined && limit !== input.limit;
      return differs && limit === refusal.limit ? [state] : [];
    }
    case "permits_conflict": {
      if (input.type !== "acquirePermits" || state.limit !== input.limit) return [];
      const has = state.holds.find(isOwn)?.permits;
      return has !== undefined && has !== input.permits && has === refusal.permits ? [state] : [];
    }
    case "upgrade_conflict":
      return [];
    default:
      return unreachable(refusal.code);
  }
}

/** Others hold so many that there are not enough; or somebody who waits was ahead. */
function tooFew(
  state: SemaphoreState,
  input: Refusable,
  isOwn: (hold: PermitHeld) => boolean,
  nowUs: number,
): readonly SemaphoreState[] {
  if (input.type !== "acquirePermits" || state.limit !== input.limit) return [];
  const left = afterLeases(state, nowUs, isOwn);
  if (left === undefined || left.holds.length === 0) return [];
  return input.behind || sumOf(left.holds) + input.permits > input.limit ? [left] : [];
}

/** Only who names a token can name a wrong one. @param token of the hold, which the refusal shows */
function otherToken(
  state: SemaphoreState,
  input: Refusable,
  isOwn: (hold: PermitHeld) => boolean,
  token: number | undefined,
): readonly SemaphoreState[] {
  if (input.type !== "releasePermits" || input.token === undefined || input.token === token) return [];
  return state.holds.flatMap((hold) => {
    if (!isOwn(hold)) return [];
    if (hold.token === token || token === undefined) return [state];
    if (hold.token !== undefined) return [];
    return [{ ...state, holds: state.holds.map((other) => (other === hold ? { ...hold, token } : other)) }];
  });
}

function ownOf(input: Refusable): (hold: PermitHeld) => boolean {
  const { principal } = input;
  if (principal !== undefined) return (hold) => hold.principal === principal;
  const shown = input.type === "releasePermits" ? input.shown : undefined;
  return (hold) => isAnonymousOf(hold, shown);
}

function some(state: SemaphoreState | undefined): readonly SemaphoreState[] {
  return state === undefined ? [] : [state];
}
