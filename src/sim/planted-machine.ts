import type { ApplyJournal } from "../engine/apply-journal.ts";
import type { Outcome, StateMachine } from "../engine/state-machine.ts";
import { decodeCommand, encodeCommand } from "../locks/codec.ts";
import type { LockResult } from "../locks/types.ts";
import type { Entry } from "../raft/types.ts";

/** What a copy of an operation is renumbered by. */
const COPY = 20_000;

/** Takes a copy of an operation that was proposed again for another operation, and executes it. */
export class TwiceMachine implements StateMachine<LockResult> {
  private readonly seen = new Set<string>();

  constructor(private readonly machine: StateMachine<LockResult>) {}

  apply(entry: Entry, emit: (outcome: Outcome<LockResult>) => void): void {
    if (entry.kind !== "command") {
      this.machine.apply(entry, emit);
      return;
    }
    const envelope = decodeCommand(entry.payload);
    const id = `${envelope.ingress}:${envelope.sequence}`;
    const copied = this.seen.has(id) && envelope.command.type !== "registerIngress";
    this.seen.add(id);
    if (!copied) {
      this.machine.apply(entry, emit);
      return;
    }
    const copy = { ...envelope, sequence: envelope.sequence + COPY, floor: envelope.floor };
    this.machine.apply({ ...entry, payload: encodeCommand(copy) }, (outcome) => {
      emit(outcome.sequence >= COPY ? { ...outcome, sequence: outcome.sequence - COPY } : outcome);
    });
  }

  nextDeadlineMs(): number | undefined {
    return this.machine.nextDeadlineMs();
  }

  digest(): string {
    return this.machine.digest();
  }
}

/** The end of a process that a planted fault brought about: no failure of the run. */
export class PlantedDeath extends Error {
  override name = "PlantedDeath";
}

/** Ends the process at one entry, in the middle of its effects. */
export class PoisonedMachine implements StateMachine<LockResult> {
  constructor(
    private readonly machine: StateMachine<LockResult>,
    private readonly index: number,
  ) {}

  apply(entry: Entry, emit: (outcome: Outcome<LockResult>) => void): void {
    if (entry.index !== this.index) {
      this.machine.apply(entry, emit);
      return;
    }
    this.machine.apply(entry, () => {});
    throw new PlantedDeath(`entry ${entry.index} is poison`);
  }

  nextDeadlineMs(): number | undefined {
    return this.machine.nextDeadlineMs();
  }

  digest(): string {
    return this.machine.digest();
  }
}

/** The process dies before it can write down why, as by a signal. */
export function diesUnseen(journal: ApplyJournal): ApplyJournal {
  return {
    suspect: (group) => journal.suspect(group),
    begin: (group, from, to) => journal.begin(group, from, to),
    end: () => journal.end(),
    threw: (_group, _index, error) => {
      throw new PlantedDeath(error);
    },
    cleared: (group) => journal.cleared(group),
  };
}

/** Loses the effects of one entry. */
export class SkippingMachine implements StateMachine<LockResult> {
  constructor(
    private readonly machine: StateMachine<LockResult>,
    private readonly index: number,
  ) {}

  apply(entry: Entry, emit: (outcome: Outcome<LockResult>) => void): void {
    if (entry.index !== this.index) this.machine.apply(entry, emit);
  }

  nextDeadlineMs(): number | undefined {
    return this.machine.nextDeadlineMs();
  }

  digest(): string {
    return this.machine.digest();
  }
}
