import { existsSync, readdirSync } from "node:fs";
import { systemClock } from "../../io/clocks.ts";
import { cutShort, refuseDirectory, UNFINISHED_MARK } from "../../io/data-directory.ts";
import { checkVersion } from "../../io/directory-identity.ts";
import { lockDirectory } from "../../io/directory-lock.ts";
import { finishDirectory, isSealed, moveDirectory, NewDataDirectory } from "../../io/new-data-directory.ts";
import { StartError } from "../../kernel/start-error.ts";
import type { LockMachine } from "../../locks/lock-machine.ts";
import { roleIn } from "../../raft/configuration.ts";
import type { Floor, GroupId, LogPoint, ReplicaId } from "../../raft/types.ts";
import { CONTROL_GROUP, type MachineFor } from "../group-kinds.ts";
import { foundCluster, type Founded, foundedOf, type Legacy, type Progress, raise } from "./found-cluster.ts";
import { readSurvivor, type SurvivingGroup, type Survivor } from "./survivor.ts";

/** What is known of a survivor before anything is changed. */
export interface Survey {
  readonly path: string;
  readonly nodeId: string;
  readonly clusterName: string;
  readonly clusterId: string;
  /** Of survivors the one with the largest term has lost least, and of equal terms the one with the largest index. */
  readonly last: LogPoint;
  /** Of what it had acknowledged, it has lost entries up to here: its log was damaged, and has not been repaired. */
  readonly missing: Floor | undefined;
  readonly counts: LockMachine["counts"];
  /** Of groups 1, 2, … */
  readonly shards: readonly ShardSurvey[];
}

/** What is known of a shard: another node may have more of it than the one that has most of the control group. */
export interface ShardSurvey {
  readonly group: GroupId;
  readonly last: LogPoint;
  readonly missing: Floor | undefined;
  /** False: others have it; what this node has is of long ago, or nothing. */
  readonly isMember: boolean;
}

export interface Recovered extends Founded {
  /** Where the data is that the survivor had; undefined: a recovery that was cut short was finished. */
  readonly keptAt: string | undefined;
}

/** Where the new directory is made. */
const ASIDE = ".recovered";
/** What the old one is called then. */
const KEPT = ".before-recovery";

/**
 * Says what a survivor has, and changes nothing.
 *
 * @throws {StartError}
 */
export function surveySurvivor(path: string, progress: Progress, machineFor?: MachineFor): Survey {
  return locked(path, () => {
    const { identity, last, machine, missing, shards } = readSurvivor(path, progress, machineFor);
    const { nodeId, clusterName, clusterId, replica = 0 } = identity;
    const facts = { path, nodeId, clusterName, clusterId, last, missing, counts: machine.counts };
    return { ...facts, shards: shards.map((shard, i) => shardSurvey(CONTROL_GROUP + 1 + i, shard, replica)) };
  });
}

/**
 * Makes a cluster of one node of what a survivor has (PROTOCOLS M2): with another id, so that no old node can mix in. The
 * survivor's directory is renamed and stays as it was. Whoever was cut short goes on, or begins anew.
 *
 * @throws {StartError}
 */
export async function recoverSurvivor(
  path: string,
  progress: Progress,
  wallMs = systemClock.wallMs(),
  machineFor?: MachineFor,
): Promise<Recovered> {
  if (resume(path)) return { ...foundedBefore(path, progress, machineFor), keptAt: undefined };
  const lock = lockSurvivor(path);
  try {
    const survivor = readSurvivor(path, progress, machineFor);
    raise(survivor, wallMs);
    const directory = new NewDataDirectory(path + ASIDE);
    try {
      const founded = await foundCluster(directory, legacyOf(survivor), progress);
      const keptAt = freeName(path + KEPT);
      rename(path, () => moveDirectory(path, keptAt));
      directory.moveTo(path);
      directory.finish();
      return { ...founded, path, keptAt };
    } finally {
      directory.close();
    }
  } finally {
    lock.release();
  }
}

function legacyOf({ machine, last, configuration, identity, stateBytes, shards }: Survivor): Legacy {
  const { nodeId, clusterName } = identity;
  const legacy = { machine, point: last, configuration, nodeId, clusterName, stateBytes };
  return { ...legacy, shards: shards.map((shard) => ({ ...shard, point: shard.last })) };
}

function shardSurvey(
  group: GroupId,
  { last, missing, configuration }: SurvivingGroup,
  replica: ReplicaId,
): ShardSurvey {
  return { group, last, missing, isMember: roleIn(configuration, replica) !== "none" };
}

/** Ends a recovery of which everything was written. @returns whether there was one */
function resume(path: string): boolean {
  const aside = path + ASIDE;
  if (!existsSync(path) && isSealed(aside)) moveDirectory(aside, path);
  if (!isSealed(path)) return false;
  const lock = lockDirectory(path);
  try {
    finishDirectory(path);
  } finally {
    lock.release();
  }
  return true;
}

/** Nothing has been applied to it since. */
function foundedBefore(path: string, progress: Progress, machineFor: MachineFor | undefined): Founded {
  const { identity, machine, last } = readSurvivor(path, progress, machineFor);
  return foundedOf(path, identity, last, machine);
}

function locked<Value>(path: string, work: () => Value): Value {
  const lock = lockSurvivor(path);
  try {
    return work();
  } finally {
    lock.release();
  }
}

/** @throws {StartError} when there is no survivor, when it runs, or is of a newer format */
function lockSurvivor(path: string): { release(): void } {
  // Killed between the two renames: nothing is lost, and who only asks is told so.
  if (!existsSync(path)) throw isSealed(path + ASIDE) ? new StartError(cutShort(path)) : nobody(path);
  try {
    const names = readdirSync(path);
    if (!names.includes("VERSION")) {
      throw names.includes(UNFINISHED_MARK) ? new StartError(cutShort(path)) : nobody(path);
    }
    const lock = lockDirectory(path);
    try {
      checkVersion(path, false);
    } catch (error) {
      lock.release();
      throw error;
    }
    return lock;
  } catch (error) {
    throw refuseDirectory(path, error);
  }
}

function nobody(path: string): StartError {
  return new StartError(`There is no data of a node in ${path}: name the data directory of one that survived.`);
}

function freeName(path: string): string {
  for (let i = 1; ; i++) {
    const name = i === 1 ? path : `${path}-${i}`;
    if (!existsSync(name)) return name;
  }
}

function rename(path: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new StartError(
      `The directory ${path} cannot be renamed (${error.message}): copy it to where that can be, and name the copy with --data.`,
    );
  }
}
