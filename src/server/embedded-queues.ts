import type {
  AskOptions,
  BrowseRequest,
  ChangeOptions,
  QueueBackend,
  ReceiveRequest,
} from "../engine/queue-backend.ts";
import type { DeliveryId, TakenMessage } from "../queue/commands.ts";
import type {
  Delivery,
  MessageView,
  NewMessage,
  Published,
  QueueSettings,
  QueueStatistics,
  Receipt,
  Schedule,
  ScheduleView,
  Settlement,
  SettlementEnd,
} from "../queue/types.ts";
import type { QueueView } from "../queue/views.ts";
import { ask, type QueueShard, readBarrier } from "./queue-shard.ts";

export interface EmbeddedQueuesOptions {
  /** At least one. */
  readonly shards: readonly QueueShard[];
  /** Where a queue lives: an index of `shards`. */
  readonly shardOf: (queue: string) => number;
  /** 0…2⁴⁸−1, from a cryptographic source: receipts are made of it. */
  readonly nonce: () => number;
  readonly wallMs: () => number;
}

/** Queues on the log of the cluster itself: what is confirmed is on the disks of a majority. */
export class EmbeddedQueues implements QueueBackend {
  readonly durability = "majority_disk";

  constructor(private readonly options: EmbeddedQueuesOptions) {}

  async publish(
    queue: string,
    messages: readonly NewMessage[],
    { idempotencyKey }: ChangeOptions = {},
  ): Promise<readonly Published[]> {
    const shard = this.shard(queue);
    // No signal: a publish is never taken back.
    const command = { type: "publish", queue, wallMs: this.options.wallMs(), messages } as const;
    const published = await ask(shard, command, "published", { idempotencyKey });
    return published.messages.map(({ message, duplicate }) => ({ id: idOf(shard, message), duplicate }));
  }

  async receive(queue: string, request: ReceiveRequest, { signal }: AskOptions = {}): Promise<readonly Delivery[]> {
    const shard = this.shard(queue);
    const { max, waitMs, visibilityMs } = request;
    const command = { type: "receive", queue, max, waitMs, visibilityMs, nonce: this.options.nonce() } as const;
    const received = await ask(shard, command, "received", { signal });
    return received.messages.map((taken) => deliveryOf(shard, queue, taken, received.visibilityMs));
  }

  async giveBack(receipts: readonly Receipt[]): Promise<void> {
    for (const [queue, ofQueue] of Map.groupBy(receipts, (receipt) => receipt.queue)) {
      const shard = this.shard(queue);
      const own = ofQueue.filter((receipt) => receipt.shard === shard.group).map(deliveryId);
      if (own.length > 0) await ask(shard, { type: "giveBack", queue, receipts: own }, "done");
    }
  }

  async settle(
    queue: string,
    receipts: readonly Receipt[],
    settlement: Settlement,
    { idempotencyKey }: ChangeOptions = {},
  ): Promise<readonly SettlementEnd[]> {
    const shard = this.shard(queue);
    const isOwn = (receipt: Receipt): boolean => receipt.queue === queue && receipt.shard === shard.group;
    const own = receipts.filter(isOwn).map(deliveryId);
    if (own.length === 0) return receipts.map(() => "unknown_receipt");
    const { ends } = await ask(shard, { type: "settle", queue, receipts: own, settlement }, "settled", {
      idempotencyKey,
    });
    let next = 0;
    return receipts.map((receipt) => (isOwn(receipt) ? (ends[next++] ?? "unknown_receipt") : "unknown_receipt"));
  }

  async browse(queue: string, { state, after, limit }: BrowseRequest): Promise<readonly MessageView[]> {
    const shard = this.shard(queue);
    await readBarrier(shard);
    const nowMs = shard.leaseTimeMs();
    const found = shard.machine.messages(queue, state, after === undefined ? 0 : numberOf(shard, after), limit);
    return found.map(({ message, dueAtMs, ...view }) => ({
      ...view,
      id: idOf(shard, message),
      dueInMs: Math.max(0, dueAtMs - nowMs),
    }));
  }

  async statistics(queue: string): Promise<QueueStatistics> {
    const shard = this.shard(queue);
    await readBarrier(shard);
    return this.statisticsOf(shard.machine.view(queue));
  }

