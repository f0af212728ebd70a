import { describe, expect, test } from "bun:test";
import { limits } from "../../../src/kernel/limits.ts";
import { Prng } from "../../../src/kernel/prng.ts";
import { LockMachine } from "../../../src/locks/lock-machine.ts";
import type { LockOutcome } from "../../../src/locks/state.ts";
import { Harness, NODE1, once, owner, session } from "./harness.ts";
import { encodeEntry, type RandomEntry, randomLog } from "./random-log.ts";
import { contentOf, restoreInto } from "./snapshots.ts";

const SEEDS = 40;
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
      // A retry is answered with the very text of the first answer: the order of fields, too.
      expect(JSON.stringify(told)).toBe(JSON.stringify(first!.told));
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
  test("goes on exactly as the one whose snapshot it is, whatever it was before", () => {
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

  /** The harness goes on with a restored twin beside its machine: what they are then given must leave them the same. */
  function restoredTwin(h: Harness): LockMachine {
    return restoreInto(h.twin, contentOf(h.machine));
  }

  function expectTwins(h: Harness): void {
    expect(h.twin.digest()).toBe(h.machine.digest());
    expect(h.twin.stateHash()).toBe(h.machine.stateHash());
    expect(contentOf(h.twin)).toEqual(contentOf(h.machine));
  }

  test("remembers what operations came to: one that is proposed again is answered, not executed (PROTOCOLS Q1)", () => {
    const h = new Harness();
    h.acquire("x", owner("a"), { envelope: { sequence: 40, idempotencyKey: "k" } });
    const machine = restoreInto(new LockMachine(), contentOf(h.machine));
    const told: LockOutcome[] = [];
    const again = h.log.at(-1)!;
    machine.apply({ ...again, index: again.index + 1 }, (outcome) => told.push(outcome));
    expect(told).toEqual([{ ingress: NODE1, sequence: 40, result: h.resultOf(40)! }]);
    expect(machine.counts.holds).toBe(1);
  });

  test("answers permits that are asked for again with the very text of the first answer", () => {
    const h = new Harness();
    h.permits("p", "2/3", owner("a"), { envelope: { sequence: 40 } });
    const machine = restoreInto(new LockMachine(), contentOf(h.machine));
    const again = h.log.at(-1)!;
    const told: LockOutcome[] = [];
    machine.apply({ ...again, index: again.index + 1 }, (outcome) => told.push(outcome));
    expect(JSON.stringify(told[0]?.result)).toBe(JSON.stringify(h.resultOf(40)));
  });

  test("gives out later tokens than before (PROTOCOLS L2)", () => {
    const h = new Harness();
    const token = h.token("x", owner("a"));
    restoredTwin(h);
    h.release("x", owner("a"));
    expect(h.token("x", owner("b"))).toBe(token + 1);
    expect(h.twin.view("x").fencingToken).toBe(token + 1);
    expectTwins(h);
  });

  test("gives back what was granted together in the order in which it was granted", () => {
    const h = new Harness();
    const sequence = h.next();
    h.acquireAll(["z", "x", "y"], once("m"), { envelope: { sequence } });
    for (const lock of ["x", "y", "z"]) h.wait(lock, owner(`w${lock}`));
    restoredTwin(h);
    h.cancel(sequence);
    const granted = h.last.flatMap(({ result }) => (result?.type === "granted" ? [result.lock] : []));
    expect(granted).toEqual(["z", "x", "y"]);
    expectTwins(h);
  });

  test("knows the serial of a key that was forgotten while its hold lives on", () => {
    const h = new Harness();
    h.open("s", limits.maxTtlMs);
    h.acquire("x", session("s"), { envelope: { idempotencyKey: "k" } });
    h.nowMs = limits.idempotencyKeyKeepMs + 1;
    h.entry("time");
    restoredTwin(h);
    expectTwins(h);
    h.release("x", session("s"));
    expectTwins(h);
  });

  test("shows the same cycle of the same deadlock: who waits for permits of several waits in an order of its own", () => {
    const h = new Harness();
    h.permits("p", "2/2", owner("h"));
    h.permits("q", "2/2", owner("h"));
    h.waitPermits("q", "1/2", owner("stands first in q"));
    h.acquire("x", owner("w"));
    for (const [semaphore, share] of [
      ["p", "1/2"],
      ["q", "1/2"],
      ["q", "2/2"],
    ] as const) {
      h.waitPermits(semaphore, share, owner("w"));
    }
    restoredTwin(h);
    expectTwins(h);
    expect(h.acquire("x", owner("h"), { waitMs: 1_000 })).toMatchObject({
      code: "deadlock",
      cycle: [{}, { lock: "p" }],
    });
    expectTwins(h);
  });

  test("writes the same whichever node took requests first", () => {
    const h = new Harness();
    h.register(77, "node0");
    h.register(78, "node0");
    restoredTwin(h);
    expectTwins(h);
    const other = new LockMachine();
    const [node1, ...node0] = h.log;
    for (const [i, entry] of [...node0, node1!].entries()) other.apply({ ...entry, index: i + 1 }, () => {});
    // Behind the hash of transitions, which tells histories apart.
    expect(contentOf(other).slice(31)).toEqual(contentOf(h.machine).slice(31));
  });
});

