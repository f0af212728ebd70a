import { backOffMs, deliveryNonce } from "../../../src/queue/back-off.ts";
import type { QueueCommand, QueueResult, TakenMessage } from "../../../src/queue/commands.ts";
import { DEFAULT_SETTINGS } from "../../../src/queue/settings.ts";
import type { QueueLimits } from "../../../src/queue/state.ts";
import type { MessageState, NewMessage, QueueSettings, SettlementEnd } from "../../../src/queue/types.ts";

/*
 * The queue in the plainest words: one array of messages, looked through for everything. Slow, and meant to be seen to be right.
 */

interface ModelMessage {
  readonly number: number;
  readonly queue: string;
  readonly body: Uint8Array;
  readonly priority: number;
  readonly groupKey: string | undefined;
  readonly publishedAtMs: number;
  expiresAtMs: number;
  state: MessageState;
  attempt: number;
  failures: number;
  nonce: number;
  dueAtMs: number;
  takenBy: number;
  /** When it was ready first, as a rising number: its place in its group. 0: not yet. */
  turn: number;
  /** Rises with each death. */
  died: number;
}

interface ModelReceiver {
  readonly sequence: number;
  readonly queue: string;
  readonly max: number;
  readonly visibilityMs: number | undefined;
  readonly nonce: number;
  readonly deadlineMs: number;
}

interface ModelQueue {
  settings: QueueSettings;
  paused: boolean;
  arrivalUs: number;
  readonly dedupe: Map<string, { readonly message: number; readonly untilMs: number }>;
}

type Told = (sequence: number, result: QueueResult | undefined) => void;

export class Model {
  nowMs = 0;
  private lastNumber = 0;
  private turns = 0;
  private deaths = 0;
  messages: ModelMessage[] = [];
  private receivers: ModelReceiver[] = [];
  private readonly queues = new Map<string, ModelQueue>();
  private readonly cancelled = new Set<number>();
  /** Of these something has changed in this step: of others those who wait go on to do so. */
  private readonly touched = new Set<string>();

  constructor(
    private readonly bounds: QueueLimits,
    private readonly told: Told,
  ) {}

  queue(name: string): ModelQueue {
    let queue = this.queues.get(name);
    if (queue === undefined) {
      queue = { settings: DEFAULT_SETTINGS, paused: false, arrivalUs: 0, dedupe: new Map() };
      this.queues.set(name, queue);
    }
    return queue;
  }

  apply(sequence: number, command: QueueCommand): void {
    if (this.cancelled.has(sequence)) this.told(sequence, { type: "error", code: "cancelled" });
    else {
      const result = this.execute(sequence, command);
      this.told(sequence, result);
    }
    this.fill();
  }

  /** A time entry. Delays and lives of messages end with the timer of their queue, which is due with the earliest of them. */
  pass(nowMs: number): void {
    this.nowMs = nowMs;
    for (const end of this.due()) end();
    for (const { dedupe } of this.queues.values()) {
      for (const [id, { untilMs }] of dedupe) if (untilMs <= nowMs) dedupe.delete(id);
    }
    // Of all of them: those with a rate limit had a timer, and of the others nothing is to be had by whoever waits.
    for (const name of this.queues.keys()) this.touched.add(name);
    const over = this.receivers.filter(({ deadlineMs }) => deadlineMs <= nowMs);
    this.receivers = this.receivers.filter((each) => !over.includes(each));
    for (const { sequence, queue, visibilityMs } of over) {
      this.told(sequence, {
        type: "received",
        visibilityMs: visibilityMs ?? this.queue(queue).settings.visibilityMs,
        messages: [],
      });
    }
    this.fill();
  }

  where(queue: string, state: MessageState): ModelMessage[] {
    const found = this.messages.filter((message) => message.queue === queue && message.state === state);
    return state === "dead" ? found.sort((a, b) => a.died - b.died) : found.sort((a, b) => a.number - b.number);
  }

  private execute(sequence: number, command: QueueCommand): QueueResult | undefined {
    const isOfMessages = command.type === "giveBack" || command.type === "settle" || command.type === "cancel";
    if (!isOfMessages && "queue" in command) this.touched.add(command.queue);
    switch (command.type) {
      case "publish":
        return {
          type: "published",
          messages: command.messages.map((each) => this.publish(command.queue, each, command.wallMs)),
        };
      case "receive":
        return this.receive({ ...command, sequence, deadlineMs: this.nowMs + command.waitMs }, command.waitMs);
      case "giveBack":
        for (const receipt of command.receipts) {
          const message = this.out(command.queue, receipt);
          if (typeof message !== "string") this.comeBack(message, 0);
        }
        return { type: "done" };
      case "settle":
        return { type: "settled", ends: command.receipts.map((receipt) => this.settle(command, receipt)) };
      case "cancel":
        this.cancel(command.sequence);
        return { type: "cancelled" };
      case "configure": {
        const queue = this.queue(command.queue);
        queue.settings = { ...queue.settings, ...command.changes };
        return { type: "configured", settings: queue.settings };
      }
      case "pause":
        this.queue(command.queue).paused = command.paused;
        return { type: "done" };
      case "purge": {
        const states: readonly MessageState[] = command.part === "live" ? ["ready", "delayed"] : ["dead"];
        const gone = this.messages.filter(({ queue, state }) => queue === command.queue && states.includes(state));
        this.messages = this.messages.filter((message) => !gone.includes(message));
        return { type: "counted", count: gone.length };
      }
      case "redrive": {
        const back = this.where(command.queue, "dead").slice(0, command.max);
        for (const message of back) {
          message.failures = 0;
          message.turn = 0;
          this.makeReady(message);
        }
        return { type: "counted", count: back.length };
      }
      default:
        throw new Error(`the model knows no ${command.type}`);
    }
  }

