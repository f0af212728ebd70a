import Table from "cli-table3";
import type { Violation } from "./checks/violation.ts";
import { type Figures, figuresOf } from "./figures.ts";
import type { HistoryRecord } from "./history.ts";
import type { TortureReport } from "./torture.ts";

/** Of each rule. */
const SHOWN_VIOLATIONS = 3;
const SHOWN_RECORDS = 6;

/** What happened in a run, and what is wrong with it, as lines of text. */
export function summaryOf({ records, violations, keptAt }: TortureReport): string {
  const figures = figuresOf(records, violations);
  return [
    operationTable(figures),
    `faults: ${inWords(figures.faults)}`,
    `counted by the nodes: ${inWords(figures.counters)}`,
    `elections: ${figures.elections}`,
    `longest time without a change that was acknowledged: ${gap(figures, "longest_unavailable")}; ` +
      `while a majority was up and connected: ${gap(figures, "longest_unavailable_with_majority")}`,
    `${figures.requests} operations, ${figures.grants} grants checked`,
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

function operationTable({ operations }: Figures): string {
  const table = new Table({ head: ["operation", "ok", "definite errors", "unknown"], style: { head: [], border: [] } });
  for (const [operation, { ok, errors, unknown }] of Object.entries(operations)) {
    table.push([operation, ok, inWords(errors), inWords(unknown)]);
  }
  return table.toString();
}

/** `3 a, 1 b`. */
function inWords(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([word, count]) => `${count} ${word}`)
    .join(", ");
}

function gap(figures: Figures, name: "longest_unavailable" | "longest_unavailable_with_majority"): string {
  const seconds = (ms: number) => (ms / 1_000).toFixed(1);
  return `${seconds(figures[`${name}_ms`])} s, from ${seconds(figures[`${name}_from_ms`])} s on`;
}
