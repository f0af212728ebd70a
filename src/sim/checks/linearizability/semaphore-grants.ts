import type { PermitsGranted } from "./client-operation.ts";
import { isDue } from "./lock-state.ts";
import type { PermitAcquire } from "./semaphore-operation.ts";
import {
  afterLeases,
  areSame,
  areSlots,
  holdOf,
  rises,
  type PermitHeld,
  type SemaphoreState,
  sumOf,
  withHold,
} from "./semaphore-state.ts";

/** After a grant that was answered: of what the principal has, or of slots that nobody certainly holds. */
export function grant(
  state: SemaphoreState,
  input: PermitAcquire,
  output: PermitsGranted,
  nowUs: number,
): readonly SemaphoreState[] {
  const { principal, shown, untilUs, permits, limit } = input;
  const { slots, token } = output;
  if (output.limit !== limit || slots.length !== permits || !areSlots(slots, limit)) return [];
  const hold: PermitHeld = { principal, shown, untilUs, permits, slots, token };
  const own = holdOf(state, principal);
  if (own?.slots !== undefined && own.token === token && areSame(own.slots, slots) && state.limit === limit) {
    return [withHold(state, limit, hold)];
  }
  const left = withoutOwn(state, input, nowUs);
  if (left === undefined || !rises(left, slots, token)) return [];
  const free = afterLeases(left, nowUs, (other) => other.slots?.some((slot) => slots.includes(slot)) === true);
  return free === undefined ? [] : [withHold(free, limit, hold)];
}

/**
 * After a grant that nobody heard of: it may be given back at any time (PROTOCOLS L7). A renewal matters only where it makes
 * the lease shorter.
 */
export function grantUnknown(state: SemaphoreState, input: PermitAcquire, nowUs: number): readonly SemaphoreState[] {
  const { principal, shown, untilUs, permits, limit } = input;
  const own = holdOf(state, principal);
  const states: SemaphoreState[] = [];
  if (own !== undefined && own.permits === permits && state.limit === limit && untilUs < own.untilUs) {
    states.push(withHold(state, limit, { ...own, untilUs }));
  }
  const left = withoutOwn(state, input, nowUs);
  const standing = left?.holds.filter((hold) => !isDue(hold, nowUs)) ?? [];
  if (left !== undefined && sumOf(standing) + permits <= limit) {
    const lost = { principal, shown, untilUs: Number.NEGATIVE_INFINITY, permits, slots: undefined, token: undefined };
    states.push(withHold(left, limit, lost));
  }
  return states;
}

/** The state in which the principal holds nothing, and others nothing of another limit, if that can be. */
function withoutOwn(
  state: SemaphoreState,
  { principal, limit }: PermitAcquire,
  nowUs: number,
): SemaphoreState | undefined {
  return afterLeases(state, nowUs, (hold) => hold.principal === principal || state.limit !== limit);
}
