import { call } from "./node-client.ts";

interface Delivered {
  readonly id: string;
  readonly attempt: number;
  readonly ack_token: string;
  readonly data: { readonly n: number };
}

export interface QueueLoadOptions {
  readonly urls: readonly string[];
  readonly queue: string;
  readonly producers: number;
  readonly consumers: number;
}

/** Between two tries at another node. */
const RETRY_MS = 20;
const BATCH = 10;

/** Producers and consumers of one queue through all nodes, with what was confirmed to them. */
export class QueueLoad {
  /** Numbers whose publish was confirmed, and by what id. */
  readonly published = new Map<number, string>();
  /** Numbers that consumers got, and how often. */
  readonly consumed = new Map<number, number>();
  /** Attempts of each message, as they came. */
  private readonly attempts = new Map<string, number>();
  /** Of acks whose end nobody saw: those messages may come again. */
  readonly unsure = new Set<number>();
  readonly surprises: string[] = [];
  /** When each delivery came, in ms. */
  readonly deliveredAtMs: number[] = [];
  private next = 0;
  private stopped = false;
  private drained = false;
  private readonly producing: Promise<void>[];
  private readonly consuming: Promise<void>[];

  constructor(private readonly options: QueueLoadOptions) {
    this.producing = Array.from({ length: options.producers }, (_, i) => this.produce(i));
    this.consuming = Array.from({ length: options.consumers }, (_, i) => this.consume(i));
  }

  /** No more is published; resolves when all that was is consumed, or nothing more comes. */
  async stop(drainMs: number): Promise<void> {
    this.stopped = true;
    await Promise.all(this.producing);
    const deadlineMs = performance.now() + drainMs;
    while (this.missing.length > 0 && performance.now() < deadlineMs) await Bun.sleep(RETRY_MS);
    this.drained = true;
    await Promise.all(this.consuming);
  }

  /** Confirmed, and not consumed. */
  get missing(): number[] {
    return [...this.published.keys()].filter((n) => !this.consumed.has(n));
  }

  /** Consumed more than once, although every ack of it was confirmed. */
  get repeated(): number[] {
    return [...this.consumed].flatMap(([n, times]) => (times > 1 && !this.unsure.has(n) ? [n] : []));
  }

  private async produce(producer: number): Promise<void> {
    for (let turn = producer; !this.stopped; turn++) {
      const n = this.next++;
      // Under its dedupe id it is one message, however often it is tried.
      const path = `/queue/${this.options.queue}?dedupe_id=n${n}&echo=0`;
      for (;;) {
        const reply = await this.ask<{ id: string }>("POST", path, turn++, { n });
        if (reply?.status === 200) {
          this.published.set(n, reply.body.id);
          break;
        }
        await Bun.sleep(RETRY_MS);
      }
    }
  }

  private async consume(consumer: number): Promise<void> {
    for (let turn = consumer; !this.drained; turn++) {
      const path = `/queue/${this.options.queue}/receive`;
      const reply = await this.ask<{ messages: Delivered[] }>("POST", path, turn, {
        max: BATCH,
        wait: 1,
        visibility: 8,
      });
      if (reply?.status !== 200) {
        await Bun.sleep(RETRY_MS);
        continue;
      }
      for (const message of reply.body.messages) await this.take(message, turn);
    }
  }

  private async take({ id, attempt, ack_token, data: { n } }: Delivered, turn: number): Promise<void> {
    this.deliveredAtMs.push(performance.now());
    const before = this.attempts.get(id) ?? 0;
    if (attempt <= before) this.surprises.push(`${id}: attempt ${attempt} after ${before}`);
    this.attempts.set(id, attempt);
    this.consumed.set(n, (this.consumed.get(n) ?? 0) + 1);
    const reply = await this.ask("POST", "/queue/ack", turn, { ack_token });
    if (reply?.status !== 200) this.unsure.add(n);
    if (reply?.status === 404) this.surprises.push(`${id}: ${reply.body.error.code}`);
  }

  private async ask<Body>(method: string, path: string, turn: number, body: unknown) {
    const { urls } = this.options;
    try {
      return await call<Body>(method, `${urls[turn % urls.length]}${path}`, { body, timeoutMs: 10_000 });
    } catch {
      return undefined;
    }
  }
}
