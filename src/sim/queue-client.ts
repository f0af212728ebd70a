import type { Prng } from "../kernel/prng.ts";
import type { DeliveryId, QueueCommand, QueueResult } from "../queue/commands.ts";
import type { NewMessage, Settlement } from "../queue/types.ts";

/** A delivery as its client remembers it. */
interface Held extends DeliveryId {
  readonly queue: string;
}

/** Few, so that clients meet. */
export const simQueues = ["jobs", "mail"] as const;
const GROUPS = ["red", "blue"] as const;
const DEDUPE_IDS = 12;
/** Receipts that are used up and are tried again. */
const PAST_RECEIPTS = 6;
const VISIBILITIES_MS = [100, 300, 1_500, undefined] as const;
/** So that what is set shorter than by default comes round within a run. */
const SHORT = { backoffMs: 20, visibilityMs: 400 } as const;
const MAX_NONCE = 2 ** 48;
/** What is left may come back only after half a minute: nobody need ask all the time. */
const DRAIN_WAIT_MS = 1_000;

const utf8 = new TextEncoder();

/** What one client of the queues knows and wants next. */
export class QueueClient {
  requests = 0;
  private held: Held[] = [];
  private past: Held[] = [];

  constructor(
    readonly id: number,
    private readonly random: Prng,
  ) {}

  next(): QueueCommand {
    this.requests++;
    const { random } = this;
    const unset = simQueues[this.requests - 1];
    if (unset !== undefined) return { type: "configure", queue: unset, changes: SHORT };
    const queue = random.pick(simQueues);
    const dice = random.next();
    if (dice < 0.01) return { type: "pause", queue, paused: random.chance(0.3) };
    if (dice < 0.02) return { type: "redrive", queue, max: 1 + random.int(3) };
    if (dice < 0.025) return { type: "purge", queue, part: "live" };
    if (dice < 0.06) return { type: "configure", queue, changes: { maxDeliveries: 1 + random.int(4), ...SHORT } };
    if (dice < 0.1 && this.past.length > 0) return settle(random.pick(this.past), this.settlement());
    if (dice < 0.45 && this.held.length > 0) return settle(random.pick(this.held), this.settlement());
    if (dice < 0.7) return this.receive(queue, random.pick([0, 30, 400]), random.pick(VISIBILITIES_MS));
    const messages = Array.from({ length: 1 + random.int(3) }, () => this.message());
    return { type: "publish", queue, wallMs: 1, messages };
  }

  /** What is left, until there is nothing. */
  drain(queue: string): QueueCommand {
    this.requests++;
    const held = this.held.find((each) => each.queue === queue);
    if (held !== undefined) return settle(held, { type: "ack" });
    if (this.random.chance(0.2)) return { type: "pause", queue, paused: false };
    return this.receive(queue, DRAIN_WAIT_MS, 2_000);
  }

  learn(command: QueueCommand, result: QueueResult): void {
    if (command.type === "receive" && result.type === "received") {
      for (const { message, attempt, nonce } of result.messages) {
        this.held.push({ queue: command.queue, message, attempt, nonce });
      }
    } else if (command.type === "settle" && result.type === "settled") {
      const isHeldOn = command.settlement.type === "extend" && result.ends[0] === "done";
      if (!isHeldOn) this.forget(command.receipts[0]);
    }
  }

  private forget(receipt: DeliveryId | undefined): void {
    const at = this.held.findIndex(({ message, attempt }) => {
      return message === receipt?.message && attempt === receipt.attempt;
    });
    if (at < 0) return;
    this.past = [...this.held.splice(at, 1), ...this.past].slice(0, PAST_RECEIPTS);
  }

  private receive(queue: string, waitMs: number, visibilityMs: number | undefined): QueueCommand {
    const { random } = this;
    return { type: "receive", queue, max: 1 + random.int(3), waitMs, visibilityMs, nonce: random.int(MAX_NONCE) };
  }

  private settlement(): Settlement {
    const { random } = this;
    const dice = random.next();
    if (dice < 0.65) return { type: "ack" };
    if (dice < 0.85) return { type: "nack", delayMs: random.pick([undefined, 0, 50]) };
    return { type: "extend", visibilityMs: random.pick([100, 400, 2_000]) };
  }

  private message(): NewMessage {
    const { random } = this;
    const plain: NewMessage = {
      ...{ body: utf8.encode(`${this.id}/${this.requests}/${random.int(1_000)}`), delayMs: 0, priority: 0 },
      ...{ dedupeId: undefined, groupKey: undefined, expiresMs: 0 },
    };
    const dedupeId = random.chance(0.3) ? `id-${random.int(DEDUPE_IDS)}` : undefined;
    const dice = random.next();
    if (dice < 0.3) return { ...plain, dedupeId, groupKey: random.pick(GROUPS) };
    if (dice < 0.4) return { ...plain, dedupeId, delayMs: 1 + random.int(300) };
    if (dice < 0.5) return { ...plain, dedupeId, priority: random.int(3) };
    if (dice < 0.55) return { ...plain, dedupeId, expiresMs: 1 + random.int(1_000) };
    return { ...plain, dedupeId };
  }
}

function settle({ queue, ...receipt }: Held, settlement: Settlement): QueueCommand {
  return { type: "settle", queue, receipts: [receipt], settlement };
}
