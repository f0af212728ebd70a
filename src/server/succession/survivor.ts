import { existsSync } from "node:fs";
import { join } from "node:path";
import { LOG, SNAPSHOTS, VOTES } from "../../io/data-directory.ts";
import { decodeIdentity, type DirectoryIdentity, IDENTITY_FILE } from "../../io/directory-identity.ts";
import type { StateMachine } from "../../engine/state-machine.ts";
import { DirectoryReads } from "../../io/directory-reads.ts";
import { readFileIfThere } from "../../io/durable-file.ts";
import { assert } from "../../kernel/assert.ts";
import { DecodeError } from "../../kernel/bytes.ts";
import { limits } from "../../kernel/limits.ts";
import { StartError } from "../../kernel/start-error.ts";
import { LockMachine } from "../../locks/lock-machine.ts";
import { RaftLog } from "../../raft/log.ts";
import type { Configuration, Floor, GroupId, LogPoint, Snapshot } from "../../raft/types.ts";
import { LogDamageError, LogFormatError, SnapshotFormatError, SnapshotLostError } from "../../wal/errors.ts";
import { HardStateCopy } from "../../wal/hard-state-copy.ts";
import type { SegmentedLog } from "../../wal/log.ts";
import { openLog } from "../../wal/open-log.ts";
import { ScratchVolume } from "../../wal/scratch-volume.ts";
import { scanSnapshots } from "../../wal/snapshot-scan.ts";
import { readSnapshot } from "../../wal/snapshot-store.ts";
import { CONTROL_GROUP, groupsOf, kindOf, type MachineFor, machineOf } from "../group-kinds.ts";
import { firstShardConfiguration } from "../../engine/shard-mirrors.ts";
import type { Progress } from "./found-cluster.ts";

const READ_BYTES = 256 * 1024;

/** All that one node has of a group. */
export interface SurvivingGroup {
  /** As of `last`: every entry of the log is applied. */
  readonly machine: StateMachine<unknown>;
  readonly last: LogPoint;
  /** In force as far as its log says. */
  readonly configuration: Configuration;
  /** It lost entries that it had acknowledged, up to here, and has not been repaired. */
  readonly missing: Floor | undefined;
  /** About so many bytes. */
  readonly stateBytes: number;
}

/** And of its cluster. Where it does not say otherwise: of the control group. */
export interface Survivor extends SurvivingGroup {
  readonly identity: DirectoryIdentity;
  readonly machine: LockMachine;
  /** Groups 1, 2, …; one of which this node never had a replica is empty. */
  readonly shards: readonly SurvivingGroup[];
}

/** The files of a node, which stay as they are. */
interface Files {
  readonly directory: string;
  readonly snapshots: DirectoryReads;
  readonly found: ReturnType<typeof scanSnapshots>;
  readonly log: SegmentedLog;
  readonly progress: Progress;
}

/**
 * Reads what a node that is stopped has: its newest snapshot, and every entry behind it, committed or not. An entry that
 * was acknowledged may be known as committed to nobody but the nodes that are lost. Nothing is written.
 *
 * @param path locked, or nobody's
 * @param machineFor absent: as the groups of a node are numbered
 * @throws {StartError} when it cannot be read as a whole
 */
export function readSurvivor(path: string, progress: Progress, machineFor: MachineFor = machineOfGroup): Survivor {
  const identity = identityOf(path);
  const directory = join(path, SNAPSHOTS);
  const snapshots = new DirectoryReads(directory);
  const segments = new DirectoryReads(join(path, LOG));
  const votes = new DirectoryReads(join(path, VOTES));
  try {
    const found = scanSnapshots(snapshots, (name) => join(directory, name));
    const log = openUnchanged(segments, votes, path);
    // ↯ Log and votes are lost; the snapshot of last week, or nothing at all, passes for what the node had, and nobody is told.
    if (!log.recovered.has(CONTROL_GROUP)) throw new LogDamageError(`There is nothing in ${join(path, LOG)}`);
    const files: Files = { directory, snapshots, found, log, progress };
    const machine = new LockMachine();
    const control = { ...readGroup(files, CONTROL_GROUP, machine, identity.membership), machine, identity };
    const firstShard = identity.membership && firstShardConfiguration(identity.membership);
    const shards = groupsOf(identity.shards)
      .slice(1)
      .map((group) => {
        const empty = machineFor(group);
        if (empty === undefined)
          throw new StartError(`This release knows no group ${group}: recover with the newer release.`);
        return readGroup(files, group, empty, firstShard);
      });
    return { ...control, shards };
  } catch (error) {
    throw refusal(error);
  } finally {
    for (const reads of [snapshots, segments, votes]) reads.close();
  }
}

