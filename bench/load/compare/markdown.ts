import type { Summary } from "../samples.ts";
import type { Circumstances, Comparison } from "./comparison.ts";
import { type Figure, figuresOf } from "./figures.ts";

/** The comparison as a part of docs/performance.md. */
export function markdownOf(comparison: Comparison): string {
  const sections = [figureTable(figuresOf(comparison)), rates(comparison), failovers(comparison), scale(comparison)];
  const missing = (comparison.skipped ?? []).map((line) => `Not measured: ${line}.`);
  return [...missing, ...sections.filter((section) => section !== "")].join("\n\n");
}

/** What is demanded, beside what was measured. */
export function figureTable(figures: readonly Figure[]): string {
  const rows = figures.map(({ what, demanded, measured, met }) => [
    what,
    demanded,
    measured.toFixed(2),
    met ? "yes" : "**no**",
  ]);
  return rows.length === 0 ? "" : table(["figure", "wanted", "measured", "met"], rows);
}

function rates({ rates: part }: Comparison): string {
  if (part === undefined) return "";
  const rows = part.rates.map(({ row, outstanding, pairsPerSecond, p50Ms, p99Ms }) => [
    String(outstanding),
    row,
    range(pairsPerSecond, 0),
    p50Ms.median.toFixed(2),
    p99Ms.median.toFixed(2),
    part.ratios.find((ratio) => ratio.row === row && ratio.outstanding === outstanding)?.ratio.median.toFixed(2) ?? "",
  ]);
  const head = ["outstanding", "system", "pairs/s", "p50 ms", "p99 ms", "ours / this"];
  return `### Pairs a second\n\n${circumstances(part)}\n\n${table(head, rows)}`;
}

function failovers({ failovers: part }: Comparison): string {
  if (part === undefined) return "";
  const rows = part.failovers.map(({ row, fault, gapMs }) => [
    fault,
    row,
    gapMs.median.toFixed(0),
    gapMs.max.toFixed(0),
    gapMs.min.toFixed(0),
    String(gapMs.runs),
  ]);
  const head = ["fault of the leader", "system", "median ms", "worst", "best", "samples"];
  return `### Fail-over\n\nNodes: ${part.network}. ${circumstances(part)}\n\n${table(head, rows)}`;
}

function scale({ scale: part }: Comparison): string {
  if (part === undefined) return "";
  const pair = (here: Summary, empty: Summary): string => `${here.median.toFixed(2)}, ${empty.median.toFixed(2)}`;
  const rows = part.scale.stages.map((row) => [
    row.stage,
    thousands(row.holds),
    thousands(row.waiters),
    pair(row.p50Ms, row.emptyP50Ms),
    pair(row.p99Ms, row.emptyP99Ms),
    pair(row.p50Ratio, row.p99Ratio),
    range(row.rssMiB, 0),
  ]);
  const head = [
    "",
    "held locks",
    "waiters",
    "p50 ms: here, empty",
    "p99 ms: here, empty",
    "ratio: p50, p99",
    "MiB a node",
  ];
  return `### Scale\n\n${part.scale.nodes} nodes. ${circumstances(part)}\n\n${table(head, rows)}`;
}

export function circumstances({ at, versions, machine, loadBefore }: Circumstances): string {
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const { processors, model, memory_gib, kernel, setting } = machine;
  return (
    `${at.slice(0, 16).replace("T", " ")} UTC; ${named.join(", ")}; ${processors} processors (${model}), ${memory_gib} GiB, ` +
    `Linux ${kernel}; ${setting}; load average before: ${loadBefore.toFixed(1)}.`
  );
}

export function range({ median, min, max }: Summary, digits: number): string {
  return `${thousands(median, digits)} (${thousands(min, digits)}–${thousands(max, digits)})`;
}

function thousands(value: number, digits = 0): string {
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), `|${" --- |".repeat(head.length)}`, ...rows.map(line)].join("\n");
}
