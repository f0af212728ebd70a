import type { DataDirectory } from "../io/data-directory.ts";
import { refuseDirectory } from "../io/data-directory.ts";
import { FileVolume } from "../io/file-volume.ts";
import { systemRandom } from "../io/random.ts";
import { StartError } from "../kernel/start-error.ts";
import { type GroupId, UNKNOWN_INDEX } from "../raft/types.ts";
import { AmnesiaError, LogDamageError } from "../wal/errors.ts";
import { HardStateCopy } from "../wal/hard-state-copy.ts";
import type { SegmentedLog } from "../wal/log.ts";
import { openLog } from "../wal/open-log.ts";
import type { RepairReport } from "../wal/repair.ts";
import type { SnapshotStore } from "../wal/snapshot-store.ts";
import type { Logger } from "./running-node.ts";

export interface NodeLogOptions {
  readonly nodeId: string;
  /** That the node hosts: of a log that is lost nobody knows which it had. */
  readonly groups: readonly GroupId[];
  /** What the log has forgotten must be in them, or it is as damaged. */
  readonly snapshots: SnapshotStore;
  /** There are other nodes, which have what a damaged log has lost. */
  readonly canRepair: boolean;
  readonly log: Logger;
  /** What is to be closed again. */
  readonly opened: (close: () => Promise<void>) => void;
  /** Told how long each fdatasync took, in ms. */
  readonly onSynced: (durationMs: number) => void;
}

/**
 * Opens the log of a node, with the second copy of its terms and votes beside it (PROTOCOLS D7).
 *
 * @throws {StartError} one sentence that says what to do
 */
export async function openNodeLog(directory: DataDirectory, options: NodeLogOptions): Promise<SegmentedLog> {
  try {
    const log = await open(directory, options);
    if (log.repair !== undefined) tellBegin(options.log, log.repair);
    return log;
  } catch (error) {
    throw refusal(directory, options.nodeId, error);
  }
}

function open(directory: DataDirectory, options: NodeLogOptions): Promise<SegmentedLog> {
  const { logDirectory, votesDirectory, hasMet, isAlone } = directory;
  const volume = new FileVolume(logDirectory, { onSynced: options.onSynced });
  options.opened(() => volume.close());
  const votes = new FileVolume(votesDirectory);
  options.opened(() => votes.close());
  const { promise, resolve, reject } = Promise.withResolvers<SegmentedLog>();
  const logOptions = {
    identity: () => systemRandom.identity(),
    directory: logDirectory,
    copy: HardStateCopy.open(votes, (name) => `${votesDirectory}/${name}`),
    snapshots: options.snapshots,
    hadLog: hasMet || isAlone,
    ...(options.canRepair && { repair: { groups: options.groups } }),
  };
  openLog(volume, logOptions, (error, log) => {
    if (log === undefined) reject(error ?? new Error("The log cannot be opened."));
    else resolve(log);
  });
  return promise;
}

function refusal({ path }: DataDirectory, nodeId: string, error: unknown): StartError {
  if (error instanceof AmnesiaError) {
    return new StartError(
      `${error.damage}: run "mufakat cluster replace ${nodeId}", then start the node with an empty --data and --join.`,
    );
  }
  const refused = refuseDirectory(path, error);
  if (refused instanceof StartError) return refused;
  // What the log itself says is a sentence already.
  return new StartError(error instanceof Error ? error.message : "The log cannot be opened.");
}

function tellBegin(log: Logger, { damage, floors }: RepairReport): void {
  for (const [group, { index }] of floors) {
    const until = index === UNKNOWN_INDEX ? "an entry of a later term" : `entry ${index}`;
    log.warn({ group, until }, `${damage}: group ${group} is repaired from the other nodes, until it has ${until}`);
  }
  if (floors.size === 0) log.warn({}, `${damage}: there was nothing in it`);
}

export function tellEnd(log: Logger, group: GroupId, index: number): void {
  log.info({ group, index }, `group ${group} is repaired: its log has again all that this node acknowledged`);
}

/** A node that runs met damage in what it reads back: it ends, and its next start repairs. */
export function explainDamage(error: Error, canRepair: boolean): Error {
  if (!(error instanceof LogDamageError) || !canRepair) return error;
  return new LogDamageError(error.damage, "start the node again, and it repairs itself from the other nodes");
}
