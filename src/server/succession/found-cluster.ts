import { randomBytes } from "node:crypto";
import type { NewDataDirectory } from "../../io/new-data-directory.ts";
import { refuseDirectory } from "../../io/data-directory.ts";
import type { StateMachine } from "../../engine/state-machine.ts";
import type { DirectoryIdentity } from "../../io/directory-identity.ts";
import { FileVolume } from "../../io/file-volume.ts";
import { systemRandom } from "../../io/random.ts";
import { SnapshotDirectory } from "../../io/snapshot-directory.ts";
import { FEATURE_LEVEL } from "../../kernel/feature-level.ts";
import { StartError } from "../../kernel/start-error.ts";
import type { LockMachine } from "../../locks/lock-machine.ts";
import type { Configuration, GroupId, LogPoint, NodeAddress, ReplicaId, Snapshot } from "../../raft/types.ts";
import type { SegmentedLog } from "../../wal/log.ts";
import { openLog } from "../../wal/open-log.ts";
import type { LogRecord } from "../../wal/records.ts";
import { SnapshotWriter } from "../../wal/snapshot-writer.ts";
import { CONTROL_GROUP } from "../group-kinds.ts";

/** Told how far a step has come; `total` is a guess where nobody can know. */
export type Progress = (
  step: "waiting" | "saving" | "checking" | "reading" | "writing" | "publishing",
  done: number,
  total: number,
) => void;

/** What a group begins with. */
export interface LegacyGroup {
  readonly machine: StateMachine<unknown>;
  /** Of the entry as of which the state is. Index 0, of a shard: there is none. */
  readonly point: LogPoint;
  /** About so many bytes. */
  readonly stateBytes: number;
}

/** What a cluster begins with that takes another one's place (PROTOCOLS M2). Where it does not say otherwise: its control group. */
export interface Legacy extends LegacyGroup {
  /** Its generation is raised by {@link raise}. */
  readonly machine: LockMachine;
  /** Groups 1, 2, … */
  readonly shards: readonly LegacyGroup[];
  /** Of the old cluster: nobody gets a replica's id that it knew. */
  readonly configuration: Configuration;
  readonly clusterName: string;
  readonly nodeId: string;
}

/** A cluster of one node that can be started. */
export interface Founded {
  readonly path: string;
  readonly identity: DirectoryIdentity;
  readonly point: LogPoint;
  readonly generation: number;
  /** Every token that the new cluster gives out is larger, and none of the old one's was. */
  readonly tokenFloor: number;
  readonly counts: LockMachine["counts"];
}

/** Of the control group, and of all others. */
interface States {
  readonly machine: LockMachine;
  readonly shards: readonly { readonly machine: StateMachine<unknown> }[];
}

/**
 * Tokens are larger from now on than all that the old cluster gave out, also after this state.
 *
 * @throws {StartError} when this program may not go on with the state
 */
export function raise({ machine, shards }: States, wallMs: number): void {
  for (const { featureLevel } of [machine, ...shards.map((shard) => shard.machine)]) {
    if (featureLevel <= FEATURE_LEVEL) continue;
    throw new StartError(
      `The state has feature level ${featureLevel} and this release knows levels up to ${FEATURE_LEVEL}: use the newer release.`,
    );
  }
  if (machine.raiseGeneration(wallMs) === undefined) return;
  throw new StartError(
    "The cluster was restored or recovered as often as its tokens allow: begin a new cluster without this state.",
  );
}

/**
 * Writes all that a node needs to start as the only one of a new cluster, with an id that no old node has. It can be started
 * once the directory is finished.
 *
 * @throws {StartError} when the disk does not take it
 */
export async function foundCluster(directory: NewDataDirectory, legacy: Legacy, progress: Progress): Promise<Founded> {
  const { machine, point, nodeId, clusterName, shards } = legacy;
  const incarnation = systemRandom.identity();
  const { replica, configuration } = alone(legacy, incarnation);
  try {
    await writeStates(directory.snapshotDirectory, legacy, configuration, progress);
    await writeLog(directory.logDirectory, [point, ...shards.map((shard) => shard.point)]);
    const clusterId = randomBytes(16).toString("hex");
    const identity = {
      clusterId,
      clusterName,
      nodeId,
      incarnation,
      replica,
      membership: configuration,
      shards: shards.length,
    };
    directory.seal(identity);
    return foundedOf(directory.path, identity, point, machine);
  } catch (error) {
    throw refuseDirectory(directory.path, error);
  }
}