  private publish(queue: string, news: NewMessage, wallMs: number) {
    const { settings, dedupe } = this.queue(queue);
    const known = news.dedupeId === undefined ? undefined : dedupe.get(news.dedupeId);
    if (known !== undefined) return { message: known.message, duplicate: true };
    const expiresMs = news.expiresMs > 0 ? news.expiresMs : settings.expiresMs;
    const message: ModelMessage = {
      ...{ number: ++this.lastNumber, queue, body: news.body, priority: news.priority, groupKey: news.groupKey },
      ...{ publishedAtMs: wallMs, expiresAtMs: expiresMs > 0 ? this.nowMs + expiresMs : 0, state: "ready" as const },
      ...{ attempt: 0, failures: 0, nonce: 0, dueAtMs: 0, takenBy: 0, turn: 0, died: 0 },
    };
    this.messages.push(message);
    if (news.delayMs > 0) this.delay(message, news.delayMs);
    else this.makeReady(message);
    if (news.dedupeId !== undefined && settings.dedupeWindowMs > 0) {
      dedupe.set(news.dedupeId, { message: message.number, untilMs: this.nowMs + settings.dedupeWindowMs });
    }
    return { message: message.number, duplicate: false };
  }

  private makeReady(message: ModelMessage): void {
    this.touched.add(message.queue);
    message.state = "ready";
    if (message.turn === 0) message.turn = ++this.turns;
  }

  private delay(message: ModelMessage, delayMs: number): void {
    this.touched.add(message.queue);
    message.state = "delayed";
    message.dueAtMs = this.nowMs + delayMs;
  }

  /** Of a group the one whose turn came first, wherever it is, stands before the others. */
  private isTurn({ queue, groupKey, turn }: ModelMessage): boolean {
    if (groupKey === undefined) return true;
    return !this.messages.some((other) => {
      return (
        other.queue === queue &&
        other.groupKey === groupKey &&
        other.state !== "dead" &&
        other.turn > 0 &&
        other.turn < turn
      );
    });
  }

  private next(queue: string): ModelMessage | undefined {
    const ready = this.where(queue, "ready").filter((message) => this.isTurn(message));
    return ready.sort((a, b) => b.priority - a.priority || a.number - b.number)[0];
  }

  private receive(receiver: ModelReceiver, waitMs: number): QueueResult | undefined {
    this.touched.add(receiver.queue);
    const taken = this.receivers.some(({ queue }) => queue === receiver.queue) ? undefined : this.takeUpTo(receiver);
    if (taken !== undefined) return taken;
    if (waitMs > 0) {
      this.receivers.push(receiver);
      return undefined;
    }
    const visibilityMs = receiver.visibilityMs ?? this.queue(receiver.queue).settings.visibilityMs;
    return { type: "received", visibilityMs, messages: [] };
  }

  private fill(): void {
    for (const receiver of this.receivers.filter(({ queue }) => this.touched.has(queue))) {
      const isFirst = this.receivers.find(({ queue }) => queue === receiver.queue) === receiver;
      const taken = isFirst ? this.takeUpTo(receiver) : undefined;
      if (taken === undefined) continue;
      this.receivers = this.receivers.filter((each) => each !== receiver);
      this.told(receiver.sequence, taken);
    }
    this.touched.clear();
  }

  private takeUpTo(receiver: ModelReceiver): QueueResult | undefined {
    const messages: TakenMessage[] = [];
    const queue = this.queues.get(receiver.queue);
    if (queue === undefined) return undefined;
    const visibilityMs = receiver.visibilityMs ?? queue.settings.visibilityMs;
    let bytes = 0;
    while (messages.length < receiver.max && bytes < this.bounds.maxReceiveBytes) {
      const { paused, settings } = queue;
      if (paused || !this.hasAllowance(queue)) break;
      if (settings.maxInFlight > 0 && this.where(receiver.queue, "in_flight").length >= settings.maxInFlight) break;
      const message = this.next(receiver.queue);
      if (message === undefined) break;
      message.attempt += 1;
      message.nonce = deliveryNonce(receiver.nonce, message.number);
      message.state = "in_flight";
      message.dueAtMs = this.nowMs + visibilityMs;
      message.takenBy = receiver.sequence;
      if (settings.rateLimit > 0) queue.arrivalUs = Math.max(queue.arrivalUs, this.nowMs * 1000) + stepUs(settings);
      bytes += message.body.length;
      const { number, attempt, nonce, body, priority, groupKey, publishedAtMs } = message;
      messages.push({ message: number, attempt, nonce, body, priority, groupKey, publishedAtMs });
    }
    return messages.length === 0 ? undefined : { type: "received", visibilityMs, messages };
  }

