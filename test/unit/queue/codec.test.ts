import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { InvariantError } from "../../../src/kernel/assert.ts";
import { DecodeError } from "../../../src/kernel/bytes.ts";
import { limits } from "../../../src/kernel/limits.ts";
import { decodeCommand, encodeCommand } from "../../../src/queue/codec.ts";
import type { QueueCommand } from "../../../src/queue/commands.ts";
import { QueueMachine } from "../../../src/queue/queue-machine.ts";
import { Harness, message, small } from "./harness.ts";

const { dedupeId: _, ...plain } = message("tick", { priority: 3 });
const receipts = [
  { message: 1, attempt: 2, nonce: 2 ** 48 - 1 },
  { message: 2 ** 52, attempt: 1, nonce: 0 },
];
const COMMANDS: readonly QueueCommand[] = [
  { type: "registerIngress", node: "elsewhere" },
  {
    type: "publish",
    queue: "q/ä",
    wallMs: 1_790_000_000_000,
    messages: [message("x", { delayMs: 5, dedupeId: "d", groupKey: "g", expiresMs: 9 }), message("")],
  },
  { type: "receive", queue: "q", max: limits.maxReceiveMessages, waitMs: 60_000, visibilityMs: undefined, nonce: 3 },
  { type: "receive", queue: "q", max: 1, waitMs: 0, visibilityMs: limits.minVisibilityMs, nonce: 0 },
  { type: "giveBack", queue: "q", receipts },
  { type: "settle", queue: "q", receipts, settlement: { type: "ack" } },
  { type: "settle", queue: "q", receipts, settlement: { type: "nack", delayMs: undefined } },
  { type: "settle", queue: "q", receipts, settlement: { type: "nack", delayMs: 0 } },
  { type: "settle", queue: "q", receipts, settlement: { type: "extend", visibilityMs: 1_000 } },
  { type: "cancel", ingress: 2 ** 53 - 1, sequence: 7 },
  { type: "configure", queue: "q", changes: { maxDeliveries: 0, rateLimit: 5 } },
  { type: "configure", queue: "q", changes: {} },
  { type: "pause", queue: "q", paused: true },
  { type: "purge", queue: "q", part: "dead" },
  { type: "redrive", queue: "q", max: 10 },
  {
    type: "setSchedule",
    queue: "q",
    wallMs: 1,
    schedule: { id: "s", cron: "* * * * *", zone: "UTC", missed: "skip", message: plain },
  },
  { type: "removeSchedule", queue: "q", id: "s" },
  { type: "fireSchedule", queue: "q", id: "s", instantMs: 5 },
];

function encoded(command: QueueCommand): Uint8Array {
  return encodeCommand({ ingress: 5, sequence: 6, floor: 6, idempotencyKey: "k", command });
}

