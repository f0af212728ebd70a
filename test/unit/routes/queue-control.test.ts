import { describe, expect, test } from "bun:test";
import { changeSettings, purgeQueue, readSettings, redriveQueue } from "../../../src/api/queues/control.ts";
import { listSchedules, removeSchedule, setSchedule } from "../../../src/api/queues/schedules.ts";
import { browseMessages, deadMessages, listQueues, queueStatistics } from "../../../src/api/queues/views.ts";
import { limits } from "../../../src/kernel/limits.ts";
import { QueueSurface } from "../../support/queue-surface.ts";

function surface() {
  const made = new QueueSurface();
  return { queues: made.queues, ask: made.ask.bind(made), take: made.take.bind(made) };
}

describe("GET /queue/:name/stats", () => {
  test("counts what is there and what was", async () => {
    const { ask, take, queues } = surface();
    await ask("POST", "/queue/x/batch", { messages: [{ data: "four" }, { data: 2 }, { data: 3, delay: 60 }] });
    await ask("POST", `/queue/ack/${(await take("x")).ack_token}`);
    queues.advance(2_000);
    const { body } = await ask("GET", "/queue/x/stats");
    expect(queueStatistics.output.parse(body)).toEqual({
      ...{ queue: "x", paused: false, ready: 1, delayed: 1, in_flight: 0, dead: 0, bytes: 2, receivers: 0 },
      ...{ oldest_ready_ms: 2_000, published: 3, duplicates: 0, delivered: 1, acked: 1, nacked: 0, timed_out: 0 },
      ...{ returned: 0, dead_lettered: 0, redriven: 0, purged: 0, node: "node1", durability: "majority_disk" },
    });
  });
});

describe("GET /queues", () => {
  test("goes through all pages of a prefix", async () => {
    const { ask } = surface();
    for (const name of ["b", "a/3", "a/1", "a/2"]) await ask("POST", `/queue/${encodeURIComponent(name)}`, "1");
    const first = listQueues.output.parse((await ask("GET", "/queues?prefix=a&limit=2")).body);
    expect([first.queues.map(({ queue }) => queue), first.next]).toEqual([["a/1", "a/2"], "a/2"]);
    const second = listQueues.output.parse((await ask("GET", "/queues?prefix=a&limit=2&after=a%2F2")).body);
    expect([second.queues.map(({ queue }) => queue), second.next]).toEqual([["a/3"], undefined]);
  });
});

describe("GET /queue/:name/browse and /dead", () => {
  test("show messages as they came without taking them, a page at a time", async () => {
    const { ask, queues } = surface();
    await ask("POST", "/queue/x/batch", '{"messages":[{"data":1.0,"group":"g"},{"data":2},{"data":3}]}');
    const { text, body } = await ask("GET", "/queue/x/browse?limit=2");
    expect(text).toContain('"data":1.0,');
    const page = browseMessages.output.parse(body);
    expect(page).toMatchObject({
      state: "ready",
      next: "3-2",
      messages: [{ data: 1, group: "g", attempt: 0 }, { data: 2 }],
    });
    const rest = browseMessages.output.parse((await ask("GET", "/queue/x/browse?after=3-2&limit=2")).body);
    expect(rest.messages.map(({ data }) => data)).toEqual([3]);
    expect(rest).not.toHaveProperty("next");
    expect((await queues.statistics("x")).delivered).toBe(0);
  });

  test("end a page early when its messages are long", async () => {
    const { ask } = surface();
    const half = `"${"x".repeat(limits.maxReceiveBytes / 2)}"`;
    for (let i = 0; i < 4; i++) await ask("POST", "/queue/x?echo=0", half);
    const { messages, next } = browseMessages.output.parse((await ask("GET", "/queue/x/browse")).body);
    expect([messages.length, next]).toEqual([2, "3-2"]);
  });

  test("show dead letters with the reason, and of what is in flight how long", async () => {
    const { ask, take, queues } = surface();
    await queues.configure("x", { maxDeliveries: 1 });
    await ask("POST", "/queue/x", '"bad"');
    const flying = browseMessages.output.parse(
      (await take("x"), (await ask("GET", "/queue/x/browse?state=in_flight")).body),
    );
    expect(flying.messages).toMatchObject([{ due_in_ms: 30_000, failures: 0, attempt: 1 }]);
    queues.advance(30_000);
    const dead = deadMessages.output.parse((await ask("GET", "/queue/x/dead")).body);
    expect(dead).toMatchObject({ state: "dead", messages: [{ data: "bad", failures: 1, dead_reason: "deliveries" }] });
  });
});

describe("purge, redrive, pause and resume", () => {
  test("do as they say and count", async () => {
    const { ask, queues } = surface();
    await queues.configure("x", { maxDeliveries: 1 });
    await ask("POST", "/queue/x/batch", { messages: [{ data: 1 }, { data: 2 }] });
    await ask("POST", "/queue/x/receive?max=2&visibility=1");
    queues.advance(1_000);
    const redriven = redriveQueue.output.parse((await ask("POST", "/queue/x/redrive?max=1")).body);
    expect(redriven).toEqual({
      status: "redriven",
      queue: "x",
      node: "node1",
      durability: "majority_disk",
      redriven: 1,
    });
    expect((await ask("POST", "/queue/x/pause")).body).toMatchObject({ status: "paused", queue: "x" });
    expect((await ask("GET", "/queue/x")).body).toMatchObject({ status: "empty" });
    expect((await ask("POST", "/queue/x/resume")).body).toMatchObject({ status: "resumed" });
    expect(purgeQueue.output.parse((await ask("POST", "/queue/x/purge", { part: "dead" })).body).purged).toBe(1);
    expect(purgeQueue.output.parse((await ask("POST", "/queue/x/purge")).body).purged).toBe(1);
  });
});