  async list(request: { prefix: string; after: string; limit: number }): Promise<QueueStatistics[]> {
    const { shards } = this.options;
    await Promise.all(shards.map(readBarrier));
    const views = shards.flatMap(({ machine }) => machine.page(request));
    views.sort((a, b) => (a.queue < b.queue ? -1 : 1));
    return views.slice(0, request.limit).map((view) => this.statisticsOf(view));
  }

  async settings(queue: string): Promise<QueueSettings> {
    const shard = this.shard(queue);
    await readBarrier(shard);
    return shard.machine.view(queue).settings;
  }

  async configure(
    queue: string,
    changes: Partial<QueueSettings>,
    { idempotencyKey }: ChangeOptions = {},
  ): Promise<QueueSettings> {
    const command = { type: "configure", queue, changes } as const;
    return (await ask(this.shard(queue), command, "configured", { idempotencyKey })).settings;
  }

  async pause(queue: string, paused: boolean, { idempotencyKey }: ChangeOptions = {}): Promise<void> {
    await ask(this.shard(queue), { type: "pause", queue, paused }, "done", { idempotencyKey });
  }

  async purge(queue: string, part: "live" | "dead", { idempotencyKey }: ChangeOptions = {}): Promise<number> {
    return (await ask(this.shard(queue), { type: "purge", queue, part }, "counted", { idempotencyKey })).count;
  }

  async redrive(queue: string, max: number, { idempotencyKey }: ChangeOptions = {}): Promise<number> {
    return (await ask(this.shard(queue), { type: "redrive", queue, max }, "counted", { idempotencyKey })).count;
  }

  async setSchedule(queue: string, schedule: Schedule, { idempotencyKey }: ChangeOptions = {}): Promise<void> {
    const command = { type: "setSchedule", queue, wallMs: this.options.wallMs(), schedule } as const;
    await ask(this.shard(queue), command, "done", { idempotencyKey });
  }

  async removeSchedule(queue: string, id: string, { idempotencyKey }: ChangeOptions = {}): Promise<boolean> {
    const command = { type: "removeSchedule", queue, id } as const;
    return (await ask(this.shard(queue), command, "counted", { idempotencyKey })).count > 0;
  }

  async schedules(queue: string): Promise<readonly ScheduleView[]> {
    const shard = this.shard(queue);
    await readBarrier(shard);
    return shard.machine.schedules(queue).map(({ schedule, firedAtMs }) => ({
      ...schedule,
      firedAtMs: firedAtMs === 0 ? undefined : firedAtMs,
    }));
  }

  async close(): Promise<void> {
    for (const { client } of this.options.shards) client.close();
  }

  private shard(queue: string): QueueShard {
    const shard = this.options.shards[this.options.shardOf(queue)];
    if (shard === undefined) throw new RangeError(`no shard for a queue`);
    return shard;
  }

  private statisticsOf({ settings: _, oldestReadyAtMs, ...view }: QueueView): QueueStatistics {
    const oldestReadyMs =
      oldestReadyAtMs === undefined ? undefined : Math.max(0, this.options.wallMs() - oldestReadyAtMs);
    return { ...view, oldestReadyMs };
  }
}

/** Numbers are of a shard. */
function idOf({ group }: QueueShard, message: number): string {
  return `${group}-${message}`;
}

/** 0 for an id of another shard, or of nothing. */
function numberOf({ group }: QueueShard, id: string): number {
  const match = /^(\d{1,4})-(\d{1,16})$/.exec(id);
  return match !== null && Number(match[1]) === group ? Number(match[2]) : 0;
}

function deliveryId({ message, attempt, nonce }: Receipt): DeliveryId {
  return { message, attempt, nonce };
}

function deliveryOf(shard: QueueShard, queue: string, taken: TakenMessage, visibilityMs: number): Delivery {
  const { message, attempt, nonce, body, priority, groupKey, publishedAtMs } = taken;
  const receipt = { shard: shard.group, queue, message, attempt, nonce };
  return { id: idOf(shard, message), body, attempt, receipt, priority, groupKey, publishedAtMs, visibilityMs };
}
