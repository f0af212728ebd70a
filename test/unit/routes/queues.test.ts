import { describe, expect, test } from "bun:test";
import { publishBatch, publishMessage, receiveBatch, receiveMessage } from "../../../src/api/queues/messages.ts";
import { appOver } from "../../support/app.ts";
import { QueueSurface } from "../../support/queue-surface.ts";
import { ScriptedControlGroup } from "../../support/scripted-control-group.ts";

describe("POST /queue/:name", () => {
  test("takes any JSON and says what became of it", async () => {
    const { body } = await new QueueSurface().ask("POST", "/queue/orders", { order_id: 123 });
    expect(publishMessage.output.parse(body)).toEqual({
      status: "produced",
      queue: "orders",
      node: "node1",
      durability: "majority_disk",
      message: { order_id: 123 },
      id: "3-1",
      duplicate: false,
    });
  });

  test.each([
    '{ "n": 12345678901234567890 }',
    "[1.0, 2]",
    '"text"',
    "7",
    "null",
    " false ",
    '{"a":1,"a":2}',
    '"\\u00fc"',
  ])("keeps %s as it came, byte for byte", async (sent) => {
    const surface = new QueueSurface();
    const published = await surface.ask("POST", "/v1/queue/x", sent);
    expect(published.text).toContain(`"message":${sent},`);
    const received = await surface.ask("GET", "/v1/queue/x");
    expect(received.text).toContain(`"data":${sent},`);
    expect(received.text).toEndWith(`"message":${sent}}`);
  });

  test("does not repeat the message under echo=0", async () => {
    const { body } = await new QueueSurface().ask("POST", "/queue/x?echo=0", [1]);
    expect(publishMessage.output.parse(body)).not.toHaveProperty("message");
  });

  test("hands on delay, priority, group, expiry and dedupe id", async () => {
    const { ask, queues } = bound();
    await ask("POST", "/queue/x?delay=1.5&priority=9&group=g&expires=60&dedupe_id=d", "1");
    const [message] = await queues.browse("x", { state: "delayed", after: undefined, limit: 1 });
    expect(message).toMatchObject({ priority: 9, groupKey: "g", dueInMs: 1_500 });
    const again = await ask("POST", "/queue/x?dedupe_id=d", "1");
    expect(again.body).toMatchObject({ id: message!.id, duplicate: true });
    queues.advance(60_000);
    expect((await ask("GET", "/queue/x/dead")).body).toMatchObject({ messages: [{ dead_reason: "expired" }] });
  });

  test("takes a name of one percent-encoded segment", async () => {
    const { ask } = bound();
    await ask("POST", "/queue/a%2Fb%20%C3%BC", "1");
    expect((await ask("GET", "/queue/a%2Fb%20%C3%BC")).body).toMatchObject({ status: "consumed", queue: "a/b ü" });
  });

  test("passes the client's key on", async () => {
    const { ask, queues } = bound();
    await ask("POST", "/queue/x", "1", { headers: { "Idempotency-Key": "k1" } });
    expect(queues.idempotencyKeys).toEqual(["k1"]);
  });
});