describe("a command", () => {
  test.each(COMMANDS.map((command) => [command.type, command] as const))(
    "%s comes back as it was",
    (_type, command) => {
      const decoded = decodeCommand(encoded(command)).command;
      expect(decoded).toEqual(command);
    },
  );

  test.each([
    { type: "publish", queue: "q", wallMs: 1, messages: [] },
    { type: "publish", queue: "", wallMs: 1, messages: [message("x")] },
    { type: "publish", queue: "q", wallMs: 1, messages: [message("x", { priority: 10 })] },
    { type: "publish", queue: "q", wallMs: 1, messages: [message("x", { dedupeId: "" })] },
    { type: "receive", queue: "q", max: 0, waitMs: 0, visibilityMs: undefined, nonce: 0 },
    { type: "receive", queue: "q", max: 1, waitMs: 0, visibilityMs: 1, nonce: 0 },
    { type: "configure", queue: "q", changes: { visibilityMs: 1 } },
    { type: "settle", queue: "q", receipts: [], settlement: { type: "ack" } },
  ] as QueueCommand[])("that cannot be is not written: %j", (command) => {
    expect(() => encoded(command)).toThrow(InvariantError);
  });

  test("that is cut short, or has more than it should, is refused", () => {
    for (const command of COMMANDS) {
      const bytes = encoded(command);
      for (let length = 0; length < bytes.length; length++) {
        expect(() => decodeCommand(bytes.subarray(0, length))).toThrow(DecodeError);
      }
      expect(() => decodeCommand(Uint8Array.of(...bytes, 0))).toThrow(DecodeError);
    }
  });

  test("of any bytes is one, or is refused, and the machine goes on (R7)", () => {
    const damaged = fc.tuple(fc.integer({ min: 0, max: COMMANDS.length - 1 }), fc.nat(), fc.nat(255));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), damaged), (drawn) => {
        const bytes = drawn instanceof Uint8Array ? drawn : encoded(COMMANDS[drawn[0]]!);
        if (!(drawn instanceof Uint8Array)) bytes[drawn[1] % bytes.length]! ^= drawn[2];
        // Of a process that no damaged byte names.
        const harness = new Harness(limits, 123_456_789_012);
        harness.apply("command", bytes);
        harness.publish("after", "x");
        expect(harness.bodies("after", "ready")).toEqual(["x"]);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("a snapshot that was damaged", () => {
  function busy(): Harness {
    const harness = new Harness(small);
    harness.ask({ type: "configure", queue: "q", changes: { maxDeliveries: 1 } });
    harness.publish(
      "q",
      "a",
      message("b", { groupKey: "g", dedupeId: "d" }),
      message("c", { groupKey: "g" }),
      message("d", { delayMs: 99, expiresMs: 500 }),
    );
    for (let i = 0; i < 40; i++) harness.publish("long", `message ${i}`);
    for (const out of harness.receive("long", { max: 3 })!) harness.nack("long", out, 10);
    harness.nack("q", harness.take("q"));
    harness.take("q");
    harness.receive("empty", { waitMs: 9_000 });
    harness.ask({
      type: "setSchedule",
      queue: "q",
      wallMs: 1,
      schedule: { id: "s", cron: "* * * * *", zone: "UTC", missed: "skip", message: plain },
    });
    harness.ask({ type: "pause", queue: "other", paused: true }, "key");
    return harness;
  }

  test("is refused, or says what another state says; nothing but a DecodeError comes of it", () => {
    const harness = busy();
    const bytes = Buffer.concat([...harness.machine.snapshot()]);
    let refused = 0;
    for (let at = 0; at < bytes.length; at++) {
      const copy = Uint8Array.from(bytes);
      copy[at] = (copy[at] ?? 0) ^ (1 << (at % 8));
      const restoration = new QueueMachine(small).restore();
      try {
        restoration.take(copy);
        restoration.finish();
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        refused += 1;
      }
    }
    // Most of what is left is the text of bodies and names, and numbers that any may be: the file's checksum knows.
    expect(refused).toBeGreaterThan(bytes.length / 4);
    expect(() => {
      const restoration = new QueueMachine(small).restore();
      restoration.take(bytes.subarray(0, bytes.length - 1));
      restoration.finish();
    }).toThrow(DecodeError);
  });

  test("is taken however it is cut", () => {
    const harness = busy();
    const bytes = Buffer.concat([...harness.machine.snapshot()]);
    const copy = new QueueMachine(small);
    const restoration = copy.restore();
    for (let at = 0; at < bytes.length; at += 7) restoration.take(bytes.subarray(at, at + 7));
    restoration.finish();
    expect(copy.digest()).toBe(harness.machine.digest());
  });

  test("keeps bodies that are larger than a block", () => {
    const harness = new Harness();
    const body = "x".repeat(limits.maxBodyBytes);
    harness.publish("q", body, "small");
    harness.machine = harness.restored();
    expect(harness.bodies("q", "ready")).toEqual([body, "small"]);
  });
});
