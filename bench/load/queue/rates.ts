import { type Run, repeat } from "../drive.ts";
import { show, type Summary, summarize } from "../samples.ts";
import type { QueueContender, QueueRow, Shape } from "./contender.ts";

/** A run in which nothing happens for so long is ended: something was lost. */
const STALLED_MS = 30_000;
/** What is under way at once in a shape that is measured: beyond it memory is measured, and one pass takes seconds. */
const MAX_BYTES_UNDER_WAY = 64_000_000;

export interface QueueRate {
  readonly row: QueueRow;
  readonly shape: Shape;
  readonly messagesPerSecond: Summary;
  /** Of a whole pass: publish, receive and ack of one batch. */
  readonly p50Ms: Summary;
  readonly p99Ms: Summary;
  /** How often faster ours is, round by round; undefined where ours was not measured, and for ours. */
  readonly ratio: Summary | undefined;
}

export interface QueueEffort {
  readonly rounds: number;
  readonly seconds: number;
  readonly outstanding: readonly number[];
  readonly batches: readonly number[];
  readonly bodies: readonly number[];
  readonly queues: readonly number[];
}

/** Publish → receive → ack of every contender in turn, in the same minutes, shape by shape. */
export async function measureQueueRates(
  contenders: readonly QueueContender[],
  effort: QueueEffort,
): Promise<QueueRate[]> {
  const rates: QueueRate[] = [];
  for (const shape of shapesOf(effort)) {
    console.log(`\n${describeShape(shape)}`);
    const runs = new Map<QueueRow, Run[]>(contenders.map(({ row }) => [row, []]));
    // The first round warms up.
    for (let round = 0; round <= effort.rounds; round++) {
      for (const contender of contenders) {
        const run = await measure(contender, shape, effort.seconds);
        if (round > 0) runs.get(contender.row)?.push(run);
      }
    }
    const measured = ratesOf(runs, shape);
    for (const { row, messagesPerSecond, p50Ms } of measured) {
      console.log(`${row}: ${show(messagesPerSecond, "messages/s")}; ${show(p50Ms, "ms p50", 2)}`);
    }
    rates.push(...measured);
  }
  return rates;
}

/** All combinations but those with too much under way at once. */
export function shapesOf({ outstanding, batches, bodies, queues }: QueueEffort): Shape[] {
  return queues
    .flatMap((count) => bodies.map((bodyBytes) => ({ queues: count, bodyBytes })))
    .flatMap((shape) => batches.map((batch) => ({ ...shape, batch })))
    .flatMap((shape) => outstanding.map((clients) => ({ ...shape, outstanding: clients })))
    .filter((shape) => shape.outstanding * shape.batch * shape.bodyBytes <= MAX_BYTES_UNDER_WAY);
}

export function describeShape({ outstanding, batch, bodyBytes, queues }: Shape): string {
  const spread = queues === 1 ? "one queue" : `${queues} queues`;
  return `${spread}, ${bodyBytes} B, batches of ${batch}, ${outstanding} outstanding`;
}

async function measure(contender: QueueContender, shape: Shape, seconds: number): Promise<Run> {
  const load = await contender.open(shape);
  const stall = new StallWatch(`${contender.row}, ${describeShape(shape)}`);
  try {
    const passes = repeat(shape.outstanding, seconds, async (client) => {
      await load.pass(client);
      stall.moved();
    });
    return await Promise.race([passes, stall.stalled]);
  } finally {
    stall.stop();
    await load.close();
  }
}

/** Rejects when nothing moves any more. */
class StallWatch {
  readonly stalled: Promise<never>;
  private last = performance.now();
  private readonly timer: Timer;

  constructor(what: string) {
    const { promise, reject } = Promise.withResolvers<never>();
    this.stalled = promise;
    this.timer = setInterval(() => {
      if (performance.now() - this.last > STALLED_MS) reject(new Error(`${what}: stalled`));
    }, 1_000);
  }

  moved(): void {
    this.last = performance.now();
  }

  stop(): void {
    clearInterval(this.timer);
  }
}

/** What came of the rounds of one shape. */
export function ratesOf(runs: ReadonlyMap<QueueRow, readonly Run[]>, shape: Shape): QueueRate[] {
  const ours = runs.get("mufakat");
  return [...runs].map(([row, measured]) => ({
    row,
    shape,
    messagesPerSecond: summarize(measured.map((run) => run.perSecond * shape.batch)),
    p50Ms: summarize(measured.map((run) => run.p50Ms)),
    p99Ms: summarize(measured.map((run) => run.p99Ms)),
    ratio:
      ours === undefined || row === "mufakat"
        ? undefined
        : summarize(measured.map((run, round) => (ours[round]?.perSecond ?? 0) / run.perSecond)),
  }));
}
