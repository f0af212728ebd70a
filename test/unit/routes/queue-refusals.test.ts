import { describe, expect, test } from "bun:test";
import { type ErrorCode, errorCodes } from "../../../src/api/errors.ts";
import { QueueError, type QueueFailure } from "../../../src/engine/queue-backend.ts";
import { limits } from "../../../src/kernel/limits.ts";
import { QueueSurface } from "../../support/queue-surface.ts";

async function refusal(method: string, path: string, sent?: unknown, init?: RequestInit) {
  const surface = new QueueSurface();
  const { status, body, headers } = await surface.ask(method, path, sent, init);
  expect(surface.internalErrors).toEqual([]);
  expect(body.detail).toBe(body.error.message);
  expect((await surface.ask("GET", "/queues")).body["queues"]).toEqual([]);
  return { status, code: body.error.code, message: body.error.message, headers };
}

describe("what is wrong with a field is refused with its name, and nothing is done", () => {
  test.each([
    ["a queue called ack", "POST", "/queue/%61ck", "queue"],
    ["a queue called ack, received from", "GET", "/queue/ack", "queue"],
    ["a queue called nack, looked at", "GET", "/queue/nack/stats", "queue"],
    ["a queue called extend, set", "PUT", "/queue/extend/settings", "queue"],
    ["an empty name", "POST", "/queue/", "queue"],
    ["an empty name, received from", "GET", "/queue/", "queue"],
    ["a name of 513 bytes", "POST", `/queue/${"n".repeat(513)}`, "queue"],
    ["a name that is not UTF-8", "POST", "/queue/%FF/batch", "queue"],
    ["a negative delay", "POST", "/queue/x?delay=-1", "delay"],
    ["a delay of 31 days", "POST", `/queue/x?delay=${31 * 86_400}`, "delay"],
    ["a priority of 10", "POST", "/queue/x?priority=10", "priority"],
    ["a negative priority", "POST", "/queue/x?priority=-1", "priority"],
    ["an empty dedupe id", "POST", "/queue/x?dedupe_id=", "dedupe_id"],
    ["a dedupe id of 257 bytes", "POST", `/queue/x?dedupe_id=${"d".repeat(257)}`, "dedupe_id"],
    ["an empty group", "POST", "/queue/x?group=", "group"],
    ["an echo of maybe", "POST", "/queue/x?echo=maybe", "echo"],
    ["a message in the query", "POST", "/queue/x?data=1", "data"],
    ["a name in the query as well", "POST", "/queue/x?queue=y", "queue"],
    ["an unknown field", "POST", "/queue/x?color=red", "color"],
    ["a negative visibility", "GET", "/queue/x?visibility=-1", "visibility"],
    ["a visibility of 0", "GET", "/queue/x?visibility=0", "visibility"],
    ["a visibility of 13 hours", "GET", `/queue/x?visibility=${13 * 3_600}`, "visibility"],
    ["a wait above 60 s", "GET", "/queue/x?wait=60.1", "wait"],
    ["a wait that is a word", "GET", "/queue/x?wait=long", "wait"],
    ["a receive of none", "POST", "/queue/x/receive?max=0", "max"],
    ["a receive of 1,001", "POST", "/queue/x/receive?max=1001", "max"],
    ["an unknown state", "GET", "/queue/x/browse?state=lost", "state"],
    ["a page of 1,001", "GET", "/queue/x/dead?limit=1001", "limit"],
    ["a purge of everything", "POST", "/queue/x/purge?part=all", "part"],
    ["a redrive of none", "POST", "/queue/x/redrive?max=0", "max"],
    ["a schedule without a name", "DELETE", "/queue/x/schedules/", "schedule"],
  ])("%s", async (_case, method, path, field) => {
    for (const prefix of ["", "/v1"]) {
      const sent = method === "POST" && /^\/queue\/[^/]*$/.test(path) ? "1" : undefined;
      const { status, code, message } = await refusal(method, prefix + path, sent);
      expect([status, code, message.split(":")[0]]).toEqual([400, "bad_request", field]);
    }
  });

  test("a reserved name is told so", async () => {
    expect((await refusal("GET", "/queue/nack")).message).toContain("reserved");
  });
});

