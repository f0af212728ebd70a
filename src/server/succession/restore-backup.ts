import { systemClock } from "../../io/clocks.ts";
import { NewDataDirectory, requireFree } from "../../io/new-data-directory.ts";
import { assert } from "../../kernel/assert.ts";
import { BackupError } from "../../kernel/backup-error.ts";
import { DecodeError } from "../../kernel/bytes.ts";
import { LockMachine } from "../../locks/lock-machine.ts";
import type { GroupId, Snapshot } from "../../raft/types.ts";
import type { BackupHead } from "../../wal/backup-format.ts";
import { BackupReader } from "../../wal/backup-reader.ts";
import { forEachPiece } from "./file-pieces.ts";
import { foundCluster, type Founded, type Legacy, type Progress, raise } from "./found-cluster.ts";

export interface RestoreOptions {
  readonly file: string;
  /** Absolute; empty, or not there. */
  readonly dataDirectory: string;
  readonly nodeId: string;
  /** Undefined: as it was. */
  readonly clusterName: string | undefined;
  /** Absent: by the clock. */
  readonly wallMs?: number;
}

export interface Restored extends Founded {
  readonly backup: BackupHead;
}

/** What a whole backup holds. */
export interface ReadBackup {
  readonly head: BackupHead;
  readonly snapshot: Snapshot;
  readonly machine: LockMachine;
}

/**
 * Makes a data directory of a backup, in which the only node of a new cluster can start (PROTOCOLS M2). Nothing is written
 * before every byte of the backup has been checked.
 *
 * @throws {BackupError} for a file that is none, or not all of one
 * @throws {StartError} for a directory that is not free, and a disk that does not take it
 */
export async function restoreBackup(options: RestoreOptions, progress: Progress): Promise<Restored> {
  const { file, dataDirectory, nodeId, clusterName, wallMs = systemClock.wallMs() } = options;
  requireFree(dataDirectory);
  const { head, snapshot, machine } = readBackup(file, progress);
  raise(machine, wallMs);
  const directory = new NewDataDirectory(dataDirectory);
  try {
    const { index, term, leaseTimeMs, configuration, totalBytes: stateBytes } = snapshot;
    const point = { index, term, leaseTimeMs };
    const legacy: Legacy = {
      ...{ machine, point, configuration, nodeId, stateBytes },
      clusterName: clusterName ?? head.clusterName,
    };
    const founded = await foundCluster(directory, legacy, progress);
    directory.finish();
    return { ...founded, backup: head };
  } finally {
    directory.close();
  }
}

/**
 * Reads all of a backup, and checks every byte.
 *
 * @throws {BackupError} {@link StartError}
 */
export function readBackup(file: string, progress: Progress): ReadBackup {
  const contents = new BackupContents();
  const reader = new BackupReader(contents);
  forEachPiece(file, (bytes, done, total) => {
    reader.take(bytes);
    progress("reading", done, total);
  });
  reader.finish();
  return contents.read();
}

/** The states that come out of a backup. */
class BackupContents {
  private readonly machine = new LockMachine();
  private readonly restoration = this.machine.restore();
  private known: { head?: BackupHead; snapshot?: Snapshot } = {};
  /** Whether the bytes are right, or damaged, only their checksum says: so the whole file is read first. */
  private refusal: DecodeError | undefined;

  head(head: BackupHead): void {
    this.known = { head };
  }

  group(group: GroupId, snapshot: Snapshot): void {
    if (group === 0) this.known = { ...this.known, snapshot };
    else this.refusal ??= new DecodeError(`a group ${group}`);
  }

  content(bytes: Uint8Array): void {
    this.attempt(() => this.restoration.take(bytes));
  }

  /** @throws {BackupError} when this program cannot read what is right */
  read(): ReadBackup {
    const { head, snapshot } = this.known;
    assert(head !== undefined, "a backup that was read has a head");
    this.attempt(() => this.restoration.finish());
    if (this.refusal === undefined && snapshot !== undefined) return { head, snapshot, machine: this.machine };
    throw new BackupError(
      "other_format",
      `holds a state that this release does not read (${this.refusal?.message ?? "it has no locks"}): restore it with release ${head.version}`,
    );
  }

  private attempt(work: () => void): void {
    if (this.refusal !== undefined) return;
    try {
      work();
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.refusal = error;
    }
  }
}
