import { judgeLinearizability } from "../../../src/sim/checks/linearizability/judge-histories.ts";
import { operationsOf } from "../client-operations.ts";
import type { HistoryRecord } from "../history.ts";
import type { Violation } from "./violation.ts";

/** Of the search for each object: some seconds. */
const MAX_STEPS = 5_000_000;

/**
 * Every lock, semaphore, session and fence has a linearization: an order of all that was asked that keeps the order of what did not
 * overlap, and in which one machine would have answered as the cluster did.
 */
export function checkLinearizability(records: readonly HistoryRecord[]): Violation[] {
  return judgeLinearizability(operationsOf(records), MAX_STEPS).flatMap((judgement): Violation[] => {
    const { object, verdict, explanation, sources, steps } = judgement;
    if (verdict === "linearizable") return [];
    const numbers = sources.flatMap(({ attempts }) => attempts.map(({ n }) => n)).toSorted((a, b) => a - b);
    if (verdict === "violation") {
      return [{ rule: "histories are linearizable", what: `${object}: ${explanation.join("\n  ")}`, records: numbers }];
    }
    return [
      { rule: "histories are judged to the end", what: `${object}: undecided after ${steps} steps`, records: [] },
    ];
  });
}
