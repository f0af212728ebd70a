import { describe, expect, test } from "bun:test";
import { limits } from "../../../src/kernel/limits.ts";
import type { QueueCommand } from "../../../src/queue/commands.ts";
import { bodyOf, Harness, message } from "./harness.ts";

function publishOf(body: string): QueueCommand {
  return { type: "publish", queue: "q", wallMs: 1, messages: [message(body)] };
}

describe("an operation (Q1)", () => {
  test("that is proposed twice is carried out once, and answered twice", () => {
    const harness = new Harness();
    const envelope = { ingress: 1, sequence: 9, floor: 1, idempotencyKey: undefined, command: publishOf("x") };
    const [first] = harness.entry(envelope);
    const [second] = harness.entry(envelope);
    expect(second).toEqual(first);
    expect(harness.machine.view("q").ready).toBe(1);
  });

  test("below the window, or of a process that is not registered, is refused", () => {
    const harness = new Harness();
    harness.entry({ ingress: 1, sequence: 20, floor: 20, idempotencyKey: undefined, command: publishOf("x") });
    const [late] = harness.entry({
      ingress: 1,
      sequence: 5,
      floor: 1,
      idempotencyKey: undefined,
      command: publishOf("y"),
    });
    expect(late?.result).toMatchObject({ code: "stale_operation" });
    const [stranger] = harness.entry({
      ingress: 2,
      sequence: 1,
      floor: 1,
      idempotencyKey: undefined,
      command: publishOf("z"),
    });
    expect(stranger?.result).toMatchObject({ code: "stale_operation" });
    expect(harness.bodies("q", "ready")).toEqual(["x"]);
  });

  test("asked again under its idempotency key gets the first result; another request under it is refused", () => {
    const harness = new Harness();
    const first = harness.ask(publishOf("x"), "key");
    expect(harness.ask(publishOf("x"), "key")).toEqual(first);
    expect(harness.ask(publishOf("other"), "key")).toMatchObject({ code: "idempotency_key_reused" });
    harness.pass(limits.idempotencyKeyKeepMs);
    expect(harness.ask(publishOf("x"), "key")).not.toEqual(first);
  });

  test("of a receive that was cancelled before it came is never carried out", () => {
    const harness = new Harness();
    harness.publish("q", "x");
    harness.ask({ type: "cancel", ingress: 1, sequence: 50 });
    const command = { type: "receive", queue: "q", max: 1, waitMs: 0, visibilityMs: undefined, nonce: 1 } as const;
    const [told] = harness.entry({ ingress: 1, sequence: 50, floor: 1, idempotencyKey: undefined, command });
    expect(told?.result).toMatchObject({ code: "cancelled" });
    expect(harness.bodies("q", "ready")).toEqual(["x"]);
  });
});

describe("a consumer that goes away (L7)", () => {
  test("leaves no place in the queue", () => {
    const harness = new Harness();
    harness.receive("q", { waitMs: 1_000 });
    harness.ask({ type: "cancel", ingress: 1, sequence: harness.sequence });
    harness.publish("q", "x");
    expect(harness.bodies("q", "ready")).toEqual(["x"]);
    expect(harness.machine.counts.receivers).toBe(0);
  });

  test("gives back what it was given, once, and not what another one has by now", () => {
    const harness = new Harness();
    harness.publish("q", "a", "b");
    const out = harness.receive("q", { max: 2, visibilityMs: 100 })!;
    const { sequence } = harness;
    harness.ack("q", out[0]!);
    harness.ask({ type: "cancel", ingress: 1, sequence });
    expect(harness.bodies("q", "ready")).toEqual(["b"]);
    const newer = harness.take("q");
    harness.ask({ type: "cancel", ingress: 1, sequence });
    expect(harness.ack("q", newer)).toEqual(["done"]);
  });

  test("with its whole node: those who wait leave, and what is out stays out until its time", () => {
    const harness = new Harness();
    harness.publish("q", "x");
    const out = harness.take("q", 500);
    harness.receive("q", { waitMs: 10_000 });
    harness.entry({
      ingress: 2,
      sequence: 1,
      floor: 1,
      idempotencyKey: undefined,
      command: { type: "registerIngress", node: "node1" },
    });
    expect(harness.machine.counts).toMatchObject({ receivers: 0, inFlight: 1 });
    const command = { type: "settle", queue: "q", receipts: [out], settlement: { type: "ack" } } as const;
    const [told] = harness.entry({ ingress: 2, sequence: 2, floor: 1, idempotencyKey: undefined, command });
    expect(told?.result).toEqual({ type: "settled", ends: ["done"] });
  });
});

describe("a dedupe id", () => {
  test("makes a message one within its window, also in one request, and another one after it", () => {
    const harness = new Harness();
    const once = message("x", { dedupeId: "d" });
    expect(harness.publish("q", once, once)).toEqual([1, 1]);
    harness.ack("q", harness.take("q"));
    // Also when it is done with.
    expect(harness.publish("q", once)).toEqual([1]);
    expect(harness.publish("other", once)).toEqual([2]);
    harness.pass(300_000);
    expect(harness.publish("q", once)).toEqual([3]);
    expect(harness.machine.view("q")).toMatchObject({ published: 2, duplicates: 2 });
  });
});

