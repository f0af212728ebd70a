import { check } from "../violation.ts";
import type { ClientOperation } from "./linearizability/client-operation.ts";
import { judgeLinearizability } from "./linearizability/judge-histories.ts";

/** Of the search for each object: some 0.1 s, hundreds of times what most runs need for all of them. */
const MAX_STEPS = 100_000;

/**
 * What clients were told during a whole run is what one machine could have told them, object by object.
 *
 * @returns for how many objects the search took too long: nobody knows of these
 * @throws {Violation}
 */
export function checkLinearizability(operations: readonly ClientOperation<unknown>[]): number {
  let undecided = 0;
  for (const { object, verdict, explanation } of judgeLinearizability(operations, MAX_STEPS)) {
    check(verdict !== "violation", "linearizability", () => `${object}: ${explanation.join("\n")}`);
    if (verdict === "undecided") undecided++;
  }
  return undecided;
}
