import {
  type AskOptions,
  type BrowseRequest,
  type ChangeOptions,
  type QueueBackend,
  QueueError,
  type ReceiveRequest,
} from "../../src/engine/queue-backend.ts";
import type {
  DeadReason,
  Delivery,
  MessageState,
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
} from "../../src/queue/types.ts";

const SHARD = 3;
const SETTINGS: QueueSettings = {
  visibilityMs: 30_000,
  maxDeliveries: 5,
  backoffMs: 1_000,
  maxBackoffMs: 300_000,
  dedupeWindowMs: 300_000,
  maxInFlight: 0,
  rateLimit: 0,
  rateIntervalMs: 1_000,
  expiresMs: 0,
};
const COUNTERS = {
  ...{ published: 0, duplicates: 0, delivered: 0, acked: 0, nacked: 0, timedOut: 0, returned: 0 },
  ...{ deadLettered: 0, redriven: 0, purged: 0 },
};

interface Message extends NewMessage {
  readonly number: number;
  readonly publishedAtMs: number;
  state: MessageState;
  attempt: number;
  failures: number;
  nonce: number;
  dueAtMs: number;
  deadReason: DeadReason | undefined;
}

class Queue {
  readonly messages = new Map<number, Message>();
  readonly dedupe = new Map<string, { readonly number: number; readonly untilMs: number }>();
  readonly schedules = new Map<string, ScheduleView>();
  readonly counters = { ...COUNTERS };
  settings = SETTINGS;
  paused = false;
  receivers = 0;
  lastNumber = 0;

  at(state: MessageState): Message[] {
    return [...this.messages.values()].filter((message) => message.state === state);
  }
}

/**
 * Queues in the memory of one process, for tests of what stands before a backend: delivery, receipts, dedupe ids, groups, delays and
 * dead letters as the contract wants them; no rate limit, and schedules that never fire. Its clock stands still until it is moved.
 */
export class MemoryQueue implements QueueBackend {
  readonly durability = "majority_disk";
  /** What the next call fails with, as a backend that is in trouble would. */
  failure: QueueError | undefined;
  /** Receipts that were given back, in order. */
  readonly givenBack: Receipt[] = [];
  readonly idempotencyKeys: (string | undefined)[] = [];
  private readonly queues = new Map<string, Queue>();
  private readonly waiting = new Set<() => void>();
  private numbers = 0;
  private nowMs = 1_000_000;

  advance(ms: number): void {
    this.nowMs += ms;
    this.wake();
  }

  async publish(queue: string, messages: readonly NewMessage[], options: ChangeOptions = {}): Promise<Published[]> {
    const own = this.begin(queue, options);
    const published = messages.map((message) => this.publishOne(own, message));
    this.wake();
    return published;
  }

  async receive(queue: string, request: ReceiveRequest, { signal }: AskOptions = {}): Promise<Delivery[]> {
    const own = this.begin(queue);
    const deadline = performance.now() + request.waitMs;
    own.receivers += 1;
    try {
      for (;;) {
        if (signal?.aborted === true) throw new QueueError("aborted");
        const taken = own.paused ? [] : this.take(queue, own, request);
        const leftMs = deadline - performance.now();
        if (taken.length > 0 || leftMs <= 0) return taken;
        await this.changed(leftMs, signal);
      }
    } finally {
      own.receivers -= 1;
    }
  }

  async giveBack(receipts: readonly Receipt[]): Promise<void> {
    for (const receipt of receipts) {
      this.givenBack.push(receipt);
      const own = this.at(receipt.queue);
      const message = own.messages.get(receipt.message);
      if (message === undefined || !isOut(message, receipt)) continue;
      message.state = "ready";
      own.counters.returned += 1;
    }
    this.wake();
  }

  async settle(
    queue: string,
    receipts: readonly Receipt[],
    settlement: Settlement,
    options: ChangeOptions = {},
  ): Promise<SettlementEnd[]> {
    const own = this.begin(queue, options);
    const ends = receipts.map((receipt) => this.settleOne(own, receipt, settlement));
    this.wake();
    return ends;
  }

  async browse(queue: string, { state, after, limit }: BrowseRequest): Promise<MessageView[]> {
    const own = this.begin(queue);
    const behind = after === undefined ? 0 : numberOf(after);
    const found = own.at(state).filter(({ number }) => number > behind);
    return found.slice(0, limit).map((message) => this.view(message));
  }

  async statistics(queue: string): Promise<QueueStatistics> {
    return this.figures(queue, this.begin(queue));
  }

