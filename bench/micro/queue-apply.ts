import { bench, group, run } from "mitata";
import { encodeCommand } from "../../src/queue/codec.ts";
import type { QueueCommand, QueueResult } from "../../src/queue/commands.ts";
import { QueueMachine } from "../../src/queue/queue-machine.ts";

/**
 * What the state machine costs: publish, receive and ack of messages of 100 B, codec included, one by one and in batches; in an empty
 * queue and in one with a backlog, which should make no difference.
 */

const BACKLOG = 1_000_000;
const body = new Uint8Array(100).fill(65);
const message = { body, delayMs: 0, priority: 0, dedupeId: undefined, groupKey: undefined, expiresMs: 0 };

class Feed {
  readonly machine = new QueueMachine();
  private index = 0;
  private sequence = 0;
  private result: QueueResult | undefined;

  constructor() {
    this.ask({ type: "registerIngress", node: "node1" });
  }

  ask(command: QueueCommand): QueueResult | undefined {
    const sequence = ++this.sequence;
    const payload = encodeCommand({ ingress: 7, sequence, floor: sequence, idempotencyKey: undefined, command });
    this.machine.apply({ index: ++this.index, kind: "command", leaseTimeMs: this.index, payload }, this.keep);
    return this.result;
  }

  publish(count: number): void {
    const messages = Array.from({ length: count }, () => message);
    this.ask({ type: "publish", queue: "orders", wallMs: 0, messages });
  }

  cycle(count: number): void {
    this.publish(count);
    const taken = this.ask({
      type: "receive",
      queue: "orders",
      max: count,
      waitMs: 0,
      visibilityMs: undefined,
      nonce: 5,
    });
    const receipts = taken?.type === "received" ? taken.messages : [];
    this.ask({ type: "settle", queue: "orders", receipts, settlement: { type: "ack" } });
  }

  private readonly keep = ({ result }: { readonly result?: QueueResult }): void => {
    this.result = result;
  };
}

const empty = new Feed();
const long = new Feed();
for (let i = 0; i < BACKLOG; i += 100) long.publish(100);

for (const count of [1, 10, 100]) {
  group(`publish + receive + ack of ${count}`, () => {
    bench("an empty queue", () => empty.cycle(count));
    bench(`behind ${BACKLOG.toLocaleString("en-US")}`, () => long.cycle(count));
  });
}

await run();
