import { describe, expect, test } from "bun:test";
import { ApiError } from "../../../src/api/errors.ts";
import { QueueError } from "../../../src/engine/queue-backend.ts";
import type { QueueResult } from "../../../src/queue/commands.ts";
import { QueueMachine } from "../../../src/queue/queue-machine.ts";
import { GroupError } from "../../../src/server/control-group.ts";
import { EmbeddedQueues } from "../../../src/server/embedded-queues.ts";
import { localQueues } from "../../support/local-queues.ts";
import { bodyOf, message } from "../queue/harness.ts";

const NOW = { max: 10, waitMs: 0, visibilityMs: undefined };

describe("embedded queues", () => {
  test("say what was published, received, settled, in ids and receipts of their shard", async () => {
    const queues = localQueues();
    const [first] = await queues.publish("orders", [message("x"), message("y")]);
    expect(first).toEqual({ id: "1-1", duplicate: false });
    const [one, two] = await queues.receive("orders", NOW);
    expect([bodyOf(one!), one!.id, one!.attempt, one!.visibilityMs]).toEqual(["x", "1-1", 1, 30_000]);
    expect(one!.receipt).toMatchObject({ shard: 1, queue: "orders", message: 1, attempt: 1 });
    expect(await queues.settle("orders", [one!.receipt, two!.receipt], { type: "ack" })).toEqual(["done", "done"]);
    expect(await queues.settle("orders", [one!.receipt], { type: "ack" })).toEqual(["stale_attempt"]);
    expect(await queues.statistics("orders")).toMatchObject({ acked: 2, ready: 0, inFlight: 0 });
  });

  test("know no receipt of another shard or queue, and settle the others of the same request", async () => {
    const queues = localQueues();
    await queues.publish("orders", [message("x")]);
    const [taken] = await queues.receive("orders", NOW);
    const receipt = taken!.receipt;
    const foreign = [{ ...receipt, shard: 2 }, receipt, { ...receipt, queue: "others" }];
    const ends = await queues.settle("orders", foreign, { type: "ack" });
    expect(ends).toEqual(["unknown_receipt", "done", "unknown_receipt"]);
    expect(await queues.settle("orders", [foreign[0]!], { type: "ack" })).toEqual(["unknown_receipt"]);
  });

  test("list the queues of all shards by name", async () => {
    const queues = localQueues();
    for (const name of ["b", "aa", "cc", "a"]) await queues.publish(name, [message("x")]);
    const names = async (after: string, limit: number) =>
      (await queues.list({ prefix: "", after, limit })).map(({ queue }) => queue);
    expect(await names("", 10)).toEqual(["a", "aa", "b", "cc"]);
    expect(await names("aa", 1)).toEqual(["b"]);
  });

  test("give back what a consumer that went away would have had", async () => {
    const queues = localQueues();
    const gone = new AbortController();
    const waiting = queues.receive("orders", { ...NOW, waitMs: 10_000 }, { signal: gone.signal });
    gone.abort();
    await expect(waiting).rejects.toThrow(new QueueError("aborted"));
    await queues.publish("orders", [message("x")]);
    const [taken] = await queues.receive("orders", NOW);
    await queues.giveBack([taken!.receipt]);
    expect((await queues.receive("orders", NOW))[0]).toMatchObject({ attempt: 2 });
  });

  test("show messages in any state, from one on", async () => {
    const queues = localQueues();
    await queues.publish("orders", [message("a"), message("b"), message("late", { delayMs: 60_000 })]);
    const [first] = await queues.browse("orders", { state: "ready", after: undefined, limit: 1 });
    expect(bodyOf(first!)).toBe("a");
    const rest = await queues.browse("orders", { state: "ready", after: first!.id, limit: 9 });
    expect(rest.map(bodyOf)).toEqual(["b"]);
    const [late] = await queues.browse("orders", { state: "delayed", after: undefined, limit: 9 });
    expect(late!.dueInMs).toBeGreaterThan(50_000);
  });

  test("keep schedules and settings, and pause", async () => {
    const queues = localQueues();
    const { dedupeId: _, ...tick } = message("tick");
    await queues.setSchedule("orders", { id: "s", cron: "* * * * *", zone: "UTC", missed: "once", message: tick });
    expect(await queues.schedules("orders")).toMatchObject([{ id: "s", firedAtMs: undefined }]);
    expect([await queues.removeSchedule("orders", "s"), await queues.removeSchedule("orders", "s")]).toEqual([
      true,
      false,
    ]);
    expect(await queues.configure("orders", { maxDeliveries: 9 })).toEqual(await queues.settings("orders"));
    await queues.pause("orders", true);
    await queues.publish("orders", [message("x")]);
    expect(await queues.receive("orders", NOW)).toEqual([]);
    expect(await queues.purge("orders", "live")).toBe(1);
    expect(await queues.redrive("orders", 5)).toBe(0);
  });
});

describe("what a group cannot do is said in the words of the contract", () => {
  function answering(answer: () => Promise<QueueResult>): EmbeddedQueues {
    const client = { submit: answer, readBarrier: () => answer() as Promise<never>, close: () => {} };
    const shard = { group: 1, client, machine: new QueueMachine(), leaseTimeMs: () => 0 };
    return new EmbeddedQueues({ shards: [shard], shardOf: () => 0, nonce: () => 1, wallMs: () => 0 });
  }

  test.each(["no_leader", "outcome_unknown", "limit", "disk_full", "aborted"] as const)("%s", async (code) => {
    const queues = answering(() => Promise.reject(new GroupError(code)));
    await expect(queues.publish("orders", [message("x")])).rejects.toMatchObject({ name: "QueueError", code });
    await expect(queues.statistics("orders")).rejects.toMatchObject({ name: "QueueError", code });
  });

  test("a limit of the state machine by its name, and a key that is used for two requests", async () => {
    const limit = answering(async () => ({ type: "error", code: "limit", limit: "maxMessages" }));
    const full = new ApiError("limit", { details: { limit: "maxMessages" } });
    await expect(limit.publish("orders", [message("x")])).rejects.toMatchObject({
      code: "limit",
      details: full.details,
    });
    const reused = answering(async () => ({ type: "error", code: "idempotency_key_reused" }));
    await expect(reused.publish("orders", [message("x")])).rejects.toMatchObject({ code: "bad_request" });
  });
});
