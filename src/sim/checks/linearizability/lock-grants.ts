import type { LockAcquire, LockGranted } from "./lock-operation.ts";
import { holdOf, isDue, type LockState, withHold, withToken } from "./lock-state.ts";

/** After a grant that was answered. Where its token is not known yet, there may be two ways. */
export function grant(state: LockState, input: LockAcquire, output: LockGranted, nowUs: number): readonly LockState[] {
  const { principal, shown, untilUs } = input;
  const hold = { principal, shown, untilUs };
  const own = holdOf(state, principal);
  const known = withToken(state, output.token);
  const states: LockState[] = [];
  const sameMode = state.mode === output.mode;
  // Re-entry keeps the mode and the token; whoever asks for shared may keep exclusive (PROTOCOLS L5).
  const reenters = own !== undefined && sameMode && (output.mode === "exclusive" || input.mode === "shared");
  const joins = own === undefined && sameMode && output.mode === "shared" && input.mode === "shared";
  if (known !== undefined && (reenters || joins)) states.push(withHold(known, hold));
  if (input.mode === output.mode) states.push(...newPhase(state, input, output.token, untilUs, nowUs));
  return states;
}

/**
 * After a grant that nobody heard of: whoever had asked may be gone, and the grant given back at any time (PROTOCOLS L7). A
 * renewal matters only where it makes the lease shorter.
 */
export function grantUnknown(state: LockState, input: LockAcquire, nowUs: number): readonly LockState[] {
  const { principal, mode, shown, untilUs } = input;
  const own = holdOf(state, principal);
  const states: LockState[] = [];
  if (own === undefined && mode === "shared" && state.mode === "shared") {
    states.push(withHold(state, { principal, shown, untilUs: Number.NEGATIVE_INFINITY }));
  }
  if (own !== undefined && (mode === "shared" || state.mode === "exclusive") && untilUs < own.untilUs) {
    states.push(withHold(state, { ...own, untilUs }));
  }
  const leaseUs = own === undefined ? Number.NEGATIVE_INFINITY : Math.min(own.untilUs, untilUs);
  states.push(...newPhase(state, input, undefined, leaseUs, nowUs));
  return states;
}

/**
 * The lock goes to one holder anew, with a token larger than any before: all others are gone. An upgrade is of this kind, too.
 *
 * @param token undefined: not known yet
 */
function newPhase(
  state: LockState,
  { principal, mode, shown }: LockAcquire,
  token: number | undefined,
  untilUs: number,
  nowUs: number,
): readonly LockState[] {
  if (token !== undefined && token <= state.highest) return [];
  const upgrades = mode === "exclusive" && state.mode === "shared";
  const free = state.holds.every((hold) => isDue(hold, nowUs) || (upgrades && hold.principal === principal));
  if (!free) return [];
  return [{ mode, token, highest: token ?? state.highest, holds: [{ principal, shown, untilUs }] }];
}
