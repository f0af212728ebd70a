import { describe, expect, test } from "bun:test";
import { decodeAckToken, encodeAckToken } from "../../../src/api/ack-token.ts";
import { ackMessages, extendMessages, nackMessages } from "../../../src/api/queues/settlements.ts";
import { QueueError } from "../../../src/engine/queue-backend.ts";
import { QueueSurface } from "../../support/queue-surface.ts";

async function delivered(queue = "x", data: unknown = 1) {
  const surface = new QueueSurface();
  await surface.ask("POST", `/queue/${queue}`, data);
  const { ack_token: token } = await surface.take(queue);
  return { surface, token, ask: surface.ask.bind(surface), queues: surface.queues };
}

describe("POST /queue/ack", () => {
  const acknowledged = { status: "acknowledged", queue: "x", node: "node1", durability: "majority_disk" } as const;

  test.each<[string, (token: string) => [path: string, body?: object]]>([
    ["in the body", (token) => ["/queue/ack", { ack_token: token }]],
    ["in the path", (token) => [`/queue/ack/${token}`]],
    ["in the path of /v1", (token) => [`/v1/queue/ack/${token}`]],
    ["in the query", (token) => [`/queue/ack?ack_token=${token}`]],
  ])("with the token %s ends a message", async (_case, request) => {
    const { ask, queues, token } = await delivered();
    const { body } = await ask("POST", ...request(token));
    expect(ackMessages.output.parse(body)).toEqual(acknowledged);
    expect(await queues.statistics("x")).toMatchObject({ acked: 1, inFlight: 0, bytes: 0 });
  });

  test("asked again is 409 stale_attempt", async () => {
    const { ask, token } = await delivered();
    await ask("POST", `/queue/ack/${token}`);
    const { status, body } = await ask("POST", `/queue/ack/${token}`);
    expect([status, body.error.code]).toEqual([409, "stale_attempt"]);
  });

  test("by an attempt that was taken over is 409, and leaves the message to the new one (PROTOCOLS U1)", async () => {
    const { ask, queues, surface, token } = await delivered();
    queues.advance(30_000);
    const { attempt, ack_token: newer } = await surface.take("x");
    expect(attempt).toBe(2);
    expect((await ask("POST", `/queue/ack/${token}`)).status).toBe(409);
    expect((await queues.statistics("x")).inFlight).toBe(1);
    expect((await ask("POST", `/queue/ack/${newer}`)).status).toBe(200);
  });

  test("with the nonce of another time is 409 (PROTOCOLS U2)", async () => {
    const { ask, token } = await delivered();
    const receipt = decodeAckToken(token)!;
    const other = encodeAckToken({ ...receipt, nonce: (receipt.nonce + 1) % 2 ** 48 });
    expect((await ask("POST", `/queue/ack/${other}`)).status).toBe(409);
  });

  test("of a message that never was, or of another queue, is 404 unknown_receipt", async () => {
    const { ask, token } = await delivered();
    const receipt = decodeAckToken(token)!;
    for (const wrong of [{ message: 99 }, { queue: "y" }]) {
      const { status, body } = await ask("POST", "/queue/ack", { ack_token: encodeAckToken({ ...receipt, ...wrong }) });
      expect([status, body.error.code]).toEqual([404, "unknown_receipt"]);
    }
  });

  test("answers for each of several tokens", async () => {
    const { ask, token } = await delivered();
    await ask("POST", "/queue/x/batch", { messages: [{ data: 2 }, { data: 3 }] });
    const { body: received } = await ask("POST", "/queue/x/receive", { max: 5 });
    const tokens = (received["messages"] as { ack_token: string }[]).map((each) => each.ack_token);
    const unknown = encodeAckToken({ ...decodeAckToken(token)!, message: 99 });
    await ask("POST", `/queue/ack/${token}`);
    const { status, body } = await ask("POST", "/queue/ack", { ack_tokens: [tokens[0], token, unknown, tokens[1]] });
    expect(status).toBe(200);
    expect(ackMessages.output.parse(body)).toEqual({
      status: "partial",
      node: "node1",
      durability: "majority_disk",
      results: ["acknowledged", "stale_attempt", "unknown_receipt", "acknowledged"],
    });
  });

  test("answers for tokens of several queues, and one queue's trouble is not the others'", async () => {
    const surface = new QueueSurface();
    const tokens: string[] = [];
    for (const queue of ["a", "b", "a"]) {
      await surface.ask("POST", `/queue/${queue}`, 1);
      tokens.push((await surface.take(queue)).ack_token);
    }
    const settle = surface.queues.settle.bind(surface.queues);
    surface.queues.settle = async (queue, ...rest) => {
      if (queue === "b") throw new QueueError("outcome_unknown");
      return settle(queue, ...rest);
    };
    const { body } = await surface.ask("POST", "/queue/ack", { ack_tokens: tokens });
    expect(body).toMatchObject({ status: "partial", results: ["acknowledged", "outcome_unknown", "acknowledged"] });
    surface.queues.settle = settle;
    const again = await surface.ask("POST", "/queue/ack", { ack_tokens: tokens.slice(1, 2) });
    expect(again.body).toMatchObject({ status: "acknowledged", results: ["acknowledged"] });
  });

  test("is served from the reserve when everything else is refused for load (PROTOCOLS R9)", async () => {
    const { surface, ask, token } = await delivered();
    surface.http.inFlight = 149_000;
    expect((await ask("GET", "/queue/x")).status).toBe(429);
    expect((await ask("POST", `/queue/ack/${token}`)).status).toBe(200);
  });
});