describe("a limit", () => {
  test("refuses all messages of a request or none", () => {
    const harness = new Harness({ ...limits, maxMessages: 2 });
    harness.publish("q", "a");
    const refused = harness.ask({ type: "publish", queue: "q", wallMs: 1, messages: [message("b"), message("c")] });
    expect(refused).toEqual({ type: "error", code: "limit", limit: "maxMessages" });
    expect(harness.bodies("q", "ready")).toEqual(["a"]);
  });

  test("on queues forgets one that holds nothing, the longest so, before it refuses", () => {
    const harness = new Harness({ ...limits, maxQueues: 2 });
    for (const queue of ["a", "b"]) {
      harness.publish(queue, "x");
      harness.ack(queue, harness.take(queue));
    }
    harness.publish("b", "stays");
    harness.publish("c", "x");
    expect(harness.machine.page({ prefix: "", after: "", limit: 9 }).map(({ queue }) => queue)).toEqual(["b", "c"]);
    const refused = harness.ask(publishOf("x"));
    expect(refused).toEqual({ type: "error", code: "limit", limit: "maxQueues" });
  });

  test.each([
    ["maxReceivers", { type: "receive", queue: "q", max: 1, waitMs: 9, visibilityMs: undefined, nonce: 1 }],
    ["maxDedupeIds", { type: "publish", queue: "q", wallMs: 1, messages: [message("b", { dedupeId: "2" })] }],
    ["maxQueuedBytes", { type: "publish", queue: "q", wallMs: 1, messages: [message("x".repeat(100))] }],
  ] as const)("%s is refused by name", (limit, command) => {
    const harness = new Harness({ ...limits, maxReceivers: 0, maxDedupeIds: 1, maxQueuedBytes: 50 });
    harness.publish("other", message("a", { dedupeId: "1" }));
    expect(harness.ask(command as QueueCommand)).toEqual({ type: "error", code: "limit", limit });
  });
});

describe("a schedule (T3)", () => {
  const { dedupeId: _, ...tick } = message("tick");
  const schedule = { id: "nightly", cron: "0 3 * * *", zone: "Asia/Jakarta", missed: "once", message: tick } as const;

  test("fires each instant once, and none that lies before the last", () => {
    const harness = new Harness();
    harness.ask({ type: "setSchedule", queue: "q", wallMs: 1_000, schedule });
    const fire = (instantMs: number) => harness.ask({ type: "fireSchedule", queue: "q", id: "nightly", instantMs });
    expect([fire(5_000), fire(5_000), fire(4_000), fire(6_000)]).toEqual(
      [1, 0, 0, 1].map((count) => ({ type: "counted", count })),
    );
    // Put in its own place, it does not forget what has fired.
    harness.ask({ type: "setSchedule", queue: "q", wallMs: 9_000, schedule: { ...schedule, cron: "0 4 * * *" } });
    expect(fire(6_000)).toEqual({ type: "counted", count: 0 });
    expect(harness.machine.schedules("q")).toMatchObject([{ setAtMs: 9_000, firedAtMs: 6_000 }]);
    expect(harness.receive("q", { max: 9 })!.map(bodyOf)).toEqual(["tick", "tick"]);
  });

  test("that was removed does not fire", () => {
    const harness = new Harness();
    harness.ask({ type: "setSchedule", queue: "q", wallMs: 1_000, schedule });
    const remove = { type: "removeSchedule", queue: "q", id: "nightly" } as const;
    expect([harness.ask(remove), harness.ask(remove)]).toEqual([1, 0].map((count) => ({ type: "counted", count })));
    expect(harness.ask({ type: "fireSchedule", queue: "q", id: "nightly", instantMs: 5_000 })).toMatchObject({
      count: 0,
    });
  });
});

describe("a purge", () => {
  test("drops what is ready or delayed, and leaves what is out and what is dead", () => {
    const harness = new Harness();
    harness.ask({ type: "configure", queue: "q", changes: { maxDeliveries: 1 } });
    harness.publish(
      "q",
      "dead",
      message("out", { groupKey: "g" }),
      message("behind", { groupKey: "g" }),
      message("late", { delayMs: 50 }),
      "ready",
    );
    const [dead, out] = harness.receive("q", { max: 2 })!;
    harness.nack("q", dead!);
    expect(harness.ask({ type: "purge", queue: "q", part: "live" })).toEqual({ type: "counted", count: 3 });
    harness.pass(60);
    expect(harness.machine.view("q")).toMatchObject({
      ready: 0,
      delayed: 0,
      inFlight: 1,
      dead: 1,
      purged: 3,
      bytes: 7,
    });
    harness.publish("q", message("next", { groupKey: "g" }));
    expect(harness.receive("q")).toEqual([]);
    expect(harness.ack("q", out!)).toEqual(["done"]);
    expect(bodyOf(harness.take("q"))).toBe("next");
    expect(harness.ask({ type: "purge", queue: "q", part: "dead" })).toEqual({ type: "counted", count: 1 });
  });
});