  private hasAllowance({ settings, arrivalUs }: ModelQueue): boolean {
    if (settings.rateLimit === 0) return true;
    return arrivalUs + stepUs(settings) <= this.nowMs * 1000 + settings.rateLimit * stepUs(settings);
  }

  private out(
    queue: string,
    receipt: { message: number; attempt: number; nonce: number },
  ): ModelMessage | SettlementEnd {
    const message = this.messages.find(({ number, state }) => number === receipt.message && state === "in_flight");
    if (message === undefined) return receipt.message <= this.lastNumber ? "stale_attempt" : "unknown_receipt";
    if (message.queue !== queue || receipt.attempt > message.attempt) return "unknown_receipt";
    return receipt.attempt === message.attempt && receipt.nonce === message.nonce ? message : "stale_attempt";
  }

  private settle(
    { queue, settlement }: Extract<QueueCommand, { type: "settle" }>,
    receipt: { message: number; attempt: number; nonce: number },
  ): SettlementEnd {
    const message = this.out(queue, receipt);
    if (typeof message === "string") return message;
    this.touched.add(queue);
    if (settlement.type === "nack") return this.fail(message, settlement.delayMs);
    if (settlement.type === "extend") message.dueAtMs = this.nowMs + settlement.visibilityMs;
    else this.messages = this.messages.filter((each) => each !== message);
    return "done";
  }

  private cancel(sequence: number): void {
    const waiting = this.receivers.find((receiver) => receiver.sequence === sequence);
    if (waiting !== undefined) {
      this.touched.add(waiting.queue);
      this.receivers = this.receivers.filter((receiver) => receiver.sequence !== sequence);
      this.told(sequence, { type: "error", code: "cancelled" });
      return;
    }
    for (const message of this.messages) {
      if (message.takenBy === sequence && message.state === "in_flight") this.comeBack(message, 0);
    }
    this.cancelled.add(sequence);
  }

  private fail(message: ModelMessage, delayMs: number | undefined): SettlementEnd {
    const { settings } = this.queue(message.queue);
    message.failures += 1;
    if (settings.maxDeliveries > 0 && message.failures >= settings.maxDeliveries) {
      this.bury(message);
      return "dead";
    }
    this.comeBack(message, delayMs ?? backOffMs(settings, message.failures, message.number, message.attempt));
    return "done";
  }

  private comeBack(message: ModelMessage, delayMs: number): void {
    if (delayMs > 0) this.delay(message, delayMs);
    else this.makeReady(message);
  }

  private bury(message: ModelMessage): void {
    this.touched.add(message.queue);
    message.state = "dead";
    message.died = ++this.deaths;
    message.expiresAtMs = 0;
  }

  /**
   * What is due, the earliest first: a delivery by itself; delays and lives of a queue all together, with the earliest of them.
   */
  private due(): (() => void)[] {
    const ends: { readonly atMs: number; readonly rank: number; readonly order: number; readonly end: () => void }[] =
      [];
    for (const message of this.messages) {
      if (message.state !== "in_flight" || message.dueAtMs > this.nowMs) continue;
      ends.push({ atMs: message.dueAtMs, rank: 0, order: message.number, end: () => this.fail(message, 0) });
    }
    for (const [order, name] of [...this.queues.keys()].entries()) {
      const dates = this.messages.flatMap(({ queue, state, dueAtMs, expiresAtMs }) => {
        if (queue !== name || (state !== "delayed" && state !== "ready")) return [];
        return [...(state === "delayed" ? [dueAtMs] : []), ...(expiresAtMs > 0 ? [expiresAtMs] : [])];
      });
      const atMs = Math.min(...dates);
      if (atMs <= this.nowMs) ends.push({ atMs, rank: 1, order, end: () => this.endOf(name) });
    }
    ends.sort((a, b) => a.atMs - b.atMs || a.rank - b.rank || a.order - b.order);
    return ends.map(({ end }) => end);
  }

  private endOf(name: string): void {
    const ofQueue = (): ModelMessage[] => this.messages.filter(({ queue }) => queue === name);
    const delayed = ofQueue().filter(({ state, dueAtMs }) => state === "delayed" && dueAtMs <= this.nowMs);
    for (const message of delayed.sort((a, b) => a.dueAtMs - b.dueAtMs || a.number - b.number)) this.makeReady(message);
    const over = ofQueue().filter(({ state, expiresAtMs }) => {
      return (state === "ready" || state === "delayed") && expiresAtMs > 0 && expiresAtMs <= this.nowMs;
    });
    for (const message of over.sort((a, b) => a.expiresAtMs - b.expiresAtMs || a.number - b.number)) this.bury(message);
  }
}

function stepUs({ rateIntervalMs, rateLimit }: QueueSettings): number {
  return Math.max(1, Math.floor((rateIntervalMs * 1000) / rateLimit));
}
