import { Queue, Worker } from "bullmq";
import { bodyOf, type QueueContender, type QueueLoad, queueNames, queueOf, type Shape } from "./contender.ts";
import { Credits } from "./credits.ts";
import type { RedisServer } from "./redis-server.ts";

/**
 * Jobs that the workers of all queues have in hand at once. Of what was tried (32…256, by 1…16 workers a queue, with and without
 * `enableAutoPipelining`) one worker with this was the fastest.
 */
const MAX_CONCURRENCY = 128;

/** Where everything that was processed stays in Redis for ever, the backlog is measured instead of the queue. */
export const JOB_OPTIONS = { removeOnComplete: true, removeOnFail: true } as const;

/** BullMQ the way its users have it: `add` or `addBulk`, and a `Worker` in the same process whose function does nothing. */
export function bullmqContender(row: "BullMQ, always" | "BullMQ, everysec", redis: RedisServer): QueueContender {
  return {
    row,
    open: (shape) => openLoad(redis.port, shape),
    [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
  };
}

async function openLoad(port: number, shape: Shape): Promise<QueueLoad> {
  const names = queueNames(shape);
  const concurrency = Math.ceil(Math.min(shape.outstanding * shape.batch, MAX_CONCURRENCY) / names.length);
  const data: unknown = JSON.parse(bodyOf(shape.bodyBytes));
  const queues = new Map<string, WorkedQueue>();
  for (const name of names) queues.set(name, await WorkedQueue.open(port, name, concurrency, data));
  return {
    async pass(client) {
      const own = queues.get(queueOf(client, shape));
      if (own === undefined) throw new Error(`no queue for client ${client}`);
      await own.publish(data, shape.batch);
      await own.process(shape.batch);
    },
    async close() {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
}

/**
 * A queue with a worker that finishes as many jobs as it is allowed, and that never runs empty.
 *
 * ↯ A worker whose queue was empty fetches job after job, one at a time, up to its concurrency, before it processes the first: at
 * 64 that is 64 syncs of `appendfsync always` in a row, and BullMQ looked slower by an order of magnitude than under steady load, where
 * each job that is finished brings the next one along. So from the start on there is another one behind every job in hand.
 */
class WorkedQueue {
  private readonly allowed = new Credits();
  private readonly processed = new Credits();
  private readonly worker: Worker;

  private constructor(
    private readonly queue: Queue,
    connection: { readonly host: string; readonly port: number },
    private readonly concurrency: number,
  ) {
    this.worker = new Worker(queue.name, () => this.allowed.take(1), { connection, concurrency });
    // Told when Redis has confirmed that the job is done.
    this.worker.on("completed", () => this.processed.give());
    this.worker.on("error", (error) => console.log(`BullMQ: ${error.message}`));
  }

  static async open(port: number, name: string, concurrency: number, data: unknown): Promise<WorkedQueue> {
    const connection = { host: "127.0.0.1", port };
    const queue = new Queue(name, { connection, defaultJobOptions: JOB_OPTIONS });
    await queue.addBulk(Array.from({ length: 2 * concurrency }, () => ({ name: "message", data })));
    const worked = new WorkedQueue(queue, connection, concurrency);
    await worked.worker.waitUntilReady();
    return worked;
  }

  async publish(data: unknown, batch: number): Promise<void> {
    if (batch === 1) await this.queue.add("message", data);
    else await this.queue.addBulk(Array.from({ length: batch }, () => ({ name: "message", data })));
  }

  /** Resolves when so many more are done. */
  process(count: number): Promise<void> {
    for (let i = 0; i < count; i++) this.allowed.give();
    return this.processed.take(count);
  }

  async close(): Promise<void> {
    const closed = this.worker.close();
    // Those in hand end; what stands behind them goes with the queue.
    for (let i = 0; i < 2 * this.concurrency; i++) this.allowed.give();
    await closed;
    await this.queue.obliterate({ force: true });
    await this.queue.close();
  }
}