describe("an observer of a lock", () => {
  test("is told when the state is another one, also of a lock that nobody holds", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    const machine = new LockMachine();
    const seen: string[] = [];
    const end = machine.observe("x", () => seen.push(`x ${machine.view("x").holders.length}`));
    machine.observe("y", () => seen.push("y"));
    const restoration = machine.restore();
    restoration.take(contentOf(h.machine));
    expect(seen).toEqual([]);
    restoration.finish();
    expect(seen).toEqual(["x 1", "y"]);
    end();
    restoreInto(machine, contentOf(h.machine));
    expect(seen).toEqual(["x 1", "y", "y"]);
  });
});

describe("a piece", () => {
  test("has the size of a chunk at most, also of long lists: of operations, places, names in a result", () => {
    const h = new Harness();
    h.open("s");
    for (let i = 0; i < 3_000; i++) h.acquire(`${"long-name-".repeat(20)}${i}`, session("s"));
    h.acquire("hot", owner("a"));
    for (let i = 0; i < 3_000; i++) h.wait("hot", once(`w${i}`));
    for (let i = 0; i < 3_000; i++) h.wait("hot", owner("b"));
    h.run({ type: "closeSession", session: "s" });
    const pieces = [...h.machine.snapshot()];
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(limits.maxSnapshotChunkBytes);
    expect(pieces.length).toBeGreaterThan(10);
    expect(restoreInto(h.twin, contentOf(h.machine), 1_000).digest()).toBe(h.machine.digest());
  });
});

/** Both go on with the state of a restored cluster. */
function raised(h: Harness): void {
  for (const machine of [h.machine, h.twin]) {
    const restored = restoreInto(new LockMachine(), contentOf(machine));
    restored.raiseGeneration(0);
    restoreInto(machine, contentOf(restored));
  }
}

describe("a generation", () => {
  test("that is raised renews the token of whoever asks again, or joins: others may have had larger ones meanwhile", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    const shared = h.token("r", owner("a"), { mode: "shared" });
    h.permits("p", "1/2", owner("a"));
    raised(h);
    const floor = 2 ** 40;
    // Nobody is told of what nobody asks for.
    expect([h.machine.view("x").fencingToken, h.machine.view("r").fencingToken]).toEqual([shared - 1, shared]);
    expect(h.token("x", owner("a"))).toBe(floor + 1);
    expect(h.token("x", owner("a"))).toBe(floor + 1);
    expect(h.token("r", owner("b"), { mode: "shared" })).toBe(floor + 2);
    expect(h.token("r", owner("c"), { mode: "shared" })).toBe(floor + 2);
    expect(h.permits("p", "1/2", owner("a"))).toMatchObject({ fencingToken: floor + 3 });
    expect(h.permits("p", "1/2", owner("a"))).toMatchObject({ fencingToken: floor + 3 });
    expect([h.twin.digest(), h.twin.stateHash()]).toEqual([h.machine.digest(), h.machine.stateHash()]);
    // Who reads since before gives back by the token that it knows; who joined only by its own.
    expect(h.release("r", owner("b"), floor + 1)).toMatchObject({ code: "stale_token" });
    expect(h.release("r", owner("a"), shared)).toMatchObject({ type: "released" });
    expect(h.release("x", owner("a"), shared - 1)).toMatchObject({ code: "stale_token", highest: floor + 1 });
    expect(restoreInto(h.twin, contentOf(h.machine)).digest()).toBe(h.machine.digest());
  });

  test("that is raised gives larger tokens than all before, to whoever restores it, and shows in the hash", () => {
    const h = new Harness();
    const before = h.token("x", owner("a"));
    const [made, again] = [0, 1].map(() => {
      const machine = restoreInto(new LockMachine(), contentOf(h.machine));
      expect(machine.raiseGeneration(0)).toBeUndefined();
      return machine;
    });
    expect(contentOf(made!)).toEqual(contentOf(again!));
    expect(made!.stateHash()).not.toBe(h.machine.stateHash());
    restoreInto(h.machine, contentOf(made!));
    expect(h.machine.generation).toBe(1);
    expect(h.machine.view("x").fencingToken).toBe(before);
    expect(h.token("y", owner("b"))).toBe(2 ** 40 + 1);
    h.release("x", owner("a"));
    expect(h.token("x", owner("b"))).toBe(2 ** 40 + 2);
  });

  test("is that of the day, or one more than it was, and no clock uses all of them up", () => {
    const generation = (wallMs: number, before = 0): number => {
      const machine = new LockMachine();
      for (let i = 0; i < before; i++) machine.raiseGeneration(0);
      machine.raiseGeneration(wallMs);
      return machine.generation;
    };
    const day = Date.UTC(2026, 11, 31, 23, 59);
    expect([generation(day), generation(day, 500), generation(0), generation(-1)]).toEqual([364, 501, 1, 1]);
    expect(generation(Date.UTC(9_999, 0, 1))).toBe(limits.maxGenerations - 1_024);
  });

  test("is refused where tokens would cease to be exact integers", () => {
    const machine = new LockMachine();
    for (let i = 1; i < limits.maxGenerations; i++) expect(machine.raiseGeneration(0)).toBeUndefined();
    const before = machine.stateHash();
    expect(machine.raiseGeneration(0)).toEqual({ type: "error", code: "limit", limit: "maxGenerations" });
    expect(machine.generation).toBe(limits.maxGenerations - 1);
    expect(machine.stateHash()).toBe(before);
    expect(Number.isSafeInteger(limits.maxGenerations * 2 ** 40 - 1)).toBe(true);
    expect(restoreInto(new LockMachine(), contentOf(machine)).generation).toBe(machine.generation);
  });
});
