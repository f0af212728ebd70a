import type { StateMachine } from "../engine/state-machine.ts";
import type { LockMachine } from "../locks/lock-machine.ts";
import type { LockOutcome } from "../locks/state.ts";
import type { LockResult } from "../locks/types.ts";
import type { GroupLog } from "../raft/storage.ts";
import type { Entry, GroupId, ReplicaId } from "../raft/types.ts";
import type { LogRecord, WriteAheadLog } from "../wal/records.ts";
import type { AppliedLog } from "./checks/applied-log.ts";
import type { RaftChecks } from "./checks/raft-checks.ts";

/** The node's log, with the checks looking on. */
export class ObservedLog implements WriteAheadLog {
  readonly recovered: ReadonlyMap<GroupId, GroupLog>;

  constructor(
    private readonly node: ReplicaId,
    private readonly log: WriteAheadLog,
    private readonly checks: RaftChecks,
  ) {
    this.recovered = log.recovered;
  }

  read(group: GroupId, from: number, to: number, maxBytes: number): Entry[] {
    return this.log.read(group, from, to, maxBytes);
  }

  flush(records: readonly LogRecord[], onDurable: (error?: Error) => void): void {
    this.checks.flushing(this.node, records);
    this.log.flush(records, (error) => {
      if (error === undefined) this.checks.durable(this.node);
      onDurable(error);
    });
  }
}

/** The state machine, with the checks looking on. They see an entry's outcomes before any client does. */
export class ObservedMachine implements StateMachine<LockResult> {
  private readonly outcomes: LockOutcome[] = [];
  private readonly collect = (outcome: LockOutcome): void => {
    this.outcomes.push(outcome);
  };

  /** @param machine the lock machine, or a planted fault around it */
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
}
