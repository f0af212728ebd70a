import { describe, expect, test } from "bun:test";
import { Prng } from "../../../src/kernel/prng.ts";
import type { DeliveryId, QueueCommand, QueueResult } from "../../../src/queue/commands.ts";
import type { MessageState, NewMessage } from "../../../src/queue/types.ts";
import { Harness, message, small, snapshotOf } from "./harness.ts";
import { Model } from "./model.ts";

const STATES: readonly MessageState[] = ["ready", "delayed", "in_flight", "dead"];
/** The third has a rate limit now and then, and no lives of messages: which of two ends at one time comes first is the model's guess. */
const QUEUES = ["a", "b", "limited"];

/** Random commands over few queues, few keys and short times, so that they meet. */
class RandomCommands {
  private readonly receipts: (DeliveryId & { readonly queue: string })[] = [];
  private waiting: number[] = [];
  private bodies = 0;

  constructor(private readonly random: Prng) {}

  learn(sequence: number, command: QueueCommand, result: QueueResult | undefined): void {
    if (command.type !== "receive") return;
    if (result === undefined) this.waiting.push(sequence);
    else if (result.type === "received") {
      for (const { message: number, attempt, nonce } of result.messages) {
        this.receipts.push({ queue: command.queue, message: number, attempt, nonce });
      }
      if (result.messages.length > 0 && this.random.chance(0.2)) this.waiting.push(sequence);
    }
  }

  next(sequence: number): QueueCommand {
    const { random } = this;
    const queue = random.pick(QUEUES);
    const draw = random.next();
    if (draw < 0.32) {
      const count = 1 + random.int(random.chance(0.1) ? 12 : 3);
      return {
        type: "publish",
        queue,
        wallMs: 9_000 + sequence,
        messages: Array.from({ length: count }, () => this.message(queue)),
      };
    }
    if (draw < 0.6) {
      const visibilityMs = random.chance(0.7) ? 100 + random.int(400) : undefined;
      const waitMs = random.chance(0.5) ? 0 : random.int(500);
      return { type: "receive", queue, max: 1 + random.int(4), waitMs, visibilityMs, nonce: random.int(2 ** 31) };
    }
    if (draw < 0.84) return this.settlement(queue);
    if (draw < 0.88) {
      const at = this.waiting.pop() ?? sequence + random.int(3);
      return { type: "cancel", ingress: 1, sequence: at };
    }
    if (draw < 0.91) return { type: "configure", queue, changes: this.changes(queue) };
    if (draw < 0.94) return { type: "pause", queue, paused: random.chance(0.4) };
    if (draw < 0.96) return { type: "purge", queue, part: random.chance(0.5) ? "live" : "dead" };
    return { type: "redrive", queue, max: 1 + random.int(5) };
  }

  private message(queue: string): NewMessage {
    const { random } = this;
    const expires = queue !== "limited" && random.chance(0.15);
    return message(`${++this.bodies}`.repeat(1 + random.int(4)), {
      delayMs: random.chance(0.2) ? 1 + random.int(400) : 0,
      priority: random.chance(0.3) ? random.int(10) : 0,
      ...(random.chance(0.2) && { dedupeId: `d${random.int(6)}` }),
      ...(random.chance(0.4) && { groupKey: `g${random.int(3)}` }),
      expiresMs: expires ? 50 + random.int(600) : 0,
    });
  }

  private settlement(queue: string): QueueCommand {
    const { random } = this;
    const known = this.receipts.length > 0 && random.chance(0.9) ? random.pick(this.receipts) : undefined;
    const receipt = known ?? { queue, message: 1 + random.int(60), attempt: 1, nonce: 5 };
    const receipts = [receipt];
    const rival = random.chance(0.2) ? this.receipts.at(-1) : undefined;
    if (rival?.queue === receipt.queue) receipts.push(rival);
    const named = random.chance(0.97) ? receipt.queue : queue;
    if (random.chance(0.1)) return { type: "giveBack", queue: named, receipts };
    const draw = random.next();
    if (draw < 0.45) return { type: "settle", queue: named, receipts, settlement: { type: "ack" } };
    if (draw < 0.6)
      return {
        type: "settle",
        queue: named,
        receipts,
        settlement: { type: "extend", visibilityMs: 100 + random.int(300) },
      };
    const delayMs = random.chance(0.5) ? random.int(200) : undefined;
    return { type: "settle", queue: named, receipts, settlement: { type: "nack", delayMs } };
  }

