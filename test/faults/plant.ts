import type { SimHooks } from "../../src/sim/hooks.ts";
import { runSeed, type SimOptions, type SimResult } from "../../src/sim/run-seed.ts";
import { type Patch, withPatches } from "./patch.ts";

/** A planted fault: a rule that is broken on purpose, to see that the checks of the simulator find it. */
export interface Plant extends SimHooks {
  /** The rule of PROTOCOLS that it breaks, and how. */
  readonly breaks: string;
  /** Methods of production classes that it replaces. */
  readonly patches?: readonly Patch[];
  /** Looks like a fault and breaks no promise: the checks must not find it. */
  readonly harmless?: boolean;
}

/** One run with a fault planted in it. */
export function runPlanted(options: SimOptions, name: string, plant: Plant): SimResult {
  const result = withPatches(plant.patches ?? [], () => runSeed(options, plant));
  const { failure } = result;
  if (failure === undefined) return result;
  return { ...result, failure: { ...failure, replay: `${failure.replay} --plant ${name}` } };
}
