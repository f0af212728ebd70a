import { describe, expect, test } from "bun:test";
import { Applier } from "../../../src/engine/applier.ts";
import { ApplyError, type GroupStop } from "../../../src/engine/group-stop.ts";
import { RaftLog } from "../../../src/raft/log.ts";
import type { Entry } from "../../../src/raft/types.ts";
import { MemoryJournal } from "../../../src/sim/memory-journal.ts";

/** An end that no code of the process sees. */
class Killed extends Error {}

/** One machine, on which processes come and go: each begins with an empty state and the whole log. */
class Machine {
  readonly journal = new MemoryJournal();
  /** What is applied and, if that is an error, thrown. */
  poison = new Map<number, Error>();
  program = "1";

  constructor(private readonly entries: number) {}

  /** A process applies all that it can. @returns how it ended, and what it had applied */
  live(): { applied: number[]; stopped: GroupStop | undefined; error: unknown } {
    this.journal.open(this.program);
    const applied: number[] = [];
    const applier = this.applier(applied);
    let error: unknown;
    try {
      while (applier.hasMore) applier.run();
    } catch (thrown) {
      error = thrown;
    }
    return { applied, stopped: applier.stopped, error };
  }

  /** A process applies some entries and is killed while it has nothing to do. */
  liveAndBeKilledIdle(): void {
    this.journal.open(this.program);
    this.applier([]).run();
  }

  private applier(applied: number[]): Applier<never> {
    const log = new RaftLog(0, { read: () => [] }, undefined, Number.MAX_SAFE_INTEGER);
    for (let index = 1; index <= this.entries; index++) {
      log.append({ index, term: 1, kind: "command", leaseTimeMs: 0, payload: new Uint8Array(1) });
    }
    log.markDurable(this.entries, 1);
    log.commitTo(this.entries);
    const apply = (entry: Entry): void => {
      const end = this.poison.get(entry.index);
      if (end !== undefined) throw end;
      applied.push(entry.index);
    };
    const { journal } = this;
    const unseen = {
      suspect: () => journal.suspect(0),
      begin: (group: number, from: number, to: number) => journal.begin(group, from, to),
      end: () => journal.end(),
      cleared: () => journal.cleared(0),
      threw: (group: number, index: number, error: string) => {
        const end = this.poison.get(index);
        if (end instanceof Killed) throw end;
        return journal.threw(group, index, error);
      },
    };
    return new Applier<never>({
      ...{ group: 0, log, journal: unseen, checkpointEvery: 1_000, supportedLevel: 1 },
      machine: {
        ...{ apply, nextDeadlineMs: () => undefined, digest: () => "", stateHash: () => 0, stateHashFormula: 1 },
        featureLevel: 1,
        ...{ snapshot: () => [], restore: () => ({ take: () => {}, finish: () => {} }) },
      },
      onOutcome: () => {},
      onCheckpoint: () => {},
      onStopped: () => {},
      nowMs: () => 0,
    });
  }
}

const upTo = (last: number): number[] => Array.from({ length: last }, (_, i) => i + 1);

describe("an entry whose apply throws", () => {
  test("ends the process twice, and the third time stops the group and names it", () => {
    const machine = new Machine(700);
    machine.poison.set(403, new Error("no such lock"));
    for (const deaths of [1, 2]) {
      const { error, stopped } = machine.live();
      expect(error).toBeInstanceOf(ApplyError);
      expect(String(error)).toContain(
        `entry 403 of group 0 could not be applied (${deaths} times so far): no such lock`,
      );
      expect(stopped).toBeUndefined();
    }
    const third = machine.live();
    expect(third.stopped).toEqual({ reason: "poisoned", index: 403, deaths: 3, error: "Error: no such lock" });
    expect([third.error, third.applied]).toEqual([undefined, upTo(402)]);
    // And does not try again.
    const fourth = machine.live();
    expect([fourth.stopped, fourth.applied]).toEqual([third.stopped, upTo(402)]);
  });

  test("is tried again by another version of the program", () => {
    const machine = new Machine(20);
    machine.poison.set(7, new Error("x"));
    for (let i = 0; i < 4; i++) machine.live();
    machine.program = "2";
    expect(machine.live().error).toBeInstanceOf(ApplyError);
    machine.poison.clear();
    machine.program = "3";
    expect(machine.live()).toEqual({ applied: upTo(20), stopped: undefined, error: undefined });
  });

  test("is forgotten once it was applied after all", () => {
    const machine = new Machine(20);
    for (let round = 0; round < 4; round++) {
      machine.poison.set(7, new Error("x"));
      expect([machine.live().error, machine.live().error].every((error) => error instanceof ApplyError)).toBe(true);
      machine.poison.clear();
      expect(machine.live().applied).toEqual(upTo(20));
    }
  });

  test("does not count for another entry", () => {
    const machine = new Machine(20);
    for (const index of [7, 9, 7, 9, 11, 7]) {
      machine.poison = new Map([[index, new Error("x")]]);
      expect(machine.live().error).toBeInstanceOf(ApplyError);
    }
  });
});

describe("an entry that kills the process", () => {
  test("is found by applying what was under way one by one, and is not applied a fourth time", () => {
    const machine = new Machine(700);
    machine.poison.set(403, new Killed());
    expect(machine.live().error).toBeInstanceOf(Killed);
    machine.journal.open("1");
    const range = machine.journal.suspect(0);
    expect(range?.deaths).toBe(1);
    expect(range?.from).toBeLessThan(403);
    expect(range?.to).toBeGreaterThan(403);
    expect(machine.live().error).toBeInstanceOf(Killed);
    machine.journal.open("1");
    expect(machine.journal.suspect(0)).toEqual({ from: 403, to: 403, deaths: 2, error: undefined });
    expect(machine.live().error).toBeInstanceOf(Killed);
    const { stopped, applied, error } = machine.live();
    expect(stopped).toEqual({ reason: "poisoned", index: 403, deaths: 3, error: undefined });
    expect([error, applied]).toEqual([undefined, upTo(402)]);
  });

  test("is found whether it stands at the beginning or the end of what was under way", () => {
    for (const index of [1, 256, 257, 512, 700]) {
      const machine = new Machine(700);
      machine.poison.set(index, new Killed());
      for (let i = 0; i < 3; i++) expect(machine.live().error).toBeInstanceOf(Killed);
      expect(machine.live().stopped).toMatchObject({ index, deaths: 3 });
    }
  });

  test("is not confused with a neighbour that throws", () => {
    const machine = new Machine(20);
    machine.poison.set(7, new Killed());
    machine.live();
    machine.poison = new Map([[9, new Error("x")]]);
    machine.live();
    machine.journal.open("1");
    // Both deaths have 9 in common: the first was somewhere among all 20.
    expect(machine.journal.suspect(0)).toMatchObject({ from: 9, to: 9, deaths: 2 });
  });
});

test("a process that is killed with nothing to apply has never died of an entry, however often", () => {
  const machine = new Machine(20);
  for (let i = 0; i < 10; i++) machine.liveAndBeKilledIdle();
  machine.journal.open("1");
  expect(machine.journal.suspect(0)).toBeUndefined();
  expect(machine.live().applied).toEqual(upTo(20));
});