describe("POST /queue/nack", () => {
  test("gives a message back after the delay that it names, or after the queue's back-off", async () => {
    const { ask, queues, surface, token } = await delivered();
    const { body } = await ask("POST", "/queue/nack", { ack_token: token, delay: 0 });
    expect(nackMessages.output.parse(body)).toMatchObject({ status: "returned", queue: "x" });
    const { attempt, ack_token: second } = await surface.take("x");
    expect(attempt).toBe(2);
    await ask("POST", `/queue/nack/${second}`);
    expect((await queues.statistics("x")).delayed).toBe(1);
  });

  test("of a delivery that nobody has begun with gives it back at once, and it does not count (PROTOCOLS U1)", async () => {
    const { ask, queues, surface, token } = await delivered();
    await queues.configure("x", { maxDeliveries: 1 });
    const { body } = await ask("POST", `/queue/nack/${token}?unstarted=1`);
    expect(nackMessages.output.parse(body)).toMatchObject({ status: "returned", queue: "x" });
    expect(await queues.statistics("x")).toMatchObject({ ready: 1, dead: 0, returned: 1, nacked: 0 });
    const { ack_token: second } = await surface.take("x");
    const several = await ask("POST", "/queue/nack", { ack_tokens: [second], unstarted: true });
    expect(several.body).toMatchObject({ status: "returned", results: ["returned"] });
    const delayed = await ask("POST", `/queue/nack/${second}?unstarted=1&delay=5`);
    expect([delayed.status, delayed.body.error.message.split(":")[0]]).toEqual([400, "delay"]);
  });

  test("that is one too many says that the message is a dead letter", async () => {
    const { ask, queues, token } = await delivered();
    await queues.configure("x", { maxDeliveries: 1 });
    expect((await ask("POST", `/queue/nack/${token}`)).body).toMatchObject({ status: "dead_lettered" });
    expect((await ask("GET", "/queue/x/dead")).body).toMatchObject({
      messages: [{ data: 1, dead_reason: "deliveries" }],
    });
  });
});

describe("POST /queue/extend", () => {
  test("keeps a delivery out for longer", async () => {
    const { ask, queues, token } = await delivered();
    const { body } = await ask("POST", `/queue/extend/${token}?visibility=60`);
    expect(extendMessages.output.parse(body)).toMatchObject({ status: "extended", queue: "x" });
    queues.advance(59_000);
    expect((await ask("GET", "/queue/x")).body).toMatchObject({ status: "empty" });
    expect((await ask("POST", `/queue/ack/${token}`)).status).toBe(200);
  });
});

describe("is refused, and nothing is settled", () => {
  test.each([
    ["no token", "/queue/ack", {}, "ack_token"],
    ["an empty token in the path", "/queue/ack/", undefined, "ack_token"],
    ["a token that is none", "/queue/ack/batch", undefined, "ack_token"],
    ["a token that is a number", "/queue/ack", { ack_token: 7 }, "ack_token"],
    ["a token that was cut", "/queue/nack/AQMBAeCC", undefined, "ack_token"],
    ["one of several that is none", "/queue/ack", { ack_tokens: ["x"] }, "ack_tokens.0"],
    ["none of several", "/queue/ack", { ack_tokens: [] }, "ack_tokens"],
    ["tokens that are no list", "/queue/ack", { ack_tokens: "x" }, "ack_tokens"],
    ["an unknown field", "/queue/ack", { color: 1 }, "color"],
  ])("%s", async (_case, path, sent, field) => {
    const { ask, queues } = await delivered();
    const { status, body } = await ask("POST", path, sent);
    expect([status, body.error.code]).toEqual([400, "bad_request"]);
    expect((body.error.details as { fields: { field: string }[] }).fields.map((each) => each.field)).toContain(field);
    expect((await queues.statistics("x")).inFlight).toBe(1);
  });

  test.each([
    ["a token and a list", (token: string) => ({ ack_token: token, ack_tokens: [token] }), "ack_token"],
    ["a token in path and body", (token: string) => ({ ack_token: token }), "ack_token"],
    ["a negative delay", (token: string) => ({ ack_token: token, delay: -1 }), "delay"],
  ])("%s", async (name, body, field) => {
    const { ask, token } = await delivered();
    const path = name.includes("path") ? `/queue/nack/${token}` : "/queue/nack";
    const reply = await ask("POST", path, body(token));
    expect([reply.status, reply.body.error.message.split(":")[0]]).toEqual([400, field]);
  });

  test.each([["0"], ["-1"], ["0.09"], ["43200.1"]])("an extension by %s s", async (visibility) => {
    const { ask, token } = await delivered();
    const { status, body } = await ask("POST", `/queue/extend/${token}?visibility=${visibility}`);
    expect([status, body.error.message.split(":")[0]]).toEqual([400, "visibility"]);
  });

  test.each(["GET", "PUT", "DELETE"])("%s of a token", async (method) => {
    const { ask, token } = await delivered();
    expect([404, 405]).toContain((await ask(method, `/queue/ack/${token}`)).status);
  });
});
