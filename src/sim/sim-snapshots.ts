import type { SnapshotMade, SnapshotMaker, SnapshotOrder } from "../engine/snapshot-maker.ts";
import { SnapshotMaking } from "../engine/snapshot-making.ts";
import type { StateMachine } from "../engine/state-machine.ts";
import type { Prng } from "../kernel/prng.ts";
import type { GroupId } from "../raft/types.ts";
import { ExcerptReader } from "../wal/excerpt.ts";
import type { SnapshotFiles } from "../wal/snapshot-files.ts";
import type { Volume } from "../wal/volume.ts";

export interface SimMakerOptions {
  readonly files: SnapshotFiles;
  readonly volume: Pick<Volume, "read">;
  readonly random: Prng;
  /** An empty machine of the node's program, for that group. */
  readonly machine: (group: GroupId) => SnapshotMachine;
  /** Runs later in the same process. */
  readonly later: (delayMs: number, work: () => void) => void;
}

export interface SnapshotMachine {
  readonly machine: StateMachine<unknown>;
  /** Its snapshot is durable. */
  readonly made: () => void;
}

/** Between two steps, in ms of virtual time, at most. */
const STEP_MS = 4;

/** As the worker thread of a real node: it goes on between the turns of the loop, and dies with it. */
export class SimSnapshotMaker implements SnapshotMaker {
  constructor(private readonly options: SimMakerOptions) {}

  make(order: SnapshotOrder, done: SnapshotMade): void {
    const { files, volume } = this.options;
    const { machine, made } = this.options.machine(order.group);
    const entries = new ExcerptReader(volume, order.excerpt);
    const making = new SnapshotMaking(order, { machine, files, entries }, (failure, snapshot) => {
      if (snapshot !== undefined) made();
      // A word from another thread comes between two turns.
      this.options.later(0, () => done(failure, snapshot));
    });
    this.proceed(making);
  }

  private proceed(making: SnapshotMaking): void {
    const { later, random } = this.options;
    later(STEP_MS * random.next(), () => {
      if (making.step()) this.proceed(making);
    });
  }
}
