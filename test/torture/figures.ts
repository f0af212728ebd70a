import { longestGap, longestGapWithMajority } from "./availability.ts";
import type { HistoryRecord, OperationRecord } from "./history.ts";
import type { Violation } from "./checks/violation.ts";

type Counts = Readonly<Record<string, number>>;

/** A run in numbers: what `summary.json` holds. Times in ms. */
export interface Figures {
  readonly seed: number | undefined;
  readonly nodes: number | undefined;
  readonly lasted_ms: number;
  readonly faults: Counts;
  readonly operations: Readonly<
    Record<string, { readonly ok: number; readonly errors: Counts; readonly unknown: Counts }>
  >;
  readonly requests: number;
  /** Of locks and permits. */
  readonly grants: number;
  /** Terms with a leader, after the first. */
  readonly elections: number;
  readonly longest_unavailable_ms: number;
  readonly longest_unavailable_from_ms: number;
  /** While a majority of the members ran and heard each other. */
  readonly longest_unavailable_with_majority_ms: number;
  readonly longest_unavailable_with_majority_from_ms: number;
  /** Changes of the configuration, snapshots, installs, repairs: by their metrics, over all processes of all nodes. */
  readonly counters: Counts;
  readonly violations: Counts;
}

export function figuresOf(records: readonly HistoryRecord[], violations: readonly Violation[]): Figures {
  const [run] = records;
  const end = records.at(-1);
  const operations = records.filter((record) => record.type === "operation");
  const gap = longestGap(records);
  const withMajority = longestGapWithMajority(records);
  const counters = records.findLast((record) => record.type === "counters");
  return {
    seed: run?.type === "run" ? run.seed : undefined,
    nodes: run?.type === "run" ? run.nodes.length : undefined,
    lasted_ms: end?.type === "end" ? toMs(end.at_us) : 0,
    faults: counted(records.flatMap((record) => (record.type === "fault" ? [record.fault] : []))),
    operations: byOperation(operations),
    requests: operations.length,
    grants: operations.filter(({ operation, outcome }) => operation.includes(".acquire") && outcome === "ok").length,
    elections: elections(records),
    longest_unavailable_ms: toMs(gap.lengthUs),
    longest_unavailable_from_ms: toMs(gap.fromUs),
    longest_unavailable_with_majority_ms: toMs(withMajority.lengthUs),
    longest_unavailable_with_majority_from_ms: toMs(withMajority.fromUs),
    counters: counters?.totals ?? {},
    violations: counted(violations.map(({ rule }) => rule)),
  };
}

function byOperation(operations: readonly OperationRecord[]): Figures["operations"] {
  const groups = Map.groupBy(operations, ({ operation }) => operation);
  const rows = [...groups].map(([operation, records]) => {
    const codes = (outcome: OperationRecord["outcome"]) =>
      counted(records.flatMap((record) => (record.outcome === outcome ? [record.code ?? ""] : [])));
    const ok = records.filter(({ outcome }) => outcome === "ok").length;
    return [operation, { ok, errors: codes("error"), unknown: codes("unknown") }] as const;
  });
  return Object.fromEntries(rows);
}

/** The most frequent first. */
function counted(words: readonly string[]): Counts {
  const groups = [...Map.groupBy(words, (word) => word)].map(([word, same]) => [word, same.length] as const);
  return Object.fromEntries(groups.toSorted(([, a], [, b]) => b - a));
}

function elections(records: readonly HistoryRecord[]): number {
  const terms = records.flatMap((record) => (record.type === "view" && record.role === "leader" ? [record.term] : []));
  return Math.max(0, new Set(terms).size - 1);
}

function toMs(us: number): number {
  return Math.round(us / 1_000);
}
