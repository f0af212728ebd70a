import { describe, expect, test } from "bun:test";
import { backOffMs } from "../../../src/queue/back-off.ts";
import { DEFAULT_SETTINGS } from "../../../src/queue/settings.ts";
import { bodyOf, Harness, message } from "./harness.ts";

describe("messages are delivered", () => {
  test("in the order in which they were published, the larger priority first", () => {
    const harness = new Harness();
    harness.publish("q", "a", "b", message("urgent", { priority: 5 }), "c");
    expect(harness.receive("q", { max: 10 })!.map(bodyOf)).toEqual(["urgent", "a", "b", "c"]);
  });

  test("not before their delay is over, and then in front of what came after them", () => {
    const harness = new Harness();
    harness.publish("q", message("late", { delayMs: 100 }), "now");
    expect(harness.receive("q", { max: 10 })!.map(bodyOf)).toEqual(["now"]);
    harness.publish("q", "after");
    harness.pass(99);
    expect(harness.bodies("q", "delayed")).toEqual(["late"]);
    harness.pass(1);
    expect(harness.receive("q", { max: 10 })!.map(bodyOf)).toEqual(["late", "after"]);
  });

  test("to whoever has waited longest, at once when they come", () => {
    const harness = new Harness();
    expect(harness.receive("q", { waitMs: 1_000 })).toBeUndefined();
    expect(harness.receive("q", { waitMs: 1_000 })).toBeUndefined();
    harness.outcomes.length = 0;
    harness.publish("q", "first", "second");
    const told = harness.outcomes.filter(({ result }) => result?.type === "received");
    expect(told.map(({ sequence }) => sequence)).toEqual([2, 3]);
  });

  test("to nobody whose wait is over", () => {
    const harness = new Harness();
    harness.receive("q", { waitMs: 100 });
    const [ended] = harness.pass(100);
    expect(ended).toMatchObject({ sequence: 2, result: { type: "received", messages: [] } });
    harness.publish("q", "x");
    expect(harness.bodies("q", "ready")).toEqual(["x"]);
  });

  test("again when nobody acked them in time, with the next attempt and another nonce", () => {
    const harness = new Harness();
    harness.publish("q", "x");
    const first = harness.take("q", 100);
    harness.pass(99);
    expect(harness.receive("q")).toEqual([]);
    harness.pass(1);
    const second = harness.take("q");
    expect([first.attempt, second.attempt]).toEqual([1, 2]);
    expect(second.nonce).not.toBe(first.nonce);
    expect(harness.machine.view("q")).toMatchObject({ timedOut: 1, delivered: 2 });
  });

  test("within the limit on what is out, and on how many in a time, which is no error (U3)", () => {
    const harness = new Harness();
    harness.publish("q", "a", "b", "c", "d");
    harness.ask({ type: "configure", queue: "q", changes: { maxInFlight: 2 } });
    const out = harness.receive("q", { max: 10 })!;
    expect(out.map(bodyOf)).toEqual(["a", "b"]);
    expect(harness.receive("q", { max: 10 })).toEqual([]);
    harness.ack("q", out[0]!);
    expect(harness.take("q").message).toBe(3);
    harness.ask({ type: "configure", queue: "q", changes: { maxInFlight: 0, rateLimit: 1, rateIntervalMs: 1_000 } });
    expect(harness.receive("q", { max: 10 })!.map(bodyOf)).toEqual(["d"]);
    harness.publish("q", "e");
    expect(harness.receive("q", { waitMs: 5_000 })).toBeUndefined();
    harness.pass(999);
    expect(harness.bodies("q", "ready")).toEqual(["e"]);
    expect(harness.machine.nextDeadlineMs()).toBe(harness.nowMs + 1);
    harness.pass(1);
    expect(harness.bodies("q", "ready")).toEqual([]);
  });

  test("not while the queue is paused, which still takes them", () => {
    const harness = new Harness();
    harness.ask({ type: "pause", queue: "q", paused: true });
    harness.publish("q", "x");
    expect(harness.receive("q")).toEqual([]);
    harness.receive("q", { waitMs: 1_000 });
    harness.ask({ type: "pause", queue: "q", paused: false });
    expect(harness.bodies("q", "in_flight")).toEqual(["x"]);
  });

  test("one at a time of a group, in its order, while others go on", () => {
    const harness = new Harness();
    const of = (body: string, groupKey: string) => message(body, { groupKey });
    harness.publish("q", of("a1", "a"), of("a2", "a"), of("b1", "b"), of("a3", "a"), "free");
    const out = harness.receive("q", { max: 10 })!;
    expect(out.map(bodyOf)).toEqual(["a1", "b1", "free"]);
    // It stays in front of its group while it is away.
    expect(harness.nack("q", out[0]!, 500)).toBe("done");
    expect(harness.receive("q", { max: 10 })).toEqual([]);
    harness.pass(500);
    const again = harness.receive("q", { max: 10 })!;
    expect(again.map(bodyOf)).toEqual(["a1"]);
    harness.ack("q", again[0]!);
    expect(harness.receive("q", { max: 10 })!.map(bodyOf)).toEqual(["a2"]);
  });
});

