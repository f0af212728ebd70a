import type { ShownMode } from "../../locks/types.ts";
import type { Place } from "./queue-judge.ts";

/** Of a lock or a semaphore, as the judges know it. */
export interface JudgedClaim {
  readonly holder: string;
  readonly mode: ShownMode;
  readonly permits: number;
}

/** What is held of a name, and how many permits there are of it. */
export interface JudgedResource {
  readonly holds: readonly JudgedClaim[];
  readonly limit: number;
}

/**
 * Who can never go on (PROTOCOLS L4), spelled out: all who wait are stuck until it is seen that everything they wait for
 * comes free, through those who are not stuck.
 *
 * @param places in the order of their arrival
 */
export function stuckWaiters(
  places: readonly Place[],
  resource: (name: string, mode: ShownMode) => JudgedResource,
): ReadonlySet<string> {
  const stuck = new Set(places.map(({ who }) => who));
  const isFree = (who: string, self: string): boolean => who === self || !stuck.has(who);

  const comes = (place: Place, at: number): boolean => {
    for (const { name, mode } of place.wanted) {
      const { holds, limit } = resource(name, mode);
      const ahead = places.slice(0, at).filter((other) => wants(other, name, mode));
      if (!ahead.every(({ who }) => isFree(who, place.who))) return false;
      const inTheWay = holds.filter((hold) => !isFree(hold.holder, place.who));
      if (mode !== "semaphore" && inTheWay.some((hold) => conflicts(hold.mode, mode))) return false;
      const kept = inTheWay.reduce((sum, { permits }) => sum + permits, 0);
      if (mode === "semaphore" && limit - kept < place.permits) return false;
    }
    return true;
  };

  for (let before = -1; before !== stuck.size;) {
    before = stuck.size;
    for (const who of [...stuck]) {
      if (places.every((place, at) => place.who !== who || comes(place, at))) stuck.delete(who);
    }
  }
  return stuck;
}

function wants(place: Place, name: string, mode: ShownMode): boolean {
  return place.wanted.some((other) => other.name === name && conflicts(other.mode, mode));
}

/** A semaphore is never called like a lock in a run. */
export function conflicts(a: ShownMode, b: ShownMode): boolean {
  return a !== "shared" || b !== "shared";
}