  private changes(queue: string) {
    const { random } = this;
    if (queue === "limited") return { rateLimit: random.int(4), rateIntervalMs: 100 + random.int(300) };
    return {
      visibilityMs: 100 + random.int(300),
      ...(random.chance(0.5) && { maxDeliveries: random.int(4) }),
      ...(random.chance(0.5) && { backoffMs: random.int(100) }),
      ...(random.chance(0.4) && { maxInFlight: random.int(4) }),
      ...(random.chance(0.3) && { expiresMs: random.chance(0.5) ? 0 : 300 }),
      ...(random.chance(0.3) && { dedupeWindowMs: random.int(300) }),
    };
  }
}

function run(seed: number, commands: number): Harness {
  const random = new Prng(seed);
  const source = new RandomCommands(random);
  const harness = new Harness({ ...small, maxReceiveBytes: 12 });
  const results = new Map<number, QueueResult | undefined>();
  const model = new Model(harness.bounds, (sequence, result) => results.set(sequence, result));
  const asked = new Map<number, QueueCommand>();
  harness.outcomes.length = 0;
  model.nowMs = harness.nowMs;
  for (let i = 0; i < commands; i++) {
    results.clear();
    if (random.chance(0.2)) {
      harness.pass(random.int(200));
      model.pass(harness.nowMs);
    } else {
      harness.nowMs += random.int(10);
      // The model knows the time of the last entry alone.
      model.nowMs = harness.nowMs;
      const sequence = ++harness.sequence;
      const command = source.next(sequence);
      asked.set(sequence, command);
      harness.entry({ ingress: 1, sequence, floor: 1, idempotencyKey: undefined, command });
      model.apply(sequence, command);
    }
    const told = new Map(harness.outcomes.splice(0).map(({ sequence, result }) => [sequence, result]));
    expect(told).toEqual(results);
    for (const [sequence, result] of told) source.learn(sequence, asked.get(sequence)!, result);
    if (i % 10 === 0) compare(harness, model);
    if (random.chance(0.02)) {
      const copy = harness.restored();
      expect(snapshotOf(copy)).toBe(snapshotOf(harness.machine));
      expect([copy.stateHash(), copy.digest()]).toEqual([harness.machine.stateHash(), harness.machine.digest()]);
      harness.machine = copy;
    }
  }
  return harness;
}

function compare(harness: Harness, model: Model): void {
  let messages = 0;
  for (const name of QUEUES) {
    const view = harness.machine.view(name);
    const counts = { ready: view.ready, delayed: view.delayed, in_flight: view.inFlight, dead: view.dead };
    for (const state of STATES) {
      const expected = model.where(name, state);
      messages += expected.length;
      expect([name, state, counts[state]]).toEqual([name, state, expected.length]);
      const shown = harness.machine.messages(name, state, 0, 10_000);
      expect(shown.map((each) => [each.message, each.attempt, each.failures])).toEqual(
        expected.map((each) => [each.number, each.attempt, each.failures]),
      );
    }
    const bytes = model.messages.filter(({ queue }) => queue === name).reduce((sum, { body }) => sum + body.length, 0);
    expect(view.bytes).toBe(bytes);
  }
  expect(harness.machine.counts.messages).toBe(messages);
}

describe("the queue machine does what the model does", () => {
  test.each(Array.from({ length: 40 }, (_, seed) => seed))("with the random commands of seed %i", (seed) => {
    run(seed, 400);
  });

  test("and two machines that apply the same log come to the same bytes, wherever one of them was restored", () => {
    for (let seed = 100; seed < 110; seed++) {
      const [one, other] = [run(seed, 300), run(seed, 300)];
      expect(snapshotOf(one.machine)).toBe(snapshotOf(other.machine));
    }
  });

  test("with long lists that go through pages", () => {
    const harness = new Harness(small);
    const bodies: string[] = [];
    for (let i = 0; i < 3_000; i++) {
      bodies.push(`body ${i}`);
      if (bodies.length % 7 === 0) harness.publish("long", ...bodies.slice(-7));
    }
    const published = bodies.length - (bodies.length % 7);
    expect(harness.machine.view("long").ready).toBe(published);
    harness.machine = harness.restored();
    const got: string[] = [];
    for (
      let taken = harness.receive("long", { max: 9 });
      taken!.length > 0;
      taken = harness.receive("long", { max: 9 })
    ) {
      got.push(...taken!.map(({ body }) => new TextDecoder().decode(body)));
      harness.ack("long", ...taken!);
    }
    expect(got).toEqual(bodies.slice(0, published));
    expect(harness.machine.counts).toMatchObject({ messages: 0, bytes: 0, inFlight: 0 });
  });
});