const NONE = { whole: [], damaged: [] };

function machineOfGroup(group: GroupId): StateMachine<unknown> | undefined {
  return machineOf(kindOf(group));
}

function readGroup(
  { directory, snapshots, found, log, progress }: Files,
  group: GroupId,
  machine: StateMachine<unknown>,
  first: Configuration | undefined,
): SurvivingGroup {
  const { whole, damaged } = found.get(group) ?? NONE;
  const newest = whole.at(-1);
  const recovered = log.recovered.get(group);
  const compactedIndex = recovered?.compacted?.index ?? 0;
  if (compactedIndex > (newest?.index ?? 0)) {
    const names = damaged.map((name) => join(directory, name));
    throw new SnapshotLostError(group, compactedIndex, names);
  }
  const entries = new RaftLog(group, log, recovered, 0, newest);
  if (newest !== undefined) restore(machine, snapshots, group, newest, directory);
  replay(machine, entries, progress);
  const last = { index: entries.lastIndex, term: entries.lastTerm, leaseTimeMs: entries.lastLeaseTimeMs };
  const { current } = entries.configurations;
  const configuration = current.index === 0 ? (first ?? current.configuration) : current.configuration;
  return { machine, last, configuration, missing: recovered?.hardState.floor, stateBytes: newest?.totalBytes ?? 0 };
}

function identityOf(path: string): DirectoryIdentity {
  const file = join(path, IDENTITY_FILE);
  const text = existsSync(path) ? readFileIfThere(file) : undefined;
  if (text === undefined) {
    throw new StartError(`There is no data of a node in ${path}: name the data directory of one that survived.`);
  }
  const identity = decodeIdentity(text);
  if (identity !== undefined) return identity;
  throw new StartError(`The file ${file} is damaged: recover from another node that survived, or restore a backup.`);
}

/** Completes at once: nothing is written to a disk. The second copy of terms and votes tells of a log that has lost its end. */
function openUnchanged(segments: DirectoryReads, votes: DirectoryReads, path: string): SegmentedLog {
  let opened: SegmentedLog | Error | undefined;
  const copy = HardStateCopy.open(new ScratchVolume(votes), (name) => join(path, VOTES, name));
  // No salt of it reaches a disk.
  const options = { identity: () => 1, directory: join(path, LOG), copy };
  openLog(new ScratchVolume(segments), options, (error, log) => {
    opened = log ?? error;
  });
  assert(opened !== undefined, "a log that nothing is written for opens at once");
  if (opened instanceof Error) throw opened;
  return opened;
}

/** Every byte of it was checked. */
function restore(
  machine: StateMachine<unknown>,
  files: DirectoryReads,
  group: GroupId,
  snapshot: Snapshot,
  directory: string,
): void {
  const restoration = machine.restore();
  try {
    for (let at = 0; at < snapshot.totalBytes; at += limits.maxSnapshotChunkBytes) {
      const length = Math.min(limits.maxSnapshotChunkBytes, snapshot.totalBytes - at);
      restoration.take(readSnapshot(files, group, snapshot, at, length));
    }
    restoration.finish();
  } catch (error) {
    if (error instanceof DecodeError) throw new SnapshotFormatError(directory);
    throw error;
  }
}

function replay(machine: StateMachine<unknown>, log: RaftLog, progress: Progress): void {
  const first = (log.snapshot?.index ?? 0) + 1;
  const total = log.lastIndex - first + 1;
  for (let next = first; next <= log.lastIndex;) {
    for (const entry of log.slice(next, log.lastIndex, READ_BYTES)) {
      machine.apply(entry, () => {});
      next = entry.index + 1;
    }
    progress("reading", next - first, total);
  }
}

function refusal(error: unknown): unknown {
  if (error instanceof LogDamageError) {
    return new StartError(`${error.damage}: recover from another node that survived, or restore a backup.`);
  }
  // These say it in a sentence already.
  const isOfNewer = error instanceof LogFormatError || error instanceof SnapshotFormatError;
  return isOfNewer ? new StartError(error.message) : error;
}
