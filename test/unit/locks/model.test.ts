import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import type { LockMachine } from "../../../src/locks/lock-machine.ts";
import type { LockGrant, LockResult } from "../../../src/locks/types.ts";
import type { LockModel } from "./model.ts";
import type { ModelEnd } from "./model-records.ts";
import { acquireStep, LOCKS, people, Run, SEMAPHORES, step, type Step } from "./model-run.ts";

// The machine may be busy.
setDefaultTimeout(120_000);

const runs = Number(process.env["MUFAKAT_MODEL_RUNS"] ?? 1_000);
const steps = (arbitrary: fc.Arbitrary<Step>, maxLength: number): fc.Arbitrary<Step[]> =>
  fc.array(arbitrary, { minLength: 1, maxLength, size: "max" });

/** All that can be seen, as lines. */
function seenOf(machine: LockMachine): string[] {
  const locks = LOCKS.map((name) => {
    const { holders, waiters, fencingToken, value, revision } = machine.view(name);
    const people = [holders, waiters].map((list) => list.map(({ owner, mode }) => `${owner}/${mode}`).join());
    return `${name} held by ${people[0]} token ${fencingToken} value ${value} at ${revision}, wanted by ${people[1]}`;
  });
  const semaphores = SEMAPHORES.map((name) => {
    const { limit, available, holders, waiters } = machine.semaphore(name);
    const held = holders.map(({ owner, slots, fencingToken }) => `${owner}/${slots.join("+")}/${fencingToken}`);
    const wanted = waiters.map(({ owner, permits }) => `${owner}/${permits}`);
    return `${name} of ${limit} free ${available} held by ${held.join()}, wanted by ${wanted.join()}`;
  });
  const { holds, waiters } = machine.counts;
  return [...locks, ...semaphores, `${holds} holds, ${waiters} places, until ${machine.nextDeadlineMs()}`];
}

function seenOfModel(model: LockModel): string[] {
  const locks = LOCKS.map((name) => {
    const holds = model.holdersOf(name);
    const held = holds.map(({ who, mode }) => `${model.shown(who)}/${mode}`).join();
    const wanted = model.waits.flatMap(({ who, wishes }) =>
      wishes.filter(({ lock }) => lock === name).map(({ mode }) => `${model.shown(who)}/${mode}`),
    );
    const revision = holds.length === 0 ? 0 : model.revisions.get(name);
    const shown = `token ${holds[0]?.token} value ${model.values.get(name)} at ${revision}`;
    return `${name} held by ${held} ${shown}, wanted by ${wanted.join()}`;
  });
  const semaphores = SEMAPHORES.map((name) => {
    const holds = model.permits.filter((hold) => hold.semaphore === name);
    const waits = model.waits.filter((wait) => wait.semaphore === name);
    const limit = [...holds, ...waits][0]?.limit;
    const available = limit === undefined ? undefined : limit - holds.flatMap(({ slots }) => slots).length;
    const held = holds.map(({ who, slots, token }) => `${model.shown(who)}/${slots.join("+")}/${token}`);
    const wanted = waits.map(({ who, permits }) => `${model.shown(who)}/${permits}`);
    return `${name} of ${limit} free ${available} held by ${held.join()}, wanted by ${wanted.join()}`;
  });
  const { holds, permits, waits, sessions, keys } = model;
  const places = waits.reduce((sum, { wishes }) => sum + Math.max(1, wishes.length), 0);
  const ends = [...holds, ...permits, ...waits, ...sessions.values(), ...keys.values()].flatMap(
    (item) => item.endsMs ?? [],
  );
  const first = ends.length === 0 ? undefined : Math.min(...ends);
  return [...locks, ...semaphores, `${holds.length + permits.length} holds, ${places} places, until ${first}`];
}

/** A result as the model tells it. */
function endOf(result: LockResult | undefined): ModelEnd | undefined {
  switch (result?.type) {
    case "granted":
      return { code: result.type, tokens: [result.fencingToken] };
    case "grantedAll":
      return { code: result.type, tokens: result.grants.map(({ fencingToken }) => fencingToken) };
    case "permitsGranted":
      return { code: result.type, tokens: [result.fencingToken], slots: result.slots };
    case "error":
      if (result.code === "stale_token") return { code: result.code, tokens: [result.highest] };
      if (result.code === "lock_held" || result.code === "upgrade_conflict")
        return { code: result.code, lock: result.lock };
      return { code: result.code };
    default:
      return result === undefined ? undefined : { code: result.type };
  }
}

function checkEnd(run: Run, operation: number): void {
  const { stuck: _stuck, ...end } = run.model.ends.get(operation) ?? { code: "none" };
  const told = `${operation}: ${JSON.stringify(endOf(run.results.get(operation)))}`;
  const due = `${operation}: ${JSON.stringify(end)}`;
  if (told !== due) expect(told).toBe(due);
}

