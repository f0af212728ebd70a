import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { Prng } from "../../../../src/kernel/prng.ts";
import type { ClientOperation } from "../../../../src/sim/checks/linearizability/client-operation.ts";
import { judgeLinearizability } from "../../../../src/sim/checks/linearizability/judge-histories.ts";
import { lockModel } from "../../../../src/sim/checks/linearizability/lock-model.ts";
import type {
  LockInput,
  LockOperation,
  LockOutput,
} from "../../../../src/sim/checks/linearizability/lock-operation.ts";
import { Partition } from "../../../../src/sim/checks/linearizability/partition.ts";
import { linearize } from "../../../../src/sim/checks/linearizability/search.ts";
import { isLinearizable } from "./brute-force.ts";
import { machineHistory } from "./machine-histories.ts";
import { referenceLock } from "./reference-lock.ts";

// The machine may be busy.
setDefaultTimeout(60_000);

const BUDGET = 1_000_000;

/** Everything that is wrong, as one would read it. */
function faultsOf(operations: readonly ClientOperation<undefined>[]): string[] {
  return judgeLinearizability(operations, BUDGET)
    .filter(({ verdict }) => verdict !== "linearizable")
    .map(({ object, verdict, explanation }) => [`${object}: ${verdict}`, ...explanation].join("\n"));
}

/** The first operations on one lock, at most `count`. */
function shortLocks(seed: number, count: number): LockOperation[][] {
  const { locks } = new Partition(machineHistory(seed, { commands: 3 + (seed % 14), overlapMs: (seed % 5) * 40 }));
  return [...locks.values()].map((part) => part.slice(0, count)).filter((part) => part.length > 1);
}

/** What somebody might have been told instead. */
function changed(random: Prng, input: LockInput, output: LockOutput): LockOutput {
  const token = 1 + random.int(5);
  const mode = random.pick(["exclusive", "shared"] as const);
  switch (output.type) {
    case "granted":
      return { ...output, token, mode: random.chance(0.3) ? mode : output.mode };
    case "shown": {
      if (random.chance(0.3)) return { type: "shown", mode: undefined, token: undefined, owners: [] };
      return { type: "shown", mode, token, owners: [random.pick(["a", "b", "c", "node1"])] };
    }
    case "done":
    case "ended":
    case "refused":
      return { type: "refused", code: random.pick(refusals[input.type]), highest: token };
  }
}

function described(operation: LockOperation): string {
  return `${operation.invokedUs / 1_000}–${operation.returnedUs / 1_000} ${lockModel.tell(operation)}`;
}

/** What each may be refused with. */
const refusals = {
  acquire: ["lock_held", "deadlock", "upgrade_conflict"],
  release: ["not_held", "not_owner", "stale_token"],
  endSession: ["session_expired"],
  read: ["lock_held"],
} as const;

describe("histories of the real lock machine", () => {
  test("are linearizable, whatever overlaps, expires or is lost", () => {
    for (let seed = 1; seed <= 800; seed++) {
      const options = { commands: 10 + (seed % 60), overlapMs: (seed % 7) * 50 };
      const faults = faultsOf(machineHistory(seed, options));
      expect([seed, faults]).toEqual([seed, []]);
    }
  });

  test("are judged as by trying every order of the documented rules, also with one answer changed", () => {
    const counts = { linearizable: 0, violation: 0 };
    for (let seed = 1; seed <= 2_000; seed++) {
      const random = new Prng(seed);
      for (const part of shortLocks(seed, 7)) {
        const at = random.int(part.length);
        const mutated = part.map((operation, i) => {
          const { output } = operation;
          return i === at && output !== undefined
            ? { ...operation, output: changed(random, operation.input, output) }
            : operation;
        });
        for (const history of [part, mutated]) {
          const tokens = history.flatMap(({ output }) =>
            output !== undefined && "token" in output ? [output.token ?? 0] : [],
          );
          const highest = history.flatMap(({ output }) => (output?.type === "refused" ? [output.highest ?? 0] : []));
          const named = history.flatMap(({ input }) => (input.type === "release" ? [input.token ?? 0] : []));
          const reference = referenceLock([...new Set([...tokens, ...highest, ...named])]);
          const expected = isLinearizable(reference, history) ? "linearizable" : "violation";
          const { verdict } = linearize(lockModel, history, BUDGET);
          counts[expected]++;
          if (verdict !== expected) throw new Error(`seed ${seed}: ${verdict}\n${history.map(described).join("\n")}`);
        }
      }
    }
    expect(counts.violation).toBeGreaterThan(750);
    expect(counts.linearizable).toBeGreaterThan(3_000);
  });
});
