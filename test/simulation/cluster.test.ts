import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runSeed, type SimOptions, type SimResult } from "../../src/sim/run-seed.ts";
import { Simulation } from "../../src/sim/simulation.ts";
import { Totals } from "../../src/sim/totals.ts";
import { findPlanted } from "../faults/find-planted.ts";
import { runPlanted } from "../faults/plant.ts";
import { plants } from "../faults/plants.ts";
import { readTable } from "../faults/table.ts";
import { recordedSeeds } from "./seeds.ts";

// The machine may be busy; a run that hangs is ended by its own bounds on events and virtual time.
setDefaultTimeout(120_000);

const quick = process.env["MUFAKAT_TEST_QUICK"] === "1";
const seeds = Number(process.env["MUFAKAT_SIM_SEEDS"] ?? (quick ? 100 : 1_000));
/** So many must not find a harmless one. */
const HARMLESS_SEEDS = 100;
/** Seeds of one test: a failure then says at once where. */
const BATCH = 100;

/** Throws with all that a person needs to go on. */
function run(options: SimOptions): SimResult {
  return passed(runSeed(options));
}

function passed(result: SimResult): SimResult {
  const { failure } = result;
  if (failure === undefined) return result;
  throw new Error(
    `${failure.events.join("\n")}\n${failure.stack}\n\nreplay: npm run sim -- ${failure.replay}\nhash ${result.fingerprint}`,
  );
}

const totals = new Totals();
afterAll(() => console.log(totals.text()));

describe("a simulated cluster", () => {
  test("passes every seed that ever failed", () => {
    for (const seed of recordedSeeds) run(seed);
  });

  for (let first = 1; first <= seeds; first += BATCH) {
    const last = Math.min(first + BATCH - 1, seeds);
    test(`keeps every promise and recovers, seeds ${first} to ${last}`, () => {
      for (let seed = first; seed <= last; seed++) totals.add(run({ seed }));
    });
  }

  test("keeps every promise with one and with seven nodes", () => {
    for (let seed = 1; seed <= (quick ? 4 : 15); seed++) {
      run({ seed, nodes: 1, events: 1500 });
      run({ seed, nodes: 7 });
    }
  });

  test("does the same again for the same seed, and something else for another", () => {
    const fingerprints = [11, 12, 13, 11, 12, 13].map((seed) => run({ seed }).fingerprint);
    expect(fingerprints.slice(3)).toEqual(fingerprints.slice(0, 3));
    expect(new Set(fingerprints).size).toBe(3);
  });

  test("meets elections, crashes, transfers, snapshots, changes of its members, contention and deadlocks", () => {
    const ends = new Set<string>();
    let elections = 0;
    let crashes = 0;
    let handovers = 0;
    let stateChecks = 0;
    let snapshots = 0;
    let installs = 0;
    const changes = { joins: 0, leaves: 0, replacements: 0 };
    let amnesiacs = 0;
    let undecided = 0;
    for (let seed = 1; seed <= 100; seed++) {
      const { figures } = run({ seed });
      elections += figures.elections;
      crashes += figures.crashes.process + figures.crashes.power;
      handovers += figures.handovers;
      stateChecks += figures.stateChecks;
      snapshots += figures.snapshots.taken;
      installs += figures.snapshots.installed;
      changes.joins += figures.changes.joins;
      changes.leaves += figures.changes.leaves;
      changes.replacements += figures.changes.replacements;
      amnesiacs += figures.amnesiacs;
      undecided += figures.undecided;
      for (const end of figures.ends.keys()) ends.add(end);
    }
    expect(elections).toBeGreaterThan(150);
    expect(crashes).toBeGreaterThan(150);
    expect(handovers).toBeGreaterThan(40);
    expect(stateChecks).toBeGreaterThan(500);
    expect(snapshots).toBeGreaterThan(500);
    expect(installs).toBeGreaterThan(30);
    expect(Math.min(changes.joins, changes.leaves)).toBeGreaterThan(15);
    expect(changes.replacements).toBeGreaterThan(0);
    expect(amnesiacs).toBeGreaterThan(0);
    // What is not judged is not checked.
    expect(undecided).toBe(0);
    for (const end of [
      "granted",
      "grantedAll",
      "permitsGranted",
      "semaphore_limit",
      "permits_conflict",
      "deadlock",
      "upgrade_conflict",
      "lock_held",
      "stale_token",
      "session_expired",
      "disk_full",
    ]) {
      expect(ends).toContain(end);
    }
  });
});

describe("a simulated cluster with queues", () => {
  const count = Math.ceil(seeds / 4);
  for (let first = 1; first <= count; first += BATCH) {
    const last = Math.min(first + BATCH - 1, count);
    test(`loses nothing, delivers nothing too often and keeps its order, seeds ${first} to ${last}`, () => {
      for (let seed = first; seed <= last; seed++) totals.add(run({ seed, queues: true }));
    });
  }

  test("meets deliveries that are acked, given back and given up, dead letters, snapshots, and shards that move", () => {
    const messages = { published: 0, delivered: 0, acked: 0 };
    const ends = new Map<string, number>();
    let changes = 0;
    for (let seed = 1; seed <= 30; seed++) {
      const simulation = new Simulation(seed, undefined, {}, true);
      simulation.run(5_000);
      messages.published += simulation.shardJudge.published;
      messages.delivered += simulation.shardJudge.deliveries;
      messages.acked += simulation.shardJudge.acked;
      changes += simulation.shardChecks?.raft.members.changes ?? 0;
      for (const [end, times] of simulation.queues?.ends ?? []) ends.set(end, (ends.get(end) ?? 0) + times);
    }
    expect(messages.published).toBeGreaterThan(300);
    expect(messages.delivered).toBeGreaterThan(messages.acked + 100);
    expect(messages.acked).toBeGreaterThan(250);
    expect(changes).toBeGreaterThan(20);
    for (const end of ["received", "settled", "counted", "abandoned", "answer lost", "connection lost"]) {
      expect(ends.get(end) ?? 0).toBeGreaterThan(0);
    }
  });
});

describe("the checks of the simulator", () => {
  const table = readTable(readFileSync(join(import.meta.dir, "..", "..", "docs", "testing.md"), "utf8"));
  const names = (harmless: boolean): string[] =>
    Object.keys(plants).filter((name) => (plants[name]?.harmless ?? false) === harmless);

  test.each(names(false))("find the planted fault %s", (name) => {
    const plant = plants[name]!;
    expect(findPlanted(name, plant, table.get(name)?.seeds)).toBeDefined();
  });

  test.each(names(true))("find nothing in %s, which the rules allow", (name) => {
    for (let seed = 1; seed <= (quick ? 10 : HARMLESS_SEEDS); seed++) passed(runPlanted({ seed }, name, plants[name]!));
  });
});
