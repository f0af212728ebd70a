import { writeFileSync } from "node:fs";
import { exitOnSignals } from "../clusters/on-exit.ts";
import { type Circumstances, circumstances } from "../compare/comparison.ts";
import { circumstances as circumstancesLine, figureTable, range, table } from "../compare/markdown.ts";
import type { Program } from "../../../test/support/process-cluster.ts";
import { QueueContenders } from "./contenders.ts";
import { queueFiguresOf } from "./figures.ts";
import { measureQueueRates, type QueueEffort, type QueueRate } from "./rates.ts";

export interface QueueFlags {
  readonly quick: boolean;
  readonly json: string | undefined;
}

export interface QueueComparison extends Circumstances {
  readonly skipped: readonly string[];
  readonly rates: readonly QueueRate[];
}

const WHOLE: QueueEffort = {
  rounds: 3,
  seconds: 2,
  outstanding: [1, 64, 256],
  batches: [1, 10, 100],
  bodies: [100, 10_000],
  queues: [1],
};

/** Shows that everything runs; its figures say nothing. */
const QUICK: QueueEffort = { ...WHOLE, rounds: 1, seconds: 0.2, outstanding: [1, 64], batches: [1, 10] };

/** Ours beside its peers, those of them that this machine has: publish → receive → ack, all in one run. */
export async function queueCommand(program: Program, flags: QueueFlags, changed: Partial<QueueEffort>): Promise<void> {
  exitOnSignals();
  await using contenders = await QueueContenders.start(program);
  const effort = { ...(flags.quick ? QUICK : WHOLE), ...changed };
  const measured = await circumstances(contenders, async () => ({
    skipped: contenders.skipped,
    rates: await measureQueueRates(contenders.all, effort),
  }));
  console.log(`\n${queueMarkdownOf(measured)}\n`);
  for (const { what, demanded, measured: ratio, met } of queueFiguresOf(measured.rates)) {
    if (!met && !flags.quick) console.log(`MISSED: ${what}: ${ratio.toFixed(2)}, wanted ${demanded}`);
  }
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(measured, null, 2)}\n`);
}

/** The comparison as a part of docs/performance.md. */
export function queueMarkdownOf(comparison: QueueComparison): string {
  const missing = comparison.skipped.map((line) => `Not measured: ${line}.`);
  const figures = figureTable(queueFiguresOf(comparison.rates));
  const rows = comparison.rates.map(({ row, shape, messagesPerSecond, p50Ms, p99Ms, ratio }) => [
    String(shape.queues),
    shape.bodyBytes.toLocaleString("en-US"),
    String(shape.batch),
    String(shape.outstanding),
    row,
    range(messagesPerSecond, 0),
    p50Ms.median.toFixed(2),
    p99Ms.median.toFixed(2),
    ratio?.median.toFixed(2) ?? "",
  ]);
  const head = ["queues", "B", "batch", "outstanding", "system", "messages/s", "p50 ms", "p99 ms", "ours / this"];
  const parts = [...missing, figures, circumstancesLine(comparison), table(head, rows)];
  return parts.filter((part) => part !== "").join("\n\n");
}
