import { type Held, isDue } from "./lock-state.ts";

export interface PermitHeld extends Held {
  readonly permits: number;
  /** Which they are, rising; undefined when nobody was told yet. */
  readonly slots: readonly number[] | undefined;
  /** As of `slots`. */
  readonly token: number | undefined;
}

/** One semaphore, with every hold that may still stand: as of a lock. */
export interface SemaphoreState {
  /** Of its holders; undefined when there is none. */
  readonly limit: number | undefined;
  /** By slot: the largest token that is known to have been granted for it; nothing is 0. */
  readonly highest: readonly number[];
  /** By principal. */
  readonly holds: readonly PermitHeld[];
}

export const neverHeld: SemaphoreState = { limit: undefined, highest: [], holds: [] };

export function holdOf(state: SemaphoreState, principal: string): PermitHeld | undefined {
  return state.holds.find((hold) => hold.principal === principal);
}

export function sumOf(holds: readonly PermitHeld[]): number {
  return holds.reduce((sum, { permits }) => sum + permits, 0);
}

/** The state with these holds only. */
export function keepOnly(state: SemaphoreState, holds: readonly PermitHeld[]): SemaphoreState {
  if (holds.length === state.holds.length) return state;
  return holds.length > 0 ? { ...state, holds } : { ...neverHeld, highest: state.highest };
}

export function without(state: SemaphoreState, hold: PermitHeld): SemaphoreState {
  return keepOnly(
    state,
    state.holds.filter((other) => other !== hold),
  );
}

/** In the place of another hold of its principal, if there is one. What is known of it counts for its slots. */
export function withHold(state: SemaphoreState, limit: number, hold: PermitHeld): SemaphoreState {
  const others = state.holds.filter(({ principal }) => principal !== hold.principal);
  const at = others.findIndex(({ principal }) => principal > hold.principal);
  const holds = others.toSpliced(at === -1 ? others.length : at, 0, hold);
  return { limit, highest: raised(state.highest, hold), holds };
}

/** The state without those holds, if all of them may be over; undefined if one certainly stands. */
export function afterLeases(
  state: SemaphoreState,
  nowUs: number,
  ends: (hold: PermitHeld) => boolean,
): SemaphoreState | undefined {
  if (state.holds.some((hold) => ends(hold) && !isDue(hold, nowUs))) return undefined;
  return keepOnly(
    state,
    state.holds.filter((hold) => !ends(hold)),
  );
}

/** Whether a grant of these slots with that token is larger than every one before it (PROTOCOLS L2). */
export function rises({ highest }: SemaphoreState, slots: readonly number[], token: number): boolean {
  return slots.every((slot) => token > (highest[slot] ?? 0));
}

export function areSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((slot, i) => slot === b[i]);
}

export function areSlots(slots: readonly number[], limit: number): boolean {
  return slots.every((slot, i) => slot >= 0 && slot < limit && (i === 0 || slot > (slots[i - 1] ?? 0)));
}

function raised(highest: readonly number[], { slots, token }: PermitHeld): readonly number[] {
  if (slots === undefined || token === undefined) return highest;
  if (slots.every((slot) => highest[slot] === token)) return highest;
  const known = [...highest];
  for (const slot of slots) {
    while (known.length <= slot) known.push(0);
    known[slot] = Math.max(known[slot] ?? 0, token);
  }
  return known;
}
