import type { SimHooks } from "../../src/sim/hooks.ts";
import { runSeed, type SimOptions, type SimResult } from "../../src/sim/run-seed.ts";
import type { Classic } from "./classics.ts";
import { type Patch, withPatches } from "./patch.ts";

/** A planted fault: a rule that is broken on purpose, to see that the checks of the simulator find it. */
export interface Plant extends SimHooks {
  /** Ids of PROTOCOLS; or where else the rule stands. The first is the one that it is about. */
  readonly rules: readonly [string, ...string[]];
  /** How it breaks the rule. */
  readonly breaks: string;
  /** The check that must find it, by the name that its violations have. Undefined if and only if it is harmless. */
  readonly check?: string;
  /** The bug of other systems that it is, by the name of the list in `classics.ts`. */
  readonly classic?: Classic;
  /** Methods of production classes that it replaces. */
  readonly patches?: readonly Patch[];
  /** Of a rule of the queues: runs have some. */
  readonly queues?: boolean;
  /** Looks like a fault and breaks no promise: the checks must not find it. */
  readonly harmless?: boolean;
}

/** By name. */
export type Plants = Readonly<Record<string, Plant>>;

/** One run with a fault planted in it. */
export function runPlanted(options: SimOptions, name: string, plant: Plant): SimResult {
  const result = withPatches(plant.patches ?? [], () => runSeed({ ...options, queues: plant.queues }, plant));
  const { failure } = result;
  if (failure === undefined) return result;
  return { ...result, failure: { ...failure, replay: `${failure.replay.replace(" --queues", "")} --plant ${name}` } };
}
