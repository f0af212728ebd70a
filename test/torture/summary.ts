import Table from "cli-table3";
import type { Violation } from "./checks/violation.ts";
import type { HistoryRecord, OperationRecord } from "./history.ts";
import type { TortureReport } from "./torture.ts";

/** Of each rule. */
const SHOWN_VIOLATIONS = 3;
const SHOWN_RECORDS = 6;

/** What happened in a run, and what is wrong with it, as lines of text. */
export function summaryOf({ records, violations, keptAt }: TortureReport): string {
  const operations = records.filter((record) => record.type === "operation");
  const grants = operations.filter(({ operation, outcome }) => operation.includes(".acquire") && outcome === "ok");
  return [
    operationTable(operations),
    `faults: ${counted(records.flatMap((record) => (record.type === "fault" ? [record.fault] : [])))}`,
    `elections: ${elections(records)}; longest time without a change that was acknowledged: ${longestGap(operations)}`,
    `${operations.length} operations, ${grants.length} grants checked`,
    ...[...Map.groupBy(violations, ({ rule }) => rule)].map(([rule, broken]) => told(rule, broken, records)),
    ...(keptAt === undefined ? [] : [`history: ${keptAt}/history.jsonl`]),
    violations.length === 0 ? "no violation" : `${violations.length} violations`,
  ].join("\n");
}

function told(rule: string, broken: readonly Violation[], records: readonly HistoryRecord[]): string {
  const shown = broken.slice(0, SHOWN_VIOLATIONS).flatMap((found) => {
    const proof = records.filter(({ n }) => found.records.includes(n)).slice(0, SHOWN_RECORDS);
    return [`  ${found.what}`, ...proof.map((record) => `    ${JSON.stringify(record)}`)];
  });
  const more = broken.length - SHOWN_VIOLATIONS;
  return [`\nVIOLATION: ${rule}`, ...shown, ...(more > 0 ? [`  … and ${more} more of this rule`] : [])].join("\n");
}

function operationTable(operations: readonly OperationRecord[]): string {
  const table = new Table({ head: ["operation", "ok", "definite errors", "unknown"], style: { head: [], border: [] } });
  for (const [operation, records] of Map.groupBy(operations, (record) => record.operation)) {
    const of = (outcome: OperationRecord["outcome"]) => records.filter((record) => record.outcome === outcome);
    const codes = (outcome: OperationRecord["outcome"]) => counted(of(outcome).map(({ code = "" }) => code));
    table.push([operation, of("ok").length, codes("error"), codes("unknown")]);
  }
  return table.toString();
}

/** `3 a, 1 b`, the most frequent first. */
function counted(words: readonly string[]): string {
  const groups = [...Map.groupBy(words, (word) => word)].map(([word, same]) => [word, same.length] as const);
  return groups
    .toSorted(([, a], [, b]) => b - a)
    .map(([word, count]) => `${count} ${word}`)
    .join(", ");
}

/** Terms with a leader, after the first. */
function elections(records: readonly HistoryRecord[]): number {
  const terms = records.flatMap((record) => (record.type === "view" && record.role === "leader" ? [record.term] : []));
  return Math.max(0, new Set(terms).size - 1);
}

function longestGap(operations: readonly OperationRecord[]): string {
  const changes = operations.filter(({ operation, outcome }) => outcome === "ok" && !/inspect|list/.test(operation));
  const times = changes.map(({ to_us }) => to_us).toSorted((a, b) => a - b);
  const gapsUs = times.slice(1).map((time, i) => time - (times[i] ?? time));
  const longestUs = gapsUs.reduce((longest, gapUs) => Math.max(longest, gapUs), 0);
  const began = (times[gapsUs.indexOf(longestUs)] ?? 0) / 1e6;
  return `${(longestUs / 1e6).toFixed(1)} s, from ${began.toFixed(1)} s on`;
}