  async list({ prefix, after, limit }: { prefix: string; after: string; limit: number }): Promise<QueueStatistics[]> {
    this.begin("");
    this.queues.delete("");
    const names = [...this.queues.keys()].filter((name) => name.startsWith(prefix) && name > after).sort();
    return names.slice(0, limit).map((name) => this.figures(name, this.at(name)));
  }

  async settings(queue: string): Promise<QueueSettings> {
    return this.begin(queue).settings;
  }

  async configure(queue: string, changes: Partial<QueueSettings>, options: ChangeOptions = {}): Promise<QueueSettings> {
    const own = this.begin(queue, options);
    own.settings = { ...own.settings, ...changes };
    return own.settings;
  }

  async pause(queue: string, paused: boolean, options: ChangeOptions = {}): Promise<void> {
    this.begin(queue, options).paused = paused;
    this.wake();
  }

  async purge(queue: string, part: "live" | "dead", options: ChangeOptions = {}): Promise<number> {
    const own = this.begin(queue, options);
    const gone = part === "dead" ? own.at("dead") : [...own.at("ready"), ...own.at("delayed")];
    for (const { number } of gone) own.messages.delete(number);
    own.counters.purged += gone.length;
    return gone.length;
  }

  async redrive(queue: string, max: number, options: ChangeOptions = {}): Promise<number> {
    const own = this.begin(queue, options);
    const back = own.at("dead").slice(0, max);
    for (const message of back) {
      message.state = "ready";
      message.failures = 0;
      message.deadReason = undefined;
    }
    own.counters.redriven += back.length;
    this.wake();
    return back.length;
  }

  async setSchedule(queue: string, schedule: Schedule, options: ChangeOptions = {}): Promise<void> {
    this.begin(queue, options).schedules.set(schedule.id, { ...schedule, firedAtMs: undefined });
  }

  async removeSchedule(queue: string, id: string, options: ChangeOptions = {}): Promise<boolean> {
    return this.begin(queue, options).schedules.delete(id);
  }

  async schedules(queue: string): Promise<ScheduleView[]> {
    return [...this.begin(queue).schedules.values()];
  }

  async close(): Promise<void> {}

  private begin(queue: string, { idempotencyKey }: ChangeOptions = {}): Queue {
    const { failure } = this;
    this.failure = undefined;
    if (failure !== undefined) throw failure;
    this.idempotencyKeys.push(idempotencyKey);
    const own = this.at(queue);
    for (const message of own.messages.values()) this.age(own, message);
    return own;
  }

  private at(queue: string): Queue {
    const own = this.queues.get(queue) ?? new Queue();
    this.queues.set(queue, own);
    return own;
  }

  private age(own: Queue, message: Message): void {
    const { state, dueAtMs, expiresMs, publishedAtMs } = message;
    if (state === "in_flight" && dueAtMs <= this.nowMs) {
      own.counters.timedOut += 1;
      this.failed(own, message, 0);
    }
    if (state === "delayed" && dueAtMs <= this.nowMs) message.state = "ready";
    if (expiresMs > 0 && message.state !== "in_flight" && publishedAtMs + expiresMs <= this.nowMs) {
      this.bury(own, message, "expired");
    }
  }

  private failed(own: Queue, message: Message, delayMs: number): "done" | "dead" {
    message.failures += 1;
    const most = own.settings.maxDeliveries;
    if (most > 0 && message.failures >= most) {
      this.bury(own, message, "deliveries");
      return "dead";
    }
    message.state = delayMs > 0 ? "delayed" : "ready";
    message.dueAtMs = this.nowMs + delayMs;
    return "done";
  }

  private bury(own: Queue, message: Message, reason: DeadReason): void {
    if (message.state === "dead") return;
    message.state = "dead";
    message.deadReason = reason;
    own.counters.deadLettered += 1;
  }

  private publishOne(own: Queue, message: NewMessage): Published {
    const { dedupeId } = message;
    const known = dedupeId === undefined ? undefined : own.dedupe.get(dedupeId);
    if (known !== undefined && known.untilMs > this.nowMs) {
      own.counters.duplicates += 1;
      return { id: idOf(known.number), duplicate: true };
    }
    const number = (this.numbers += 1);
    if (dedupeId !== undefined) {
      own.dedupe.set(dedupeId, { number, untilMs: this.nowMs + own.settings.dedupeWindowMs });
    }
    own.messages.set(number, {
      ...message,
      body: message.body.slice(),
      expiresMs: message.expiresMs === 0 ? own.settings.expiresMs : message.expiresMs,
      number,
      publishedAtMs: this.nowMs,
      state: message.delayMs > 0 ? "delayed" : "ready",
      ...{ attempt: 0, failures: 0, nonce: 0, dueAtMs: this.nowMs + message.delayMs, deadReason: undefined },
    });
    own.lastNumber = number;
    own.counters.published += 1;
    return { id: idOf(number), duplicate: false };
  }

