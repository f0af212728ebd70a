import type { GroupId, HardState } from "../raft/types.ts";
import { UNKNOWN_INDEX } from "../raft/types.ts";
import type { FoundHardStates } from "./hard-state-copy.ts";
import type { Survey } from "./survey.ts";

/**
 * What the node still knows of its promises (PROTOCOLS D7). Its entries are void, all of them: a truncation may be among what
 * is lost, so even the first of them may not be the group's. Terms and votes come from the log if its end can be read, and
 * from their second copy otherwise.
 *
 * A damaged frame damages every group, since it may have had records of any.
 *
 * @param hosted the groups of this node
 * @returns each with a floor; undefined when some group's vote may be lost: the node is amnesiac
 */
export function planRepair(
  survey: Survey,
  copy: FoundHardStates | undefined,
  hosted: readonly GroupId[],
): ReadonlyMap<GroupId, HardState> | undefined {
  const isEndIntact = survey.isEndIntact && (copy?.flush ?? 0) <= survey.lastSequence;
  const trusted = copy?.isNewest === true ? copy.hardStates : undefined;
  const hardStates = new Map<GroupId, HardState>();
  for (const group of new Set([...hosted, ...survey.groups.keys(), ...(trusted?.keys() ?? [])])) {
    const known = isEndIntact ? survey.groups.get(group) : undefined;
    const hardState = known?.hardState ?? trusted?.get(group);
    if (hardState !== undefined) {
      const last = known?.last ?? { index: UNKNOWN_INDEX, term: hardState.term };
      // One that is not reached yet stays: nothing that was acknowledged since was counted.
      const { term, vote, floor = { index: last.index, term: last.term } } = hardState;
      hardStates.set(group, { term, vote, floor });
      // The copy has every group that ever had a term.
    } else if (trusted === undefined) return undefined;
  }
  return hardStates;
}