describe("GET /queue/:name", () => {
  test("takes the oldest message with what acks it", async () => {
    const { ask } = bound();
    await ask("POST", "/queue/orders?group=g&priority=1", { order_id: 123 });
    const { body, headers } = await ask("GET", "/queue/orders?visibility=5");
    expect(receiveMessage.output.parse(body)).toEqual({
      status: "consumed",
      queue: "orders",
      node: "node1",
      durability: "majority_disk",
      data: { order_id: 123 },
      message: { order_id: 123 },
      id: "3-1",
      attempt: 1,
      ack_token: expect.stringMatching(/^[\w-]+$/),
      priority: 1,
      group: "g",
      published_at_ms: 1_000_000,
      visibility_ms: 5_000,
    });
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("content-type")).toBe("application/json");
  });

  test("of a queue with nothing is empty", async () => {
    const { body, status } = await new QueueSurface().ask("GET", "/queue/none");
    expect(status).toBe(200);
    expect(receiveMessage.output.parse(body)).toEqual({
      status: "empty",
      queue: "none",
      node: "node1",
      durability: "majority_disk",
    });
  });

  test("waits for a message when it is told to", async () => {
    const { ask, queues } = bound();
    const waiting = ask("GET", "/queue/x?wait=30");
    while ((await queues.statistics("x")).receivers === 0) await Bun.sleep(1);
    await ask("POST", "/queue/x", "7");
    expect((await waiting).body).toMatchObject({ status: "consumed", data: 7 });
  });

  test("lets the connection be silent for as long as it waits", async () => {
    const { app, queues } = new QueueSurface();
    const asked: number[] = [];
    const server = { timeout: (_request: Request, seconds: number) => void asked.push(seconds) };
    await queues.publish("x", [message(1), message(2), message(3)]);
    await app.request("/queue/x?wait=30", {}, server);
    await app.request("/queue/x", {}, server);
    await app.request("/queue/x/receive", { method: "POST", body: '{"wait":60}' }, server);
    expect(asked).toEqual([45, 75]);
  });

  test("is refused as HEAD, which would take what nobody sees", async () => {
    const { ask, queues } = bound();
    await ask("POST", "/queue/x", "1");
    for (const path of ["/queue/x", "/v1/queue/x"]) {
      const { status, headers } = await ask("HEAD", path);
      expect([status, headers.get("allow")]).toEqual([405, "GET"]);
      expect((await ask("PATCH", path)).headers.get("allow")).toBe("GET, POST");
    }
    expect(await queues.statistics("x")).toMatchObject({ ready: 1, delivered: 0 });
  });

  test.each<[string, Record<string, string>]>([
    ["a page of another site", { "sec-fetch-site": "cross-site" }],
    ["a page of a sibling site", { "sec-fetch-site": "same-site" }],
    ["a page that rebinds its name", { host: "evil.example" }],
  ])("gives %s nothing (PROTOCOLS Q4)", async (_case, headers) => {
    const { ask, queues } = bound();
    await ask("POST", "/queue/x", "1");
    expect((await ask("GET", "/queue/x", undefined, { headers })).status).toBe(403);
    expect(await queues.statistics("x")).toMatchObject({ ready: 1, delivered: 0 });
  });

  test("gives back what came for a client that has gone, and counts no attempt (PROTOCOLS U1)", async () => {
    for (const path of ["/queue/x", "/queue/x/receive?max=2"]) {
      const { ask, queues } = bound();
      const gone = new AbortController();
      await ask("POST", "/queue/x", "1");
      const receive = queues.receive.bind(queues);
      queues.receive = async (...args) => {
        const taken = await receive(...args);
        gone.abort();
        return taken;
      };
      const method = path.endsWith("x") ? "GET" : "POST";
      await ask(method, path, undefined, { signal: gone.signal });
      queues.receive = receive;
      expect(queues.givenBack).toMatchObject([{ queue: "x", message: 1, attempt: 1 }]);
      const [message] = await queues.browse("x", { state: "ready", after: undefined, limit: 1 });
      expect(message).toMatchObject({ failures: 0 });
      expect((await queues.statistics("x")).returned).toBe(1);
    }
  });
});

