import { limits } from "../../../src/kernel/limits.ts";
import { encodeCommand } from "../../../src/queue/codec.ts";
import type { DeliveryId, QueueCommand, QueueResult, TakenMessage } from "../../../src/queue/commands.ts";
import { QueueMachine } from "../../../src/queue/queue-machine.ts";
import type { QueueLimits, QueueOutcome } from "../../../src/queue/state.ts";
import type { NewMessage, Settlement } from "../../../src/queue/types.ts";

const EMPTY = new Uint8Array(0);
const utf8 = new TextEncoder();
const text = new TextDecoder();

export const small: QueueLimits = { ...limits, maxHotMessages: 20, pageMessages: 4, pageBytes: 64 };

export function message(body: string, options: Partial<Omit<NewMessage, "body">> = {}): NewMessage {
  const plain = { delayMs: 0, priority: 0, dedupeId: undefined, groupKey: undefined, expiresMs: 0 };
  return { ...plain, ...options, body: utf8.encode(body) };
}

export function bodyOf({ body }: { readonly body: Uint8Array }): string {
  return text.decode(body);
}

/** One machine, its log, and one process that asks. */
export class Harness {
  machine: QueueMachine;
  index = 0;
  nowMs = 1_000;
  sequence = 0;
  readonly ingress: number;
  /** Of all entries so far. */
  readonly outcomes: QueueOutcome[] = [];

  constructor(
    readonly bounds: QueueLimits = limits,
    ingress = 1,
  ) {
    this.machine = new QueueMachine(bounds);
    this.ingress = ingress;
    this.ask({ type: "registerIngress", node: "node1" });
  }

  /** @returns what the operation came to at once; undefined: it waits */
  ask(command: QueueCommand, idempotencyKey?: string): QueueResult | undefined {
    const sequence = ++this.sequence;
    const outcomes = this.entry({ ingress: this.ingress, sequence, floor: 1, idempotencyKey, command });
    return outcomes.findLast((outcome) => outcome.sequence === sequence)?.result;
  }

  entry(envelope: Parameters<typeof encodeCommand>[0]): QueueOutcome[] {
    return this.apply("command", encodeCommand(envelope));
  }

  /** Lease time goes on, and a time entry says so. */
  pass(ms: number): QueueOutcome[] {
    this.nowMs += ms;
    return this.apply("time", EMPTY);
  }

  apply(kind: "command" | "time" | "noop", payload: Uint8Array): QueueOutcome[] {
    const outcomes: QueueOutcome[] = [];
    this.index += 1;
    this.machine.apply({ index: this.index, kind, leaseTimeMs: this.nowMs, payload }, (outcome) => {
      outcomes.push(outcome);
    });
    this.outcomes.push(...outcomes);
    return outcomes;
  }

  publish(queue: string, ...messages: (NewMessage | string)[]): number[] {
    const news = messages.map((each) => (typeof each === "string" ? message(each) : each));
    const result = this.ask({ type: "publish", queue, wallMs: 5_000 + this.index, messages: news });
    if (result?.type !== "published") throw new Error(JSON.stringify(result));
    return result.messages.map((each) => each.message);
  }

  receive(queue: string, options: { max?: number; waitMs?: number; visibilityMs?: number } = {}) {
    const { max = 1, waitMs = 0, visibilityMs } = options;
    const result = this.ask({ type: "receive", queue, max, waitMs, visibilityMs, nonce: 77 + this.index });
    if (result === undefined) return undefined;
    if (result.type !== "received") throw new Error(JSON.stringify(result));
    return result.messages;
  }

  /** One message, which must be there. */
  take(queue: string, visibilityMs?: number): TakenMessage {
    const [taken] = this.receive(queue, visibilityMs === undefined ? {} : { visibilityMs }) ?? [];
    if (taken === undefined) throw new Error(`nothing to be had in ${queue}`);
    return taken;
  }

  settle(queue: string, settlement: Settlement, ...receipts: readonly DeliveryId[]): readonly string[] {
    const ids = receipts.map(({ message: number, attempt, nonce }) => ({ message: number, attempt, nonce }));
    const result = this.ask({ type: "settle", queue, receipts: ids, settlement });
    if (result?.type !== "settled") throw new Error(JSON.stringify(result));
    return result.ends;
  }

  ack(queue: string, ...receipts: readonly DeliveryId[]): readonly string[] {
    return this.settle(queue, { type: "ack" }, ...receipts);
  }

  nack(queue: string, receipt: DeliveryId, delayMs?: number): string | undefined {
    return this.settle(queue, { type: "nack", delayMs }, receipt)[0];
  }

  bodies(queue: string, state: "ready" | "delayed" | "in_flight" | "dead"): string[] {
    return this.machine.messages(queue, state, 0, 1_000).map(bodyOf);
  }

  /** The whole state goes into a snapshot, and comes back as another machine. */
  restored(): QueueMachine {
    const copy = new QueueMachine(this.bounds);
    const restoration = copy.restore();
    for (const piece of this.machine.snapshot()) restoration.take(piece);
    restoration.finish();
    return copy;
  }
}

export function snapshotOf(machine: QueueMachine): string {
  return Buffer.concat([...machine.snapshot()]).toString("base64");
}