describe("a body", () => {
  test.each([
    ["that is not JSON", "{order_id: 123}"],
    ["that is two documents", "1 2"],
    ["that is not UTF-8", Uint8Array.of(0x22, 0xff, 0x22)],
    ["with a byte order mark", "\ufeff{}"],
    ["that is nested deeper than any parser goes", "[".repeat(900_000)],
  ])("%s is refused as no JSON", async (_case, sent) => {
    for (const path of ["/queue/x", "/queue/x/batch"]) {
      expect(await refusal("POST", path, sent)).toMatchObject({ status: 400, code: "bad_request" });
    }
  });

  test("that is missing is told where it belongs", async () => {
    expect((await refusal("POST", "/queue/x")).message).toBe("data: must be given: any JSON");
  });

  test("of 1 MiB is taken, and a longer one is too large, however it is sent", async () => {
    const text = `"${"x".repeat(limits.maxBodyBytes - 2)}"`;
    expect((await new QueueSurface().ask("POST", "/queue/x?echo=0", text)).status).toBe(200);
    for (const path of ["/queue/x", "/queue/x/batch"]) {
      const { status, code } = await refusal("POST", path, `${text} `, { headers: { "content-length": "1048577" } });
      expect([status, code]).toEqual([413, "too_large"]);
      const chunks = new Blob([`${text} `]).stream();
      const chunked = await refusal("POST", path, undefined, { body: chunks, duplex: "half" } as RequestInit);
      expect([chunked.status, chunked.code]).toEqual([413, "too_large"]);
    }
  });
});

describe("what a backend refuses", () => {
  const statuses: Record<Exclude<QueueFailure, "aborted">, [number, ErrorCode]> = {
    no_leader: [503, "no_leader"],
    store_unavailable: [503, "store_unavailable"],
    store_full: [507, "store_full"],
    disk_full: [507, "disk_full"],
    limit: [429, "limit"],
    outcome_unknown: [504, "outcome_unknown"],
  };

  test.each(Object.entries(statuses))("with %s is told by status and code", async (failure, [status, code]) => {
    for (const [method, path] of [
      ["POST", "/queue/x"],
      ["GET", "/queue/x"],
      ["GET", "/queue/x/stats"],
      ["POST", "/queue/x/purge"],
      ["GET", "/queue/x/settings"],
    ] as const) {
      const surface = new QueueSurface();
      surface.queues.failure = new QueueError(failure as QueueFailure);
      const { body, ...reply } = await surface.ask(
        method,
        path,
        path === "/queue/x" && method === "POST" ? "1" : undefined,
      );
      expect([path, reply.status, body.error.code]).toEqual([path, status, code]);
      expect(errorCodes[code].outcome).toBe(failure === "outcome_unknown" ? "unknown" : "definite");
    }
  });

  test("in a sentence of its own is told in that sentence", async () => {
    const surface = new QueueSurface();
    surface.queues.failure = new QueueError("store_unavailable", "Redis does not answer.");
    expect((await surface.ask("GET", "/queue/x")).body.detail).toBe("Redis does not answer.");
  });

  test("after a publish whose end is unknown: whether and how it can be repeated", async () => {
    const surface = new QueueSurface();
    const detail = async (path: string, init?: RequestInit) => {
      surface.queues.failure = new QueueError("outcome_unknown");
      const { body } = await surface.ask("POST", path, "1", init);
      return [body.detail, body.error.details] as const;
    };
    expect(await detail("/queue/x?dedupe_id=d")).toEqual([
      expect.stringContaining("Ask again with the same dedupe_id: the message is there once."),
      { safe_to_retry: true },
    ]);
    expect(await detail("/queue/x")).toEqual([
      expect.stringContaining("with a dedupe_id a retry is safe"),
      { safe_to_retry: false },
    ]);
    expect((await detail("/queue/x", { headers: { "Idempotency-Key": "k" } }))[0]).toContain("same Idempotency-Key");
  });
});
