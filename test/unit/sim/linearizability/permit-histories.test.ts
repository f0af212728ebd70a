import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { Prng } from "../../../../src/kernel/prng.ts";
import { judgeLinearizability } from "../../../../src/sim/checks/linearizability/judge-histories.ts";
import { Partition } from "../../../../src/sim/checks/linearizability/partition.ts";
import { linearize } from "../../../../src/sim/checks/linearizability/search.ts";
import { semaphoreModel } from "../../../../src/sim/checks/linearizability/semaphore-model.ts";
import type {
  SemaphoreInput,
  SemaphoreOperation,
  SemaphoreOutput,
} from "../../../../src/sim/checks/linearizability/semaphore-operation.ts";
import { isLinearizable } from "./brute-force.ts";
import { machineHistory } from "./machine-histories.ts";
import { referenceSemaphore } from "./reference-semaphore.ts";

// The machine may be busy.
setDefaultTimeout(60_000);

const BUDGET = 1_000_000;

/** The first operations on one semaphore, at most `count`. */
function shortHistories(seed: number, count: number, lost: number): SemaphoreOperation[][] {
  const options = { commands: 3 + (seed % 14), overlapMs: (seed % 5) * 40, lost, permits: true };
  const { semaphores } = new Partition(machineHistory(seed, options));
  return [...semaphores.values()].map((part) => part.slice(0, count)).filter((part) => part.length > 1);
}

/** What somebody might have been told instead. */
function changed(random: Prng, input: SemaphoreInput, output: SemaphoreOutput): SemaphoreOutput {
  const number = 1 + random.int(4);
  switch (output.type) {
    case "permitsGranted": {
      const dice = random.next();
      if (dice < 0.4) return { ...output, token: number };
      if (dice < 0.5) return { ...output, limit: number };
      return { ...output, slots: output.slots.map((slot) => (slot + number) % 3).toSorted((a, b) => a - b) };
    }
    case "permitsShown": {
      if (random.chance(0.3)) return { type: "permitsShown", limit: undefined, available: undefined, holders: [] };
      const owner = random.pick(["a", "b", "c", "node1"]);
      const holders = [{ owner, slots: [random.int(3)], token: number }];
      return { type: "permitsShown", limit: 3, available: 2, holders };
    }
    case "done":
    case "ended":
    case "refused": {
      const known = { highest: number, limit: 2 + random.int(2), permits: 1 + random.int(3) };
      return { type: "refused", code: random.pick(refusals[input.type]), ...known };
    }
  }
}

/** What each may be refused with. */
const refusals = {
  acquirePermits: ["lock_held", "deadlock", "semaphore_limit", "permits_conflict"],
  releasePermits: ["not_held", "not_owner", "stale_token"],
  endSession: ["session_expired"],
  readPermits: ["lock_held"],
} as const;

function described(operation: SemaphoreOperation): string {
  return `${operation.invokedUs / 1_000}–${operation.returnedUs / 1_000} ${semaphoreModel.tell(operation)}`;
}

function tokensIn(history: readonly SemaphoreOperation[]): number[] {
  const tokens = history.flatMap(({ input, output }) => {
    const named = input.type === "releasePermits" ? [input.token ?? 0] : [];
    if (output?.type === "permitsGranted") return [...named, output.token];
    if (output?.type === "permitsShown") return output.holders.map(({ token }) => token);
    return output?.type === "refused" ? [...named, output.highest ?? 0] : named;
  });
  return [...new Set(tokens)];
}

describe("histories of permits of the real lock machine", () => {
  test("are linearizable, whatever overlaps, expires or is lost", () => {
    for (let seed = 1; seed <= 800; seed++) {
      const options = { commands: 10 + (seed % 60), overlapMs: (seed % 7) * 50, permits: true };
      const judged = judgeLinearizability(machineHistory(seed, options), BUDGET);
      const faults = judged.filter(({ verdict }) => verdict !== "linearizable");
      expect([seed, faults]).toEqual([seed, []]);
    }
  });

  test.each([
    ["that were all heard of", 0],
    ["with lost answers", 0.25],
  ])("%s are judged as by trying every order of the documented rules, also with one answer changed", (_what, lost) => {
    const counts = { linearizable: 0, violation: 0 };
    for (let seed = 1; seed <= 2_000; seed++) {
      const random = new Prng(seed);
      for (const part of shortHistories(seed, 6, lost)) {
        const at = random.int(part.length);
        const mutated = part.map((operation, i) => {
          const { output } = operation;
          if (i !== at || output === undefined) return operation;
          return { ...operation, output: changed(random, operation.input, output) };
        });
        for (const history of [part, mutated]) {
          const reference = referenceSemaphore(tokensIn(history));
          const expected = isLinearizable(reference, history) ? "linearizable" : "violation";
          const { verdict } = linearize(semaphoreModel, history, BUDGET);
          counts[expected]++;
          if (verdict !== expected) throw new Error(`seed ${seed}: ${verdict}\n${history.map(described).join("\n")}`);
        }
      }
    }
    expect(counts.violation).toBeGreaterThan(1_500);
    expect(counts.linearizable).toBeGreaterThan(4_000);
  });
});
