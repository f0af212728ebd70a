import type { Prng } from "../kernel/prng.ts";
import { MemorySnapshotFiles } from "./memory-snapshot-files.ts";
import { MemoryVolume } from "./memory-volume.ts";
import { type Rot, rot, rotBoth } from "./rot.ts";

export interface SimDiskOptions {
  /** Completions take time. */
  readonly delayed: boolean;
  /** One waits: `pump` ends it, some time later. */
  readonly onPending: (pump: () => void) => void;
}

/** The files of one node: its log, the second copy of its votes, its snapshots. */
export class SimDisk {
  log: MemoryVolume;
  votes: MemoryVolume;
  readonly snapshots: MemorySnapshotFiles;

  constructor(private readonly options: SimDiskOptions) {
    const { delayed, onPending } = options;
    this.log = this.newVolume();
    this.snapshots = new MemorySnapshotFiles({ delayed, onPending: () => onPending(() => this.snapshots.pump()) });
    this.votes = this.newVolume();
  }

  crash(kind: "process" | "power", next: () => number): void {
    for (const volume of [this.log, this.votes]) {
      if (kind === "power") volume.crashPower(next);
      else volume.crashProcess(next);
    }
    if (kind === "power") this.snapshots.crashPower(next);
    else this.snapshots.crashProcess();
  }

  /** @returns undefined when there is nothing that may be damaged */
  rot(random: Prng): Rot | undefined {
    return rot(random, this.log, this.votes, this.snapshots);
  }

  /** All of log and votes, or enough to show. */
  forget(random: Prng): Rot | undefined {
    if (random.chance(0.5)) return rotBoth(random, this.log, this.votes);
    this.log = this.newVolume();
    this.votes = this.newVolume();
    return { file: "every file of log and votes", how: "is lost" };
  }

  /** What new files may take, in bytes. */
  setRoom(bytes: number): void {
    this.log.roomBytes = bytes;
    this.snapshots.roomBytes = bytes;
  }

  misdirectRead(): void {
    this.log.strayReads.arm();
    this.snapshots.strayReads.arm();
  }

  /** Reads that came from elsewhere. */
  get misreads(): number {
    return this.log.strayReads.count + this.snapshots.strayReads.count;
  }

  /** Snapshots are synced seldom, votes less often than entries. */
  failNextSync(random: Prng, error: Error): void {
    random.pick([this.log, this.log, this.votes, this.snapshots]).failNextSync(error);
  }

  /** Errors that have not happened yet do not, any more. */
  mend(): void {
    this.log.failNextSync(undefined);
    this.votes.failNextSync(undefined);
    this.log.strayReads.disarm();
    this.snapshots.strayReads.disarm();
    this.snapshots.failNextSync(undefined);
  }

  private newVolume(): MemoryVolume {
    const { delayed, onPending } = this.options;
    const volume: MemoryVolume = new MemoryVolume({ delayed, onPending: () => onPending(() => volume.pump()) });
    return volume;
  }
}
