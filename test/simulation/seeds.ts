import type { SimOptions } from "../../src/sim/run-seed.ts";

/** A run that failed once, and what it found. */
interface RecordedSeed extends SimOptions {
  readonly found: string;
}

/**
 * Every seed that ever failed: always run. A change of the simulator makes another run of a seed; the entry then only
 * keeps the story, and a unit test keeps the defect away.
 */
export const recordedSeeds: readonly RecordedSeed[] = [];
