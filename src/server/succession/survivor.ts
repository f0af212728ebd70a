import { existsSync } from "node:fs";
import { join } from "node:path";
import { LOG, SNAPSHOTS, VOTES } from "../../io/data-directory.ts";
import { decodeIdentity, type DirectoryIdentity, IDENTITY_FILE } from "../../io/directory-identity.ts";
import { DirectoryReads } from "../../io/directory-reads.ts";
import { readFileIfThere } from "../../io/durable-file.ts";
import { assert } from "../../kernel/assert.ts";
import { DecodeError } from "../../kernel/bytes.ts";
import { limits } from "../../kernel/limits.ts";
import { StartError } from "../../kernel/start-error.ts";
import { LockMachine } from "../../locks/lock-machine.ts";
import { RaftLog } from "../../raft/log.ts";
import type { Configuration, Floor, LogPoint, Snapshot } from "../../raft/types.ts";
import { LogDamageError, LogFormatError, SnapshotFormatError, SnapshotLostError } from "../../wal/errors.ts";
import { HardStateCopy } from "../../wal/hard-state-copy.ts";
import type { SegmentedLog } from "../../wal/log.ts";
import { openLog } from "../../wal/open-log.ts";
import { ScratchVolume } from "../../wal/scratch-volume.ts";
import { scanSnapshots } from "../../wal/snapshot-scan.ts";
import { readSnapshot } from "../../wal/snapshot-store.ts";
import type { Progress } from "./found-cluster.ts";

const GROUP = 0;
const READ_BYTES = 256 * 1024;

/** All that one node has of its cluster. */
export interface Survivor {
  readonly identity: DirectoryIdentity;
  /** As of `last`: every entry of the log is applied. */
  readonly machine: LockMachine;
  readonly last: LogPoint;
  readonly configuration: Configuration;
  /** It lost entries that it had acknowledged, up to here, and has not been repaired. */
  readonly missing: Floor | undefined;
  /** About so many bytes. */
  readonly stateBytes: number;
}

/**
 * Reads what a node that is stopped has: its newest snapshot, and every entry behind it, committed or not. An entry that
 * was acknowledged may be known as committed to nobody but the nodes that are lost. Nothing is written.
 *
 * @param path locked, or nobody's
 * @throws {StartError} when it cannot be read as a whole
 */
export function readSurvivor(path: string, progress: Progress): Survivor {
  const identity = identityOf(path);
  const directory = join(path, SNAPSHOTS);
  const snapshots = new DirectoryReads(directory);
  const segments = new DirectoryReads(join(path, LOG));
  const votes = new DirectoryReads(join(path, VOTES));
  try {
    const { whole, damaged } = scanSnapshots(snapshots, (name) => join(directory, name)).get(GROUP) ?? NONE;
    const newest = whole.at(-1);
    const log = openUnchanged(segments, votes, path);
    const recovered = log.recovered.get(GROUP);
    // ↯ Log and votes are lost; the snapshot of last week, or nothing at all, passes for what the node had, and nobody is told.
    if (recovered === undefined) throw new LogDamageError(`There is nothing in ${join(path, LOG)}`);
    if ((recovered.compacted?.index ?? 0) > (newest?.index ?? 0)) {
      const index = recovered.compacted?.index ?? 0;
      throw new SnapshotLostError(
        GROUP,
        index,
        damaged.map((name) => join(directory, name)),
      );
    }
    const entries = new RaftLog(GROUP, log, recovered, 0, newest);
    const machine = new LockMachine();
    if (newest !== undefined) restore(machine, snapshots, newest, directory);
    replay(machine, entries, progress);
    const last = { index: entries.lastIndex, term: entries.lastTerm, leaseTimeMs: entries.lastLeaseTimeMs };
    const { current } = entries.configurations;
    const configuration = current.index === 0 ? (identity.membership ?? current.configuration) : current.configuration;
    const missing = recovered.hardState.floor;
    return { identity, machine, last, configuration, missing, stateBytes: newest?.totalBytes ?? 0 };
  } catch (error) {
    throw refusal(error);
  } finally {
    for (const reads of [snapshots, segments, votes]) reads.close();
  }
}

const NONE = { whole: [], damaged: [] };

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
function restore(machine: LockMachine, files: DirectoryReads, snapshot: Snapshot, directory: string): void {
  const restoration = machine.restore();
  try {
    for (let at = 0; at < snapshot.totalBytes; at += limits.maxSnapshotChunkBytes) {
      const length = Math.min(limits.maxSnapshotChunkBytes, snapshot.totalBytes - at);
      restoration.take(readSnapshot(files, GROUP, snapshot, at, length));
    }
    restoration.finish();
  } catch (error) {
    if (error instanceof DecodeError) throw new SnapshotFormatError(directory);
    throw error;
  }
}

function replay(machine: LockMachine, log: RaftLog, progress: Progress): void {
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
