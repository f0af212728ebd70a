import { systemClock } from "../../io/clocks.ts";
import { NewDataDirectory, requireFree } from "../../io/new-data-directory.ts";
import { assert } from "../../kernel/assert.ts";
import { BackupError } from "../../kernel/backup-error.ts";
import { DecodeError } from "../../kernel/bytes.ts";
import { LockMachine } from "../../locks/lock-machine.ts";
import type { StateMachine, StateRestoration } from "../../engine/state-machine.ts";
import type { GroupId, Snapshot } from "../../raft/types.ts";
import type { BackupHead } from "../../wal/backup-format.ts";
import { BackupReader } from "../../wal/backup-reader.ts";
import { CONTROL_GROUP, kindOf, type MachineFor, machineOf } from "../group-kinds.ts";
import { forEachPiece } from "./file-pieces.ts";
import { foundCluster, type Founded, type Legacy, type LegacyGroup, type Progress, raise } from "./found-cluster.ts";

export interface RestoreOptions {
  readonly file: string;
  /** Absolute; empty, or not there. */
  readonly dataDirectory: string;
  readonly nodeId: string;
  /** Undefined: as it was. */
  readonly clusterName: string | undefined;
  /** Absent: by the clock. */
  readonly wallMs?: number;
  /** Absent: as the groups of a node are numbered. */
  readonly machineFor?: MachineFor;
}

export interface Restored extends Founded {
  readonly backup: BackupHead;
}

/** What a whole backup holds. */
export interface ReadBackup {
  readonly head: BackupHead;
  /** Of the control group. */
  readonly snapshot: Snapshot;
  readonly machine: LockMachine;
  /** Groups 1, 2, … */
  readonly shards: readonly LegacyGroup[];
}

/**
 * Makes a data directory of a backup, in which the only node of a new cluster can start (PROTOCOLS M2). Nothing is written
 * before every byte of the backup has been checked.
 *
 * @throws {BackupError} for a file that is none, or not all of one
 * @throws {StartError} for a directory that is not free, and a disk that does not take it
 */
export async function restoreBackup(options: RestoreOptions, progress: Progress): Promise<Restored> {
  const { file, dataDirectory, nodeId, clusterName, wallMs = systemClock.wallMs(), machineFor } = options;
  requireFree(dataDirectory);
  const backup = readBackup(file, progress, machineFor);
  raise(backup, wallMs);
  const directory = new NewDataDirectory(dataDirectory);
  try {
    const { head, snapshot, machine, shards } = backup;
    const legacy: Legacy = {
      ...{ ...legacyOf(machine, snapshot), machine, shards, nodeId },
      configuration: snapshot.configuration,
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
export function readBackup(file: string, progress: Progress, machineFor?: MachineFor): ReadBackup {
  const contents = new BackupContents(machineFor);
  const reader = new BackupReader(contents);
  forEachPiece(file, (bytes, done, total) => {
    reader.take(bytes);
    progress("reading", done, total);
  });
  reader.finish();
  return contents.read();
}

function legacyOf(machine: StateMachine<unknown>, snapshot: Snapshot): LegacyGroup {
  const { index, term, leaseTimeMs, totalBytes: stateBytes } = snapshot;
  return { machine, point: { index, term, leaseTimeMs }, stateBytes };
}

/** The states that come out of a backup. */
class BackupContents {
  private readonly machine = new LockMachine();
  private known: { head?: BackupHead; snapshot?: Snapshot } = {};
  private readonly shards: LegacyGroup[] = [];
  /** Of the group whose content comes. */
  private restoration: StateRestoration | undefined;
  /** Whether the bytes are right, or damaged, only their checksum says: so the whole file is read first. */
  private refusal: DecodeError | undefined;

  constructor(private readonly machineFor: MachineFor = (group) => machineOf(kindOf(group))) {}

  head(head: BackupHead): void {
    this.known = { head };
  }

  group(group: GroupId, snapshot: Snapshot): void {
    this.attempt(() => {
      const isControl = group === CONTROL_GROUP;
      const machine = isControl ? this.machine : this.machineFor(group);
      if (machine === undefined) throw new DecodeError(`a group ${group}`);
      if (isControl) this.known = { ...this.known, snapshot };
      // Of a cluster with so many groups each has a state; none is made up.
      else if (this.shards.push(legacyOf(machine, snapshot)) !== group)
        throw new DecodeError(`no group before ${group}`);
      this.restoration = machine.restore();
    });
  }

  content(bytes: Uint8Array): void {
    this.attempt(() => this.restoration?.take(bytes));
  }

  groupEnd(): void {
    this.attempt(() => this.restoration?.finish());
  }

  /** @throws {BackupError} when this program cannot read what is right */
  read(): ReadBackup {
    const { machine, shards } = this;
    const { head, snapshot } = this.known;
    assert(head !== undefined, "a backup that was read has a head");
    if (this.refusal === undefined && snapshot !== undefined) return { head, snapshot, machine, shards };
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
