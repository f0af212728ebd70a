import { check } from "../violation.ts";
import type { ClientOperation } from "./linearizability/client-operation.ts";
import { judgeLinearizability } from "./linearizability/judge-histories.ts";

/** Of the search for each object: hundreds of times what a run needs. */
const MAX_STEPS = 200_000;

/**
 * What clients were told during a whole run is what one machine could have told them, lock by lock.
 *
 * @throws {Violation} also when the search takes too long: nobody knows then
 */
export function checkLinearizability(operations: readonly ClientOperation<unknown>[]): void {
  for (const { object, verdict, explanation, steps } of judgeLinearizability(operations, MAX_STEPS)) {
    check(verdict !== "undecided", "linearizability", () => `${object} is undecided after ${steps} steps`);
    check(verdict === "linearizable", "linearizability", () => `${object}: ${explanation.join("\n")}`);
  }
}