  private take(queue: string, own: Queue, { max, visibilityMs }: ReceiveRequest): Delivery[] {
    for (const message of own.messages.values()) this.age(own, message);
    const held = new Set(own.at("in_flight").map(({ groupKey }) => groupKey));
    const room =
      own.settings.maxInFlight === 0 ? max : Math.max(0, own.settings.maxInFlight - own.at("in_flight").length);
    const deliveries: Delivery[] = [];
    for (const message of own.at("ready").sort((a, b) => b.priority - a.priority || a.number - b.number)) {
      if (deliveries.length >= Math.min(max, room)) break;
      if (message.groupKey !== undefined && held.has(message.groupKey)) continue;
      held.add(message.groupKey);
      deliveries.push(this.deliver(queue, own, message, visibilityMs ?? own.settings.visibilityMs));
    }
    return deliveries;
  }

  private deliver(queue: string, own: Queue, message: Message, visibilityMs: number): Delivery {
    message.state = "in_flight";
    message.attempt += 1;
    message.nonce = Math.floor(Math.random() * 2 ** 48);
    message.dueAtMs = this.nowMs + visibilityMs;
    own.counters.delivered += 1;
    const { number, body, attempt, nonce, priority, groupKey, publishedAtMs } = message;
    const receipt = { shard: SHARD, queue, message: number, attempt, nonce };
    return { id: idOf(number), body, attempt, receipt, priority, groupKey, publishedAtMs, visibilityMs };
  }

  private settleOne(own: Queue, receipt: Receipt, settlement: Settlement): SettlementEnd {
    const message = own.messages.get(receipt.message);
    const isOfQueue = receipt.shard === SHARD && receipt.message <= own.lastNumber;
    if (message === undefined) return isOfQueue ? "stale_attempt" : "unknown_receipt";
    if (!isOut(message, receipt)) return "stale_attempt";
    switch (settlement.type) {
      case "ack":
        own.messages.delete(message.number);
        own.counters.acked += 1;
        return "done";
      case "nack": {
        own.counters.nacked += 1;
        const { backoffMs, maxBackoffMs } = own.settings;
        const backOffMs = Math.min(maxBackoffMs, backoffMs * 2 ** message.failures);
        return this.failed(own, message, settlement.delayMs ?? backOffMs);
      }
      case "extend":
        message.dueAtMs = this.nowMs + settlement.visibilityMs;
        return "done";
    }
  }

  private view(message: Message): MessageView {
    const { number, state, body, attempt, failures, priority, groupKey, publishedAtMs, dueAtMs, deadReason } = message;
    const isDue = state === "delayed" || state === "in_flight";
    const dueInMs = isDue ? dueAtMs - this.nowMs : 0;
    return {
      ...{ id: idOf(number), state, body, attempt, failures, priority, groupKey, publishedAtMs, dueInMs, deadReason },
    };
  }

  private figures(queue: string, own: Queue): QueueStatistics {
    const ready = own.at("ready");
    return {
      ...{ queue, paused: own.paused, receivers: own.receivers, ...own.counters },
      ready: ready.length,
      delayed: own.at("delayed").length,
      inFlight: own.at("in_flight").length,
      dead: own.at("dead").length,
      bytes: [...own.messages.values()].reduce((sum, { body }) => sum + body.length, 0),
      oldestReadyMs: ready[0] === undefined ? undefined : this.nowMs - ready[0].publishedAtMs,
    };
  }

  private wake(): void {
    for (const go of this.waiting) go();
    this.waiting.clear();
  }

  private changed(withinMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, withinMs);
    this.waiting.add(resolve);
    signal?.addEventListener("abort", () => resolve(), { once: true });
    return promise.finally(() => clearTimeout(timer));
  }
}

function isOut(message: Message, { attempt, nonce }: Receipt): boolean {
  return message.state === "in_flight" && message.attempt === attempt && message.nonce === nonce;
}

function idOf(number: number): string {
  return `${SHARD}-${number}`;
}

function numberOf(id: string): number {
  return Number(id.slice(id.indexOf("-") + 1));
}
