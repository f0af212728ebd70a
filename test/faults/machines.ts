import type { ApplyJournal } from "../../src/engine/apply-journal.ts";
import type { StateMachine } from "../../src/engine/state-machine.ts";
import { decodeCommand, encodeCommand } from "../../src/locks/codec.ts";
import type { Deadlines } from "../../src/locks/deadlines.ts";
import type { LockMachine } from "../../src/locks/lock-machine.ts";
import { changes } from "../../src/locks/transitions.ts";
import type { LockResult, LockWish } from "../../src/locks/types.ts";

/** What a copy of an operation is renumbered by. */
const COPY = 20_000;

type Machine = StateMachine<LockResult>;

/** The machine, but for how it applies an entry. */
export function withApply<Result>(
  machine: StateMachine<Result>,
  apply: StateMachine<Result>["apply"],
): StateMachine<Result> {
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

/** A state that came in a snapshot lacks what fences have seen. */
export function forgettingFences(machine: LockMachine): Machine {
  return Object.assign(
    withApply(machine, (entry, emit) => machine.apply(entry, emit)),
    {
      restore() {
        const restoration = machine.restore();
        return {
          take: (bytes: Uint8Array) => restoration.take(bytes),
          finish() {
            restoration.finish();
            const fences = machine["state"].fences["byResource"];
            for (const fence of [...fences.values()]) fences.remove(fence);
          },
        };
      },
    },
  );
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

/** Of what is due at one moment the last ends first. */
export function unordered(machine: LockMachine): Machine {
  return withApply(machine, (entry, emit) => {
    // No production code may reach in here. A restored machine has another state.
    const { deadlines } = machine["state"];
    if (!Object.hasOwn(deadlines, "popDue")) deadlines.popDue = (nowMs) => popLast(deadlines, nowMs);
    machine.apply(entry, emit);
  });
}

function popLast(deadlines: Deadlines, nowMs: number): ReturnType<Deadlines["popDue"]> {
  const due = deadlines["heap"]["elements"].filter(({ deadlineMs }) => deadlineMs <= nowMs);
  const last = due.toSorted((a, b) => b.serial - a.serial)[0];
  if (last === undefined) return undefined;
  deadlines["transitions"].note(changes.due, last.serial);
  deadlines["heap"].remove(last);
  return last;
}

/** Takes the first lock of several, and says that all are taken. */
export function firstLockAlone(machine: LockMachine): Machine {
  return withApply(machine, (entry, emit) => {
    const cut = entry.kind === "command" ? firstLockOnly(entry.payload) : undefined;
    machine.apply(cut === undefined ? entry : { ...entry, payload: cut.payload }, (outcome) => {
      const { result } = outcome;
      if (result?.type !== "grantedAll" || cut === undefined) return emit(outcome);
      const grants = cut.locks.flatMap((lock) => result.grants.map((grant) => ({ ...grant, ...lock })));
      emit({ ...outcome, result: { ...result, grants } });
    });
  });
}

/** The multi-lock as if its first lock were all of it; undefined for any other command. */
function firstLockOnly(
  payload: Uint8Array,
): { readonly payload: Uint8Array; readonly locks: readonly LockWish[] } | undefined {
  const envelope = decodeCommand(payload);
  const { command } = envelope;
  if (command.type !== "acquireAll") return undefined;
  const locks = command.locks.slice(0, 1);
  return { payload: encodeCommand({ ...envelope, command: { ...command, locks } }), locks: command.locks };
}
