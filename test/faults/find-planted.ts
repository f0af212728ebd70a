import { type Plant, runPlanted } from "./plant.ts";

/** Seeds that must be enough to find a planted fault. */
export const PLANT_SEEDS = 2_000;

/**
 * How many seeds it takes until the check that should find the fault does. Another check may be first in a run: that tells
 * nothing of this one, and the next seed is tried.
 *
 * @param first a seed to be tried before all others: it showed the fault once
 * @returns undefined: so many do not find it
 */
export function findPlanted(name: string, plant: Plant, first?: number, seeds = PLANT_SEEDS): number | undefined {
  const finds = (seed: number): boolean => runPlanted({ seed }, name, plant).failure?.rule === plant.check;
  if (first !== undefined && finds(first)) return first;
  for (let seed = 1; seed <= seeds; seed++) if (finds(seed)) return seed;
  return undefined;
}
