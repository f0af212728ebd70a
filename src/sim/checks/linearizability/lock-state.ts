import type { LockMode } from "../../../locks/types.ts";

export interface Held {
  readonly principal: string;
  /** What reads show; undefined for a session whose name nobody was ever told. */
  readonly shown: string | undefined;
  /** It may end by itself at any time from then on, and not before. */
  readonly untilUs: number;
}

/** One lock, with every hold that may still stand: one whose lease may be over stays until an answer says that it is gone. */
export interface LockState {
  /** Of its holders; undefined when there is none. */
  readonly mode: LockMode | undefined;
  /** Of its holders, all the same; undefined when nobody was told yet. It is then larger than `highest`. */
  readonly token: number | undefined;
  /** The largest that is known to have been granted. */
  readonly highest: number;
  /** By principal. */
  readonly holds: readonly Held[];
}

export const neverHeld: LockState = { mode: undefined, token: undefined, highest: 0, holds: [] };

export function holdOf(state: LockState, principal: string): Held | undefined {
  return state.holds.find((hold) => hold.principal === principal);
}

/** The state with these holds only. */
export function keepOnly(state: LockState, holds: readonly Held[]): LockState {
  if (holds.length === state.holds.length) return state;
  return holds.length > 0 ? { ...state, holds } : { ...neverHeld, highest: state.highest };
}

export function withHold(state: LockState, hold: Held): LockState {
  const others = state.holds.filter(({ principal }) => principal !== hold.principal);
  const at = others.findIndex(({ principal }) => principal > hold.principal);
  return { ...state, holds: others.toSpliced(at === -1 ? others.length : at, 0, hold) };
}

/** The state without those holds, if all of them may be over; undefined if one certainly stands. */
export function afterLeases(state: LockState, nowUs: number, ends: (hold: Held) => boolean): LockState | undefined {
  if (state.holds.some((hold) => ends(hold) && !isDue(hold, nowUs))) return undefined;
  return keepOnly(
    state,
    state.holds.filter((hold) => !ends(hold)),
  );
}

/** Whether it is a hold in nobody's name that reads may show as that. */
export function isAnonymousOf({ principal, shown }: Held, name: string | undefined): boolean {
  return principal.startsWith("once:") && shown === name;
}

export function without(state: LockState, hold: Held): LockState {
  return keepOnly(
    state,
    state.holds.filter((other) => other !== hold),
  );
}

/** Whether its lease may be over. */
export function isDue({ untilUs }: Held, nowUs: number): boolean {
  return untilUs <= nowUs;
}

/** The state in which the holders' token is that one, if it can be. */
export function withToken(state: LockState, token: number | undefined): LockState | undefined {
  if (state.token === token) return state;
  if (token === undefined || state.token !== undefined || token <= state.highest) return undefined;
  return { ...state, token, highest: token };
}
