import { describe, expect, test } from "bun:test";
import { limits } from "../../../src/kernel/limits.ts";
import { Prng } from "../../../src/kernel/prng.ts";
import { LockMachine } from "../../../src/locks/lock-machine.ts";
import type { LockOutcome } from "../../../src/locks/state.ts";
import { type RandomEntry, encodeEntry, randomLog } from "./random-log.ts";
import { contentOf, restoreInto } from "./snapshots.ts";

const SEEDS = 15;
const ENTRIES = 400;
/** Small, so that every limit is met, too. */
const tight = { ...limits, maxHolds: 9, maxWaiters: 12, maxIdempotencyKeys: 9, maxExpiriesPerEntry: 3 };

function applyAll(machine: LockMachine, log: readonly RandomEntry[], from = 0): LockMachine {
  for (const [i, entry] of log.entries()) machine.apply(encodeEntry(entry, from + i + 1), () => {});
  return machine;
}

/** Applies to all of them, and expects that nothing tells them apart. */
function expectSame(machines: readonly LockMachine[], log: readonly RandomEntry[], from: number): void {
  const [first, ...others] = machines.map((machine) => ({ machine, told: [] as LockOutcome[] }));
  for (const [i, entry] of log.entries()) {
    const index = from + i + 1;
    for (const { machine, told } of [first!, ...others]) {
      told.length = 0;
      machine.apply(encodeEntry(entry, index), (outcome) => told.push(outcome));
    }
    for (const { machine, told } of others) {
      expect(told).toEqual(first!.told);
      expect(machine.stateHash()).toBe(first!.machine.stateHash());
      expect(machine.nextDeadlineMs()).toBe(first!.machine.nextDeadlineMs());
      if (index % 7 !== 0) continue;
      expect(machine.digest()).toBe(first!.machine.digest());
      expect(viewsOf(machine)).toEqual(viewsOf(first!.machine));
    }
  }
}

function viewsOf(machine: LockMachine): unknown {
  const locks = machine.page({ prefix: "", after: "", limit: 100 });
  const semaphores = ["p0", "p1"].map((name) => machine.semaphore(name));
  const { counts, appliedIndex, leaseTimeMs, undecodable } = machine;
  const edges = machine.waitForGraph(1_000);
  return {
    locks,
    semaphores,
    sessions: machine.sessions(0, 100),
    edges,
    counts,
    appliedIndex,
    leaseTimeMs,
    undecodable,
  };
}

describe("a machine that was restored", () => {
  test("goes on exactly as the one whose snapshot it is, whatever it was before (PROTOCOLS R9)", () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = new Prng(seed);
      const bounds = random.chance(0.5) ? tight : limits;
      const log = randomLog(seed, ENTRIES);
      const cut = random.int(log.length);
      const original = applyAll(new LockMachine(bounds), log.slice(0, cut));
      const content = contentOf(original);
      const fresh = restoreInto(new LockMachine(bounds), content, 1 + random.int(content.length + 1));
      const other = restoreInto(applyAll(new LockMachine(bounds), randomLog(seed + 1_000, 200)), content);
      expect(fresh.digest()).toBe(original.digest());
      expect(viewsOf(fresh)).toEqual(viewsOf(original));
      expect(contentOf(fresh)).toEqual(content);
      expectSame([original, fresh, other], log.slice(cut), cut);
      // Who came by way of a restoration writes the same bytes as who applied it all.
      expect(contentOf(fresh)).toEqual(contentOf(original));
      expect(contentOf(other)).toEqual(contentOf(original));
    }
  });
});
