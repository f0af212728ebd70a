import { limits } from "../kernel/limits.ts";
import type { LockState } from "./state.ts";
import { changes } from "./transitions.ts";
import type { LockError } from "./types.ts";

/**
 * Every later token is larger than all that any cluster gave out with this state behind it, also after what the snapshot
 * holds (PROTOCOLS L2, M2). ↯ A backup of token 40 is restored; 41 to 50 were granted after it was taken, and a resource that
 * saw 50 refuses the restored cluster's 41, or worse, takes a stale holder's 50 for newer.
 *
 * @returns why not, or undefined
 */
export function raiseGeneration(state: LockState): LockError | undefined {
  if (state.generation + 1 >= limits.maxGenerations) return { type: "error", code: "limit", limit: "maxGenerations" };
  state.generation += 1;
  state.tokenCounter = 0;
  // No entry does this: who has it is from now on told apart from who has not (R8).
  state.transitions.note(changes.generation, state.generation);
  return undefined;
}
