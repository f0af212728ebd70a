import type { Floor, GroupId, HardState } from "../raft/types.ts";
import { AmnesiaError, type LogDamageError } from "./errors.ts";
import type { HardStateCopy } from "./hard-state-copy.ts";
import { beginAnew } from "./new-beginning.ts";
import { SegmentedLog } from "./log.ts";
import { planRepair } from "./repair-plan.ts";
import { segmentName } from "./segment.ts";
import { surveyLog } from "./survey.ts";
import type { Volume } from "./volume.ts";

/** What a node needs to know in order to begin its log anew when it is damaged (PROTOCOLS D7). */
export interface RepairOptions {
  /** The groups of this node. */
  readonly groups: readonly GroupId[];
}

/** What was done about a damaged log. */
export interface RepairReport {
  /** What was found, with file and offset; without a full stop. */
  readonly damage: string;
  /** What each group's log must hold again. */
  readonly floors: ReadonlyMap<GroupId, Floor>;
}

export interface RepairParts {
  readonly volume: Volume;
  readonly identity: () => number;
  readonly segmentBytes: number;
  readonly pathOf: (name: string) => string;
  readonly copy: HardStateCopy | undefined;
}

/**
 * Begins a damaged log anew, without entries but with all promises of this node: the leader of each group sends what is missing.
 * {@link AmnesiaError} when a promise may be lost.
 */
export function repairLog(
  parts: RepairParts,
  options: RepairOptions,
  damage: LogDamageError,
  done: (error: Error | undefined, log: SegmentedLog | undefined) => void,
): void {
  const { volume, copy } = parts;
  const survey = surveyLog(volume);
  const hardStates = planRepair(survey, copy?.found, options.groups);
  if (hardStates === undefined) {
    done(new AmnesiaError(damage.damage), undefined);
    return;
  }
  const sequence = Math.max(survey.lastSequence, copy?.found?.flush ?? 0) + 1;
  beginAnew({ ...parts, ...survey, hardStates, sequence }, (error, beginning) => {
    if (beginning === undefined) {
      done(error, undefined);
      return;
    }
    const { segment } = beginning;
    const finish = (failure?: Error): void => {
      if (failure !== undefined) {
        done(failure, undefined);
        return;
      }
      for (const number of survey.numbers) if (number < segment.number) volume.remove(segmentName(number), () => {});
      const recovered = beginning.entries.recovered(() => ({ termRuns: [] }));
      const oldest = { kept: segment.number, headed: segment.number, needed: segment.number };
      const repair = { damage: damage.damage, floors: floorsOf(hardStates) };
      done(undefined, new SegmentedLog({ ...beginning, volume, recovered, oldest, copy, repair }));
    };
    if (copy === undefined) finish();
    else copy.level(hardStates, beginning.flush.sequence, finish);
  });
}

function floorsOf(hardStates: ReadonlyMap<GroupId, HardState>): Map<GroupId, Floor> {
  const floors = new Map<GroupId, Floor>();
  for (const [group, { floor }] of hardStates) if (floor !== undefined) floors.set(group, floor);
  return floors;
}