describe("a receipt (U1)", () => {
  test("acks once", () => {
    const harness = new Harness();
    harness.publish("q", "x");
    const out = harness.take("q");
    expect(harness.ack("q", out)).toEqual(["done"]);
    expect(harness.ack("q", out)).toEqual(["stale_attempt"]);
    expect(harness.machine.counts.messages).toBe(0);
  });

  test("of an attempt that was taken over is refused, and does not touch the newer one", () => {
    const harness = new Harness();
    harness.publish("q", "x");
    const late = harness.take("q", 100);
    harness.pass(100);
    const newer = harness.take("q");
    expect(harness.ack("q", late)).toEqual(["stale_attempt"]);
    expect(harness.ack("q", { ...newer, nonce: newer.nonce + 1 })).toEqual(["stale_attempt"]);
    expect(harness.ack("q", newer)).toEqual(["done"]);
  });

  test("of another queue, or of a message that never was, is unknown", () => {
    const harness = new Harness();
    harness.publish("q", "x");
    const out = harness.take("q");
    expect(harness.ack("other", out)).toEqual(["unknown_receipt"]);
    expect(harness.ack("q", { ...out, message: 99 })).toEqual(["unknown_receipt"]);
    expect(harness.ack("q", { ...out, attempt: 2 })).toEqual(["unknown_receipt"]);
  });

  test("can be extended while it is good", () => {
    const harness = new Harness();
    harness.publish("q", "x");
    const out = harness.take("q", 100);
    harness.pass(60);
    expect(harness.settle("q", { type: "extend", visibilityMs: 100 }, out)).toEqual(["done"]);
    harness.pass(99);
    expect(harness.bodies("q", "in_flight")).toEqual(["x"]);
    harness.pass(1);
    expect(harness.settle("q", { type: "extend", visibilityMs: 100 }, out)).toEqual(["stale_attempt"]);
  });
});

describe("what failed too often is a dead letter", () => {
  test("by nack or by time, after as many deliveries as the queue is set to", () => {
    const harness = new Harness();
    harness.ask({ type: "configure", queue: "q", changes: { maxDeliveries: 3 } });
    harness.publish("q", "x");
    expect(harness.nack("q", harness.take("q"), 0)).toBe("done");
    harness.take("q", 100);
    harness.pass(100);
    expect(harness.nack("q", harness.take("q"), 0)).toBe("dead");
    expect(harness.machine.messages("q", "dead", 0, 10)).toMatchObject([
      { attempt: 3, failures: 3, deadReason: "deliveries" },
    ]);
  });

  test("but what came back unstarted counts for nothing, though its attempt is used up", () => {
    const harness = new Harness();
    harness.ask({ type: "configure", queue: "q", changes: { maxDeliveries: 1 } });
    harness.publish("q", "x");
    const out = harness.take("q");
    const { message: number, attempt, nonce } = out;
    harness.ask({ type: "giveBack", queue: "q", receipts: [{ message: number, attempt, nonce }] });
    expect(harness.ack("q", out)).toEqual(["stale_attempt"]);
    const again = harness.take("q");
    expect(again.attempt).toBe(2);
    expect(harness.machine.view("q")).toMatchObject({ returned: 1, dead: 0 });
    expect(harness.nack("q", again, 0)).toBe("dead");
  });

  test("when nobody took it within its life, also where the queue says how long that is", () => {
    const harness = new Harness();
    harness.ask({ type: "configure", queue: "q", changes: { expiresMs: 200 } });
    harness.publish("q", message("short", { expiresMs: 100 }), "as set");
    const out = harness.take("q", 150);
    expect(bodyOf(out)).toBe("short");
    harness.pass(120);
    // Who has it may go on.
    expect(harness.bodies("q", "dead")).toEqual([]);
    harness.pass(30);
    harness.pass(0);
    expect(harness.bodies("q", "dead")).toEqual(["short"]);
    harness.pass(50);
    expect(harness.machine.messages("q", "dead", 0, 9).map(({ deadReason }) => deadReason)).toEqual([
      "expired",
      "expired",
    ]);
  });

  test("and comes back when it is redriven, oldest first, with its attempts", () => {
    const harness = new Harness();
    harness.ask({ type: "configure", queue: "q", changes: { maxDeliveries: 1 } });
    harness.publish("q", "a", "b", "c");
    for (const out of harness.receive("q", { max: 3 })!) harness.nack("q", out);
    expect(harness.ask({ type: "redrive", queue: "q", max: 2 })).toEqual({ type: "counted", count: 2 });
    expect(harness.bodies("q", "dead")).toEqual(["c"]);
    expect(harness.take("q")).toMatchObject({ message: 1, attempt: 2 });
  });
});

describe("back-off", () => {
  test("doubles with each failure up to the most, and is spread by a quarter, the same on every replica", () => {
    const settings = { ...DEFAULT_SETTINGS, backoffMs: 1_000, maxBackoffMs: 8_000 };
    for (const [failures, fullMs] of [
      [1, 1_000],
      [2, 2_000],
      [3, 4_000],
      [4, 8_000],
      [60, 8_000],
    ] as const) {
      const delays = Array.from({ length: 200 }, (_, i) => backOffMs(settings, failures, i + 1, failures));
      expect(Math.min(...delays)).toBeGreaterThanOrEqual(fullMs * 0.75);
      expect(Math.max(...delays)).toBeLessThanOrEqual(fullMs * 1.25);
      expect(new Set(delays).size).toBeGreaterThan(50);
    }
    expect(backOffMs({ ...settings, backoffMs: 0 }, 3, 1, 1)).toBe(0);
  });
});
