import type { PermitsShown, ShownHolder } from "./client-operation.ts";
import { isShownAs } from "./lock-reads.ts";
import { isDue } from "./lock-state.ts";
import {
  areSame,
  areSlots,
  keepOnly,
  type PermitHeld,
  rises,
  type SemaphoreState,
  withHold,
} from "./semaphore-state.ts";

/** After a read that showed exactly these holders: every other hold is over. */
export function shownBy(state: SemaphoreState, shown: PermitsShown, nowUs: number): readonly SemaphoreState[] {
  const { limit, available, holders } = shown;
  if (holders.length === 0) {
    // It exists while it is held: nobody waits for permits that are free.
    const free = limit === undefined && available === undefined && state.holds.every((hold) => isDue(hold, nowUs));
    return free ? [keepOnly(state, [])] : [];
  }
  const slots = holders.flatMap((holder) => holder.slots).toSorted((a, b) => a - b);
  if (limit === undefined || limit !== state.limit || available !== limit - slots.length) return [];
  if (!areSlots(slots, limit) || holders.length > state.holds.length) return [];
  return standing(state, state.holds, holders, nowUs).map((holds) => {
    const kept = state.holds.filter((hold) => holds.some(({ principal }) => principal === hold.principal));
    const known = holds.filter((hold) => !state.holds.includes(hold));
    return known.reduce((next, hold) => withHold(next, limit, hold), keepOnly(state, kept));
  });
}

/** Each way to give every shown holder to one hold, such that those without may be over. */
function standing(
  state: SemaphoreState,
  holds: readonly PermitHeld[],
  shown: readonly ShownHolder[],
  nowUs: number,
): PermitHeld[][] {
  const [hold, ...others] = holds;
  if (hold === undefined) return shown.length === 0 ? [[]] : [];
  if (shown.length > holds.length) return [];
  const ways = shown.flatMap((holder, i) => {
    const known = asShown(state, hold, holder);
    if (known === undefined) return [];
    return standing(state, others, shown.toSpliced(i, 1), nowUs).map((rest) => [known, ...rest]);
  });
  return isDue(hold, nowUs) ? [...ways, ...standing(state, others, shown, nowUs)] : ways;
}

/** The hold with what the read tells of it, or undefined if it is another one. */
function asShown(
  state: SemaphoreState,
  hold: PermitHeld,
  { owner, slots, token }: ShownHolder,
): PermitHeld | undefined {
  if (!isShownAs(hold, owner) || (hold.token !== undefined && hold.token !== token)) return undefined;
  if (hold.slots !== undefined) return areSame(hold.slots, slots) ? hold : undefined;
  const fits = hold.permits === slots.length && rises(state, slots, token);
  return fits ? { ...hold, slots, token } : undefined;
}
