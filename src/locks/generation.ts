import { limits } from "../kernel/limits.ts";
import { GENERATION_STEP, type LockState } from "./state.ts";
import { changes } from "./transitions.ts";
import type { LockError } from "./types.ts";

/** 2026-01-01, UTC. */
const EPOCH_MS = 1_767_225_600_000;
const DAY_MS = 86_400_000;
/** Generations that no clock uses up, however wrong it is. */
const RESERVED_GENERATIONS = 1_024;
/** How fast the beginning of a generation moves on. In 34 years it comes to half of a generation's tokens. */
const TOKENS_PER_SECOND = 512;

/**
 * Every later token is larger than all that any cluster gave out with this state behind it, also after what the snapshot
 * holds (PROTOCOLS L2, M2). ↯ A backup of token 40 is restored; 41 to 50 were granted after it was taken, and a resource that
 * saw 50 refuses the restored cluster's 41, or worse, takes a stale holder's 50 for newer.
 *
 * A larger generation is enough for that, once. ↯ The backup of generation 0 is restored, that cluster gives out tokens of
 * generation 1 and is lost, and the same backup is restored again: the same tokens. So the generation is that of the day, too, and
 * within a day begins later the later it is. A clock that is wrong costs this protection, and nothing else.
 *
 * @param wallMs now
 * @returns why not, or undefined
 */
export function raiseGeneration(state: LockState, wallMs: number): LockError | undefined {
  const next = state.generation + 1;
  if (next >= limits.maxGenerations) return { type: "error", code: "limit", limit: "maxGenerations" };
  const sinceMs = Math.max(0, wallMs - EPOCH_MS);
  const ofDay = Math.min(Math.floor(sinceMs / DAY_MS), limits.maxGenerations - RESERVED_GENERATIONS);
  state.generation = Math.max(next, ofDay);
  state.tokenCounter = Math.min(Math.floor(sinceMs / 1_000) * TOKENS_PER_SECOND, GENERATION_STEP / 2);
  // No entry does this: who has it is from now on told apart from who has not (R8).
  state.transitions.note(changes.generation, state.generation, state.tokenCounter);
  return undefined;
}