describe("settings", () => {
  test("are read, and changed one by one in seconds", async () => {
    const { ask } = surface();
    const before = readSettings.output.parse((await ask("GET", "/queue/x/settings")).body);
    expect(before).toMatchObject({ visibility_ms: 30_000, max_deliveries: 5, max_in_flight: 0 });
    const sent = { visibility: 1.5, max_deliveries: 0, backoff: 0, rate_limit: 10, rate_interval: "0.001" };
    const after = changeSettings.output.parse((await ask("PUT", "/queue/x/settings", sent)).body);
    expect(after).toEqual({
      ...before,
      ...{ visibility_ms: 1_500, max_deliveries: 0, backoff_ms: 0, rate_limit: 10, rate_interval_ms: 1 },
    });
  });

  test.each([
    ["visibility", 0],
    ["visibility", -1],
    ["visibility", 43_200.1],
    ["max_deliveries", -1],
    ["max_deliveries", 1.5],
    ["max_deliveries", 1_001],
    ["backoff", "soon"],
    ["max_backoff", 86_401],
    ["dedupe_window", 86_401],
    ["max_in_flight", 100_001],
    ["rate_limit", 1_000_001],
    ["rate_interval", 0],
    ["expires", -0.5],
    ["visibility_ms", 5],
  ])("out of range are refused: %s of %p", async (field, value) => {
    const { ask, queues } = surface();
    const { status, body } = await ask("PUT", "/queue/x/settings", { max_deliveries: 7, [field]: value });
    expect([status, body.error.code, body.error.message.split(":")[0]]).toEqual([400, "bad_request", field]);
    expect((await queues.settings("x")).maxDeliveries).toBe(5);
  });
});

describe("schedules", () => {
  const path = "/queue/x/schedules/every%2Fday";

  test("are set, listed with their next instant, and removed", async () => {
    const { ask, queues } = surface();
    const sent = '{"cron": "30 7 * * *", "zone": "Asia/Jakarta", "data": { "n": 1.0 }, "delay": 2, "group": "g"}';
    const set = setSchedule.output.parse((await ask("PUT", path, sent)).body);
    const next = new Date(set.next_at_ms);
    expect([set.schedule, next.getUTCHours(), next.getUTCMinutes()]).toEqual(["every/day", 0, 30]);
    expect(await queues.schedules("x")).toMatchObject([{ missed: "once", message: { delayMs: 2_000, groupKey: "g" } }]);
    const { text, body } = await ask("GET", "/queue/x/schedules");
    expect(text).toContain('"data":{ "n": 1.0 },');
    expect(listSchedules.output.parse(body).schedules).toMatchObject([
      { schedule: "every/day", zone: "Asia/Jakarta", fired_at_ms: null, next_at_ms: set.next_at_ms, delay_ms: 2_000 },
    ]);
    expect(removeSchedule.output.parse((await ask("DELETE", path)).body).status).toBe("removed");
    const again = await ask("DELETE", path);
    expect([again.status, again.body.error.code]).toEqual([404, "not_found"]);
    expect(again.body.error.message).toContain('"every/day"');
  });

  test("may have seconds in front", async () => {
    const { ask } = surface();
    const { body } = await ask("PUT", path, { cron: "*/10 * * * * *", data: null });
    expect(setSchedule.output.parse(body).next_at_ms % 10_000).toBe(0);
  });

  test.each([
    ["too few fields", { cron: "* * *" }, "cron", /5 or 6|parts/],
    ["a minute of 61", { cron: "61 * * * *" }, "cron", /61/],
    ["a month of xyz", { cron: "* * * xyz *" }, "cron", /./],
    ["the 30th of February", { cron: "0 0 30 2 *" }, "cron", /never due/],
    ["a date", { cron: "2040-01-01T00:00:00" }, "cron", /not a cron expression/],
    ["nothing", { cron: "" }, "cron", /1 to 256 bytes/],
    ["an unknown zone", { cron: "* * * * *", zone: "Mars/Olympus" }, "zone", /time zone/],
    ["an unknown way with missed instants", { cron: "* * * * *", missed: "all" }, "missed", /once/],
  ])("refuse %s with the reason", async (_case, wrong, field, reason) => {
    const { ask, queues } = surface();
    const { status, body } = await ask("PUT", path, { data: 1, ...wrong });
    expect([status, body.error.message.split(":")[0]]).toEqual([400, field]);
    expect(body.error.message).toMatch(reason);
    expect(await queues.schedules("x")).toEqual([]);
  });

  test("refuse a message without data", async () => {
    const { ask } = surface();
    expect((await ask("PUT", path, { cron: "* * * * *" })).body.error.message).toStartWith("data:");
  });
});
