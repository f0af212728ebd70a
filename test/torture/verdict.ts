import { checkLinearizability } from "./checks/linearizability.ts";
import type { Violation } from "./checks/violation.ts";
import type { HistoryRecord } from "./history.ts";
import { judge } from "./judge.ts";
import { asClocksAllow } from "./lease-bounds.ts";

/**
 * What is wrong with a history: rule by rule, and as a whole. Simulated clients do what the rules do not expect, such as to
 * share holds in nobody's name or to open a session again: their history is judged as a whole.
 */
export function verdictOn(records: readonly HistoryRecord[]): Violation[] {
  const bounded = asClocksAllow(records);
  const [run] = records;
  if (run?.type === "run" && run.network === "simulated") return checkLinearizability(bounded);
  return [...judge(bounded), ...checkLinearizability(bounded)];
}