function check(run: Run): void {
  const { model, machine } = run;
  for (const operation of model.ended) checkEnd(run, operation);
  model.ended.clear();
  const seen = seenOf(machine).join("\n");
  const due = seenOfModel(model).join("\n");
  if (seen !== due) expect(seen).toBe(due);
  // What the rules are for: nobody waits for nothing, and nobody for ever.
  if (model.isLazy) expect(model.waits).toEqual([]);
  if (model.waits.length > 0) expect(model.stuck()).toEqual([]);
}

function checkAll(all: readonly Step[], run: Run): void {
  for (const next of all) {
    run.take(next);
    check(run);
  }
  for (const operation of run.model.ends.keys()) checkEnd(run, operation);
  expect(run.twin.digest()).toBe(run.machine.digest());
}

/** Two sessions, and requests that wait for long. */
function inEachOthersWay(count: number, all: readonly Step[]): [Step[], Run] {
  const run = new Run(count);
  for (const session of ["s", "t"]) run.take({ do: "open", session });
  return [all.map((next) => ("waitMs" in next ? { ...next, waitMs: 50_000 } : next)), run];
}

describe("the lock machine (L1–L8, Q1, T2)", () => {
  test("does what the plain model does, step by step", () => {
    fc.assert(
      fc.property(steps(step, 70), people, (all, count) => checkAll(all, new Run(count))),
      { numRuns: runs },
    );
  });

  test("does so also where all wait for each other", () => {
    fc.assert(
      fc.property(steps(acquireStep, 40), people, (all, count) => checkAll(...inEachOthersWay(count, all))),
      { numRuns: runs },
    );
  });

  test("does so also where all wait for each other, let go and try again", () => {
    const letGo = fc.oneof({ weight: 3, arbitrary: acquireStep }, { weight: 2, arbitrary: step });
    fc.assert(
      fc.property(steps(letGo, 70), people, (all, count) => checkAll(...inEachOthersWay(count, all))),
      { numRuns: runs },
    );
  });

  test("tells a deadlock by a chain in which each waits for the next, and all are stuck (L4)", () => {
    const found = { locks: 0, semaphores: 0 };
    fc.assert(
      fc.property(steps(acquireStep, 40), (asked) => {
        const [all, run] = inEachOthersWay(7, asked);
        for (const next of all) run.take(next);
        for (const [operation, result] of run.results) {
          if (result.type !== "error" || result.code !== "deadlock") continue;
          const { cycle } = result;
          expect(cycle.length).toBeGreaterThan(1);
          cycle.forEach((edge, i) => expect(edge.blockedBy).toBe(cycle[(i + 1) % cycle.length]?.owner as string));
          const stuck = run.model.ends.get(operation)?.stuck;
          for (const edge of cycle) expect(stuck).toContain(edge.owner);
          found[cycle.some((edge) => edge.mode === "semaphore") ? "semaphores" : "locks"] += 1;
        }
      }),
      { numRuns: 100 },
    );
    expect(found.locks).toBeGreaterThan(10);
    expect(found.semaphores).toBeGreaterThan(10);
  });

  test("gives conflicting grants of a lock, and all grants of a slot, strictly rising tokens (L2)", () => {
    fc.assert(
      fc.property(steps(step, 80), (all) => {
        const run = new Run(7);
        const highest = new Map<string, { token: number; mode: string; who: string }>();
        let seen = 0;
        for (const next of all) {
          // A retry under a key hears of the first grant again, however old that is.
          if (next.do === "retry") continue;
          run.take(next);
          const results = [...run.results.values()];
          for (const grant of results.slice(seen).flatMap(grantsOf)) {
            const before = highest.get(grant.of);
            const again = before?.token === grant.token && (grant.mode === "shared" || before.who === grant.who);
            if (before !== undefined && !again) expect(grant.token).toBeGreaterThan(before.token);
            highest.set(grant.of, grant);
          }
          seen = results.length;
        }
      }),
      { numRuns: 100 },
    );
  });
});

function grantsOf(result: LockResult): { of: string; token: number; mode: string; who: string }[] {
  const grant = ({ lock, fencingToken, mode, principalId }: LockGrant) => {
    return { of: lock, token: fencingToken, mode, who: principalId };
  };
  if (result.type === "granted") return [grant(result)];
  if (result.type === "grantedAll") return result.grants.map(grant);
  if (result.type !== "permitsGranted") return [];
  const { semaphore, slots, fencingToken: token, principalId } = result;
  return slots.map((slot) => ({ of: `${semaphore}/${slot}`, token, mode: "semaphore", who: principalId }));
}
