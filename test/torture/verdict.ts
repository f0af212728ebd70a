import { checkLinearizability } from "./checks/linearizability.ts";
import type { Violation } from "./checks/violation.ts";
import type { HistoryRecord } from "./history.ts";
import { judge } from "./judge.ts";
import { asClocksAllow } from "./lease-bounds.ts";

/** What is wrong with a history: rule by rule, and as a whole. */
export function verdictOn(records: readonly HistoryRecord[]): Violation[] {
  const bounded = asClocksAllow(records);
  return [...judge(bounded), ...checkLinearizability(bounded)];
}
