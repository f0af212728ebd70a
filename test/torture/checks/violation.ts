import type { Holds } from "../holds.ts";
import type { HistoryRecord } from "../history.ts";
import type { PermitHolds } from "../permit-holds.ts";
import type { Request } from "../requests.ts";

/** A rule that a history breaks. */
export interface Violation {
  /** Short, and the same for all violations of it. */
  readonly rule: string;
  readonly what: string;
  /** The numbers of the records that show it. */
  readonly records: readonly number[];
}

export interface Evidence {
  readonly records: readonly HistoryRecord[];
  readonly holds: Holds;
  readonly permits: PermitHolds;
}

/** Finds what breaks a rule; empty when nothing does. */
export type Check = (evidence: Evidence) => Violation[];

/** A violation that these requests show. */
export function violation(rule: string, what: string, ...requests: readonly Request[]): Violation {
  const numbers = requests.flatMap(({ attempts }) => attempts.map(({ n }) => n));
  return { rule, what, records: [...new Set(numbers)].sort((a, b) => a - b) };
}
