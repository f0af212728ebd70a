import type { StateMachine, StateRestoration } from "../engine/state-machine.ts";
import type { LockMachine } from "../locks/lock-machine.ts";
import type { LockOutcome } from "../locks/state.ts";
import type { LockResult } from "../locks/types.ts";
import type { GroupLog } from "../raft/storage.ts";
import type { Entry, GroupId, ReplicaId } from "../raft/types.ts";
import type { PinnedExcerpt } from "../wal/excerpt.ts";
import type { LogRecord, LogRoom, WriteAheadLog } from "../wal/records.ts";
import type { AppliedLog } from "./checks/applied-log.ts";
import type { RaftChecks } from "./checks/raft-checks.ts";
import type { DurableSnapshots } from "./checks/snapshot-checks.ts";
import { check } from "./violation.ts";

/** The node's log, with the checks looking on. */
export class ObservedLog implements WriteAheadLog {
  readonly recovered: ReadonlyMap<GroupId, GroupLog>;
  readonly room: LogRoom;

  constructor(
    private readonly node: ReplicaId,
    private readonly log: WriteAheadLog,
    private readonly checks: RaftChecks,
    private readonly snapshots: DurableSnapshots,
  ) {
    this.recovered = log.recovered;
    this.room = log.room;
  }

  read(group: GroupId, from: number, to: number, maxBytes: number): Entry[] {
    return this.log.read(group, from, to, maxBytes);
  }

  pin(group: GroupId, from: number, to: number): PinnedExcerpt {
    return this.log.pin(group, from, to);
  }

  flush(records: readonly LogRecord[], onDurable: (error?: Error) => void): void {
    this.checks.flushing(this.node, records);
    this.snapshots.flushing(records);
    this.checkRoom(records);
    this.log.flush(records, (error) => {
      if (error === undefined) this.checks.durable(this.node);
      onDurable(error);
    });
  }

  settle(): void {
    this.log.settle();
  }

  /** Else it waits for room, and no term or vote behind it is written meanwhile. */
  private checkRoom(records: readonly LogRecord[]): void {
    const { entryBytes } = this.room;
    let bytes = 0;
    for (const record of records) {
      if (record.type !== "entries") continue;
      for (const entry of record.entries) if (isOrdinary(entry)) bytes += 1 + entry.payload.length;
    }
    check(bytes <= entryBytes, "D9 entries are taken only where there is room for them", () => {
      return `node${this.node} hands over entries of ${bytes} bytes, and there is room for ${entryBytes}`;
    });
  }
}

function isOrdinary({ kind }: Entry): boolean {
  return kind !== "noop";
}

/** The state machine, with the checks looking on. They see an entry's outcomes before any client does. */
export class ObservedMachine implements StateMachine<LockResult> {
  private readonly outcomes: LockOutcome[] = [];
  private readonly collect = (outcome: LockOutcome): void => {
    this.outcomes.push(outcome);
  };

  /** @param machine the lock machine, or what a hook has put around it */
  constructor(
    private readonly node: ReplicaId,
    private readonly machine: StateMachine<LockResult>,
    private readonly locks: LockMachine,
    private readonly checks: AppliedLog,
  ) {}

  apply(entry: Entry, emit: (outcome: LockOutcome) => void): void {
    this.outcomes.length = 0;
    this.machine.apply(entry, this.collect);
    this.checks.applied(this.node, entry, this.outcomes, this.locks);
    for (const outcome of this.outcomes.slice()) emit(outcome);
  }

  nextDeadlineMs(): number | undefined {
    return this.machine.nextDeadlineMs();
  }

  digest(): string {
    return this.machine.digest();
  }

  stateHash(): number {
    return this.machine.stateHash();
  }

  get stateHashFormula(): number {
    return this.machine.stateHashFormula;
  }

  get featureLevel(): number {
    return this.machine.featureLevel;
  }

  snapshot(): Iterable<Uint8Array> {
    return this.machine.snapshot();
  }

  restore(): StateRestoration {
    const restoration = this.machine.restore();
    return {
      take: (bytes) => restoration.take(bytes),
      finish: () => {
        restoration.finish();
        this.checks.restored(this.node, this.locks);
      },
    };
  }
}