describe("POST /queue/:name/batch", () => {
  test("publishes all in one step, keeps each as it came, and says which were there", async () => {
    const { ask } = bound();
    await ask("POST", "/queue/x?dedupe_id=b", "0");
    const messages = '[{"data": {"n": 1.0}}, {"data":2,"dedupe_id":"b"},{ "priority": 5, "data" :[ 3 ] }]';
    const { body } = await ask("POST", "/queue/x/batch", `{"messages": ${messages}}`);
    expect(publishBatch.output.parse(body)).toEqual({
      status: "produced",
      queue: "x",
      node: "node1",
      durability: "majority_disk",
      ids: ["3-2", "3-1", "3-3"],
      duplicates: [1],
    });
    const { text } = await ask("POST", "/queue/x/receive", { max: 10 });
    expect([...text.matchAll(/"data":(.+?),"priority"/g)].map(([, data]) => data)).toEqual([
      "[ 3 ]",
      "0",
      '{"n": 1.0}',
    ]);
  });

  test("keeps the last of two members of one name, as a parser does", async () => {
    const { ask } = bound();
    await ask("POST", "/queue/x/batch", '{"messages":[{"data":1}],"messages":[{"data":2,"data": 3.0}]}');
    expect((await ask("GET", "/queue/x")).text).toContain('"data":3.0,');
  });

  test.each([
    ["no list", "{}", "messages"],
    ["no list of messages", '{"messages":{"data":1}}', "messages"],
    ["none", '{"messages":[]}', "messages"],
    ["1,001", JSON.stringify({ messages: Array.from({ length: 1_001 }, () => ({ data: 1 })) }), "messages"],
    ["one without data", '{"messages":[{"data":1},{"priority":1}]}', "messages.1.data"],
    ["one that is no object", '{"messages":[{"data":1},7]}', "messages.1"],
    ["one with an unknown field", '{"messages":[{"data":1,"color":2}]}', "messages.0.color"],
    ["one with a bad priority", '{"messages":[{"data":1,"priority":10}]}', "messages.0.priority"],
  ])("refuses %s, and publishes nothing", async (_case, sent, field) => {
    const { ask, queues } = bound();
    const { status, body } = await ask("POST", "/queue/x/batch", sent);
    expect([status, fields(body)]).toEqual([400, [field]]);
    expect((await queues.statistics("x")).published).toBe(0);
  });
});

describe("POST /queue/:name/receive", () => {
  test("takes up to so many, each with its own token", async () => {
    const { ask } = bound();
    await ask("POST", "/queue/x/batch", { messages: [{ data: 1 }, { data: 2 }, { data: 3 }] });
    const { body } = await ask("POST", "/queue/x/receive", { max: 2, wait: 0, visibility: 1 });
    const { status, messages } = receiveBatch.output.parse(body);
    expect(status).toBe("consumed");
    expect(messages.map(({ data, visibility_ms: ms }) => [data, ms])).toEqual([
      [1, 1_000],
      [2, 1_000],
    ]);
    expect(new Set(messages.map((each) => each.ack_token)).size).toBe(2);
  });

  test("of none is empty, with a list of none", async () => {
    const { body } = await new QueueSurface().ask("POST", "/queue/x/receive");
    expect(receiveBatch.output.parse(body)).toMatchObject({ status: "empty", messages: [] });
  });
});

test("a node of a cluster that has no queues says so", async () => {
  const { app } = appOver(new ScriptedControlGroup());
  for (const [method, path] of [
    ["POST", "/queue/x/purge"],
    ["GET", "/queue/x"],
    ["GET", "/queue/x/stats"],
    ["GET", "/queues"],
  ] as const) {
    const response = await app.request(path, { method });
    const body = (await response.json()) as { error: { code: string; message: string } };
    expect([path, response.status, body.error.code]).toEqual([path, 503, "store_unavailable"]);
    expect(body.error.message).toContain("began without queues");
    expect(response.headers.get("retry-after")).toBe("1");
  }
});

test("the queues' paths leave all routes to the fastest router", async () => {
  const { app } = new QueueSurface();
  await app.request("/queue/x");
  expect(app.router.name).toBe("SmartRouter + RegExpRouter");
});

function bound() {
  const surface = new QueueSurface();
  return { queues: surface.queues, ask: surface.ask.bind(surface) };
}

function fields(body: { error: { details?: unknown } }): string[] | undefined {
  return (body.error.details as { fields?: { field: string }[] } | undefined)?.fields?.map(({ field }) => field);
}

function message(number: number) {
  const options = { delayMs: 0, priority: 0, dedupeId: undefined, groupKey: undefined, expiresMs: 0 };
  return { body: new TextEncoder().encode(String(number)), ...options };
}
