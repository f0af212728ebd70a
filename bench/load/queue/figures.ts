import type { Figure } from "../compare/figures.ts";
import type { QueueRow, Shape } from "./contender.ts";
import type { QueueRate } from "./rates.ts";

interface Demand {
  readonly row: QueueRow;
  readonly batch: number;
  readonly atLeast: number;
  readonly what: string;
}

const DEMANDED: readonly Demand[] = [
  { row: "BullMQ, always", batch: 10, atLeast: 2, what: "batches of 10: ours / BullMQ's add + process" },
  { row: "BullMQ, always", batch: 1, atLeast: 0.8, what: "single messages: ours over HTTP / BullMQ without" },
  { row: "BullMQ over HTTP, always", batch: 1, atLeast: 1.2, what: "single messages: ours / BullMQ, both over HTTP" },
];

/** Those demanded figures that were measured: one queue, 100 B, 64 outstanding, Redis with `appendfsync always`. */
export function queueFiguresOf(rates: readonly QueueRate[]): Figure[] {
  return DEMANDED.flatMap(({ row, batch, atLeast, what }) => {
    const measured = rates.find((rate) => rate.row === row && isDemanded(rate.shape, batch))?.ratio?.median;
    return measured === undefined ? [] : [{ what, demanded: `≥ ${atLeast}`, measured, met: measured >= atLeast }];
  });
}

function isDemanded(shape: Shape, batch: number): boolean {
  return shape.queues === 1 && shape.bodyBytes === 100 && shape.outstanding === 64 && shape.batch === batch;
}
