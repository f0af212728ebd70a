import { describe, expect, test } from "bun:test";
import { encodeCommand } from "../../../src/queue/codec.ts";
import type { QueueOutcome } from "../../../src/queue/state.ts";
import { Harness } from "./harness.ts";

describe("a replica that was restored from a snapshot", () => {
  test("ends the receivers of a process that is gone in the same order as one that saw them come", () => {
    const harness = new Harness();
    // Their queues come in another order than they do.
    harness.publish("a", "first");
    harness.take("a");
    harness.publish("b", "first");
    harness.take("b");
    for (const queue of ["b", "a", "b"]) harness.receive(queue, { waitMs: 1_000 });
    const restored = harness.restored();
    const command = { type: "registerIngress", node: "node1" } as const;
    const payload = encodeCommand({ ingress: 2, sequence: 1, floor: 1, idempotencyKey: undefined, command });
    const entry = { index: harness.index + 1, kind: "command", leaseTimeMs: harness.nowMs, payload } as const;
    const [seen, told]: QueueOutcome[][] = [[], []];
    harness.machine.apply(entry, (outcome) => seen!.push(outcome));
    restored.apply(entry, (outcome) => told!.push(outcome));
    expect(seen!.map(({ result }) => result?.type)).toEqual(["error", "error", "error", "registered"]);
    expect(told).toEqual(seen!);
    expect(restored.stateHash()).toBe(harness.machine.stateHash());
  });
});
