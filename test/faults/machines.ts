import type { ApplyJournal } from "../../src/engine/apply-journal.ts";
import type { StateMachine } from "../../src/engine/state-machine.ts";
import { decodeCommand, encodeCommand } from "../../src/locks/codec.ts";
import type { LockResult } from "../../src/locks/types.ts";

/** What a copy of an operation is renumbered by. */
const COPY = 20_000;

type Machine = StateMachine<LockResult>;

/** The machine, but for how it applies an entry. */
export function withApply(machine: Machine, apply: Machine["apply"]): Machine {
  return {
    apply,
    nextDeadlineMs: () => machine.nextDeadlineMs(),
    digest: () => machine.digest(),
    stateHash: () => machine.stateHash(),
    stateHashFormula: machine.stateHashFormula,
    get featureLevel() {
      return machine.featureLevel;
    },
    snapshot: () => machine.snapshot(),
    restore: () => machine.restore(),
  };
}

/** Takes a copy of an operation that was proposed again for another operation, and executes it. */
export function executingTwice(machine: Machine): Machine {
  const seen = new Set<string>();
  return withApply(machine, (entry, emit) => {
    if (entry.kind !== "command") {
      machine.apply(entry, emit);
      return;
    }
    const envelope = decodeCommand(entry.payload);
    const id = `${envelope.ingress}:${envelope.sequence}`;
    const copied = seen.has(id) && envelope.command.type !== "registerIngress";
    seen.add(id);
    if (!copied) {
      machine.apply(entry, emit);
      return;
    }
    const copy = { ...envelope, sequence: envelope.sequence + COPY, floor: envelope.floor };
    machine.apply({ ...entry, payload: encodeCommand(copy) }, (outcome) => {
      emit(outcome.sequence >= COPY ? { ...outcome, sequence: outcome.sequence - COPY } : outcome);
    });
  });
}

/** Loses the effects of one entry. */
export function skipping(machine: Machine, index: number): Machine {
  return withApply(machine, (entry, emit) => {
    if (entry.index !== index) machine.apply(entry, emit);
  });
}

/** The end of a process that a planted fault brought about: no failure of the run. */
class PlantedDeath extends Error {
  override name = "PlantedDeath";
}

export function meansDeath(cause: unknown): boolean {
  return cause instanceof PlantedDeath;
}

/** Ends the process at one entry, in the middle of its effects. */
export function poisoned(machine: Machine, index: number): Machine {
  return withApply(machine, (entry, emit) => {
    if (entry.index !== index) {
      machine.apply(entry, emit);
      return;
    }
    machine.apply(entry, () => {});
    throw new PlantedDeath(`entry ${entry.index} is poison`);
  });
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
