import { describe, expect, test } from "bun:test";
import type { SnapshotFailure, SnapshotOrder } from "../../../src/engine/snapshot-maker.ts";
import { SnapshotMaking } from "../../../src/engine/snapshot-making.ts";
import type { StateMachine } from "../../../src/engine/state-machine.ts";
import { LockMachine } from "../../../src/locks/lock-machine.ts";
import type { Entry, Snapshot } from "../../../src/raft/types.ts";
import { MemorySnapshotFiles } from "../../../src/sim/memory-snapshot-files.ts";
import { LogCorruptError } from "../../../src/wal/errors.ts";
import { readSnapshot, SnapshotStore } from "../../../src/wal/snapshot-store.ts";
import { encodeEntry, randomLog } from "../locks/random-log.ts";
import { contentOf } from "../locks/snapshots.ts";

const configuration = { voters: [1, 2, 3], learners: [] };
const log: readonly Entry[] = randomLog(7, 600).map((entry, i) => ({ ...encodeEntry(entry, i + 1), term: 1 }));

/** The state as of an entry, as the loop has it. */
function machineAt(index: number): LockMachine {
  const machine = new LockMachine();
  for (const entry of log.slice(0, index)) machine.apply(entry, () => {});
  return machine;
}

function orderFor(index: number, base?: Snapshot): SnapshotOrder {
  const from = (base?.index ?? 0) + 1;
  const { term, leaseTimeMs } = log[index - 1]!;
  return {
    ...{ group: 0, base, excerpt: { group: 0, from, to: index, segments: [], positions: [] } },
    point: { index, term, leaseTimeMs, configuration },
    stateHash: machineAt(index).stateHash(),
  };
}

interface Made {
  readonly failure: SnapshotFailure | undefined;
  readonly snapshot: Snapshot | undefined;
}

class Workshop {
  readonly files = new MemorySnapshotFiles();
  machine: StateMachine<unknown> = new LockMachine();
  read: (from: number, to: number) => Entry[] = (from, to) => log.slice(from - 1, Math.min(to, from + 49));

  make(order: SnapshotOrder): Made {
    const ends: Made[] = [];
    const entries = { read: (_group: number, from: number, to: number) => this.read(from, to) };
    const parts = { machine: this.machine, files: this.files, entries };
    const making = new SnapshotMaking(order, parts, (failure, snapshot) => ends.push({ failure, snapshot }));
    while (making.step());
    expect(ends).toHaveLength(1);
    this.machine = new LockMachine();
    return ends[0]!;
  }
}

describe("a snapshot that is made beside the loop", () => {
  test("has the very bytes that the loop's machine would write, from the beginning or from the one before", () => {
    const workshop = new Workshop();
    let base: Snapshot | undefined;
    for (const index of [200, 430, 600]) {
      const { snapshot } = workshop.make(orderFor(index, base));
      expect(snapshot).toMatchObject({ index, configuration });
      const wanted = contentOf(machineAt(index));
      expect(readSnapshot(workshop.files, 0, snapshot!, 0, snapshot!.totalBytes)).toEqual(wanted);
      base = snapshot;
    }
    expect(new SnapshotStore(workshop.files).newest(0)).toEqual(base);
  });

  test("is none when its state is not the loop's (PROTOCOLS R8)", () => {
    const workshop = new Workshop();
    workshop.read = (from, to) => log.slice(from - 1, to).map((entry) => ({ ...entry, leaseTimeMs: 1 }));
    expect(workshop.make(orderFor(300)).failure).toMatchObject({ reason: "diverged" });
    expect(workshop.files.list()).toEqual([]);
  });

  test("is none when the one before is damaged, be it so that it still can be read", () => {
    const workshop = new Workshop();
    const { snapshot: base } = workshop.make(orderFor(200));
    const name = workshop.files.list()[0] ?? "";
    for (const fromEnd of [1, 40, base!.totalBytes]) {
      const at = workshop.files.size(name) - fromEnd;
      const [byte = 0] = workshop.files.read(name, at, 1);
      workshop.files.write(name, at, Uint8Array.of(byte ^ 0x10));
      expect(workshop.make(orderFor(300, base)).failure).toMatchObject({ reason: "damaged" });
      workshop.files.write(name, at, Uint8Array.of(byte));
    }
    expect(workshop.make(orderFor(300, base)).failure).toBeUndefined();
  });

  test("is none when the log is damaged, or there is no room, and leaves nothing behind", () => {
    const workshop = new Workshop();
    workshop.read = () => {
      throw new LogCorruptError("segment", 1, "a bit");
    };
    expect(workshop.make(orderFor(300)).failure).toMatchObject({ reason: "damaged" });
    const full = new Workshop();
    full.files.roomBytes = 100;
    expect(full.make(orderFor(300)).failure).toMatchObject({ reason: "noRoom" });
    expect(full.files.list()).toEqual([]);
  });

  test("is none when the state machine dies of an entry", () => {
    const workshop = new Workshop();
    workshop.machine.apply = () => {
      throw new Error("a poisonous entry");
    };
    expect(workshop.make(orderFor(300)).failure).toEqual({ reason: "died", message: "Error: a poisonous entry" });
  });
});
