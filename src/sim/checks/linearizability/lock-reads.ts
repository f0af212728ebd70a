import type { LockShown } from "./client-operation.ts";
import { type Held, isDue, keepOnly, type LockState, withToken } from "./lock-state.ts";

/** After a read that showed exactly these owners: every other hold is over. */
export function shownBy(state: LockState, shown: LockShown, nowUs: number): readonly LockState[] {
  const { mode, token, owners } = shown;
  if (mode === undefined || owners.length === 0) {
    return state.holds.every((hold) => isDue(hold, nowUs)) ? [keepOnly(state, [])] : [];
  }
  const known = mode === state.mode ? withToken(state, token) : undefined;
  if (known === undefined || owners.length > known.holds.length) return [];
  return standing(known.holds, owners, nowUs).map((holds) => keepOnly(known, holds));
}

/** Each way to give every name to one hold, such that those without a name may be over. */
function standing(holds: readonly Held[], names: readonly string[], nowUs: number): Held[][] {
  const [hold, ...others] = holds;
  if (hold === undefined) return names.length === 0 ? [[]] : [];
  if (names.length > holds.length) return [];
  const mine = names.filter((name, i) => isShownAs(hold, name) && names.indexOf(name) === i);
  const kept = mine.flatMap((name) =>
    standing(others, names.toSpliced(names.indexOf(name), 1), nowUs).map((rest) => [hold, ...rest]),
  );
  // Only one of that name: nobody else can be meant.
  const needed = mine.some((name) => !others.some((other) => isShownAs(other, name)));
  const over = isDue(hold, nowUs) && !needed ? standing(others, names, nowUs) : [];
  return [...kept, ...over];
}

export function isShownAs({ shown }: Held, name: string): boolean {
  return shown === undefined ? name.startsWith("session-") : shown === name;
}