/** @param machine as of `point` */
export function foundedOf(path: string, identity: DirectoryIdentity, point: LogPoint, machine: LockMachine): Founded {
  const { generation, counts, lastToken: tokenFloor } = machine;
  return { path, identity, point, generation, tokenFloor, counts };
}

/** Until the node says where it is: nobody else reads it. */
const NOWHERE: NodeAddress = { host: "127.0.0.1", port: 0 };

function alone({ configuration: old, nodeId }: Legacy, incarnation: number) {
  const known = [...old.voters, ...old.learners];
  const replica: ReplicaId = Math.max(old.facts?.nextReplica ?? 1, ...known.map((each) => each + 1));
  const before = [...(old.facts?.nodes.values() ?? [])].find((node) => node.nodeId === nodeId);
  const { peerAddress = NOWHERE, clientAddress } = before ?? {};
  const nodes = new Map([[replica, { nodeId, incarnation, peerAddress, clientAddress }]]);
  const configuration: Configuration = { voters: [replica], learners: [], facts: { nextReplica: replica + 1, nodes } };
  return { replica, configuration };
}

async function writeStates(
  path: string,
  legacy: Legacy,
  configuration: Configuration,
  progress: Progress,
): Promise<void> {
  const files = new SnapshotDirectory(path);
  // Who the nodes are only the control group says.
  const { voters, learners } = configuration;
  const total = [legacy, ...legacy.shards].reduce((sum, { stateBytes }) => sum + stateBytes, 0);
  let written = 0;
  const wrote = (bytes: number): void => {
    written += bytes;
    progress("writing", written, Math.max(written, total));
  };
  try {
    await writeState(new SnapshotWriter(files, CONTROL_GROUP, { ...legacy.point, configuration }), legacy, wrote);
    for (const [i, shard] of legacy.shards.entries()) {
      if (shard.point.index === 0) continue;
      const head = { ...shard.point, configuration: { voters, learners } };
      await writeState(new SnapshotWriter(files, CONTROL_GROUP + 1 + i, head), shard, wrote);
    }
    progress("writing", written, written);
  } finally {
    await files.close();
  }
}

async function writeState(
  writer: SnapshotWriter,
  { machine }: LegacyGroup,
  wrote: (bytes: number) => void,
): Promise<void> {
  for (const bytes of machine.snapshot()) {
    writer.write(bytes);
    if (writer.error !== undefined) throw writer.error;
    wrote(bytes.length);
  }
  const { promise, resolve, reject } = Promise.withResolvers<Snapshot | undefined>();
  writer.finish((error, snapshot) => (error === undefined ? resolve(snapshot) : reject(error)));
  await promise;
}

/** As after the installation of those snapshots: nothing in front of them, and the terms are known. @param points of groups 0, 1, … */
async function writeLog(path: string, points: readonly LogPoint[]): Promise<void> {
  const volume = new FileVolume(path);
  try {
    const opened = Promise.withResolvers<SegmentedLog>();
    openLog(volume, { identity: () => systemRandom.identity(), directory: path }, (error, log) => {
      if (log === undefined) opened.reject(error ?? new Error(`no log in ${path}`));
      else opened.resolve(log);
    });
    const log = await opened.promise;
    const records = points.flatMap((point, group) => beginning(group, point));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    log.flush(records, (error) => (error === undefined ? resolve() : reject(error)));
    await promise;
  } finally {
    await volume.close();
  }
}

function beginning(group: GroupId, point: LogPoint): LogRecord[] {
  const hardState: LogRecord = { type: "hardState", group, hardState: { term: point.term, vote: 0 } };
  return point.index === 0 ? [hardState] : [hardState, { type: "logStart", group, point, keepsRest: false }];
}
