import type { Outcome, StateMachine, StateRestoration } from "../engine/state-machine.ts";
import type { GroupLog } from "../raft/storage.ts";
import type { Entry, GroupId, ReplicaId } from "../raft/types.ts";
import type { PinnedExcerpt } from "../wal/excerpt.ts";
import type { LogRecord, LogRoom, WriteAheadLog } from "../wal/records.ts";
import type { AppliedLog, ComparedMachine } from "./checks/applied-log.ts";
import type { RaftChecks } from "./checks/raft-checks.ts";
import type { DurableSnapshots } from "./checks/snapshot-checks.ts";
import { check } from "./violation.ts";

/** Who looks at what one group writes. */
export interface ObservedGroup {
  readonly checks: RaftChecks;
  readonly snapshots: DurableSnapshots;
}

/** The node's log, with the checks looking on. */
export class ObservedLog implements WriteAheadLog {
  readonly recovered: ReadonlyMap<GroupId, GroupLog>;
  readonly room: LogRoom;

  constructor(
    private readonly node: ReplicaId,
    private readonly log: WriteAheadLog,
    private readonly groups: ReadonlyMap<GroupId, ObservedGroup>,
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
    for (const [group, { checks, snapshots }] of this.groups) {
      const own = records.filter((record) => record.group === group);
      checks.flushing(this.node, own);
      snapshots.flushing(own);
    }
    this.checkRoom(records);
    this.log.flush(records, (error) => {
      if (error === undefined) for (const { checks } of this.groups.values()) checks.durable(this.node);
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
export class ObservedMachine<
  Result extends { readonly type: string },
  Machine extends ComparedMachine,
> implements StateMachine<Result> {
  private readonly outcomes: Outcome<Result>[] = [];
  private readonly collect = (outcome: Outcome<Result>): void => {
    this.outcomes.push(outcome);
  };

  /** @param machine the bare one, or what a hook has put around it */
  constructor(
    private readonly node: ReplicaId,
    private readonly machine: StateMachine<Result>,
    private readonly bare: Machine,
    private readonly checks: AppliedLog<Result, Machine>,
  ) {}

  apply(entry: Entry, emit: (outcome: Outcome<Result>) => void): void {
    this.outcomes.length = 0;
    this.machine.apply(entry, this.collect);
    this.checks.applied(this.node, entry, this.outcomes, this.bare);
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
        this.checks.restored(this.node, this.bare);
      },
    };
  }
}
