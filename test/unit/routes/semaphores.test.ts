import { describe, expect, test } from "bun:test";
import { acquirePermits, inspectSemaphore, releasePermits } from "../../../src/api/semaphores.ts";
import type { LockError } from "../../../src/locks/types.ts";
import { ask } from "../../support/app.ts";
import { ScriptedControlGroup } from "../../support/scripted-control-group.ts";

describe("POST /semaphore/:name", () => {
  test("takes one permit where nothing is said, with the defaults of a lock", async () => {
    const group = new ScriptedControlGroup();
    await ask(group, "POST", "/semaphore/a%2Fb?limit=3&owner=o");
    expect(group.submitted.map(({ command }) => command)).toEqual([
      {
        type: "acquirePermits",
        semaphore: "a/b",
        permits: 1,
        limit: 3,
        principal: { kind: "owner", name: "o" },
        ttlMs: 30_000,
        waitMs: 10_000,
      },
    ]);
  });

  test("takes its fields from JSON, too, and all permits at once", async () => {
    const group = new ScriptedControlGroup();
    const body = JSON.stringify({ permits: 1024, limit: 1024, timeout: 0, session: "ses_1" });
    await ask(group, "POST", "/v1/semaphore/x", { body });
    const principal = { kind: "session", id: "ses_1" };
    expect(group.submitted[0]?.command).toMatchObject({ permits: 1024, limit: 1024, principal, ttlMs: 0, waitMs: 0 });
  });

  test("answers with the slots", async () => {
    const { body } = await ask(new ScriptedControlGroup(), "POST", "/semaphore/x?limit=3&permits=2&owner=o&ttl=60");
    expect(acquirePermits.output.parse(body)).toEqual({
      status: "acquired",
      semaphore: "x",
      permits: 2,
      limit: 3,
      slots: [0, 1],
      owner: "o",
      fencing_token: 7,
      session: "owner:o",
      expires_in_ms: 60_000,
      leader: "node2",
      term: 3,
    });
  });

  test("passes on the client's key and its going away", async () => {
    const group = new ScriptedControlGroup();
    const abort = new AbortController();
    const init = { headers: { "Idempotency-Key": "k1" }, signal: abort.signal };
    await ask(group, "POST", "/semaphore/x?limit=3", init);
    abort.abort();
    const options = group.submitted[0]?.options;
    expect([options?.idempotencyKey, options?.signal?.aborted]).toEqual(["k1", true]);
  });

  test("of another limit than it has says which it has, and what to do", async () => {
    const group = new ScriptedControlGroup();
    group.answer = () => ({ type: "error", code: "semaphore_limit", limit: 5 });
    const { status, body } = await ask(group, "POST", "/semaphore/x?limit=3");
    expect([status, body.error.code, body.error.details]).toEqual([409, "semaphore_limit", { limit: 5 }]);
  });

  test("for another number of permits than one holds says how many those are", async () => {
    const group = new ScriptedControlGroup();
    group.answer = () => ({ type: "error", code: "permits_conflict", permits: 2 });
    const { status, body } = await ask(group, "POST", "/semaphore/x?limit=3&owner=a");
    expect([status, body.error.code, body.error.details]).toEqual([409, "permits_conflict", { permits: 2 }]);
  });
});

describe("DELETE /semaphore/:name", () => {
  test.each([
    ["", { kind: "anonymous", node: "node1" }],
    ["?owner=a", { kind: "owner", name: "a" }],
    ["?session=ses_1", { kind: "session", id: "ses_1" }],
    ["?session=owner:a", { kind: "owner", name: "a" }],
    ["?session=once_1", { kind: "onceId", id: "once_1" }],
  ])("%s", async (query, holder) => {
    const group = new ScriptedControlGroup();
    const { body } = await ask(group, "DELETE", `/semaphore/x${query}`);
    expect(releasePermits.output.parse(body)).toEqual({
      status: "released",
      semaphore: "x",
      released_by: "a",
      granted_to: null,
    });
    expect(group.submitted[0]?.command).toEqual({
      type: "releasePermits",
      semaphore: "x",
      holder,
      fencingToken: undefined,
    } as never);
  });

  test("releases one grant by its token, and cannot be cancelled", async () => {
    const group = new ScriptedControlGroup();
    await ask(group, "DELETE", "/semaphore/x?owner=a&fencing_token=9", { headers: { "Idempotency-Key": "k" } });
    expect(group.submitted[0]).toMatchObject({
      command: { fencingToken: 9 },
      options: { idempotencyKey: "k", signal: undefined },
    });
  });

  test("says who got permits", async () => {
    const group = new ScriptedControlGroup();
    group.answer = () => ({ type: "permitsReleased", semaphore: "x", releasedBy: "a", grantedTo: ["b", "c"] });
    expect((await ask(group, "DELETE", "/semaphore/x?owner=a")).body["granted_to"]).toEqual(["b", "c"]);
  });
});

describe("refusals speak of permits", () => {
  const holders = [{ owner: "a", mode: "semaphore" as const, heldForMs: 5, expiresInMs: 6 }];
  const shown = [{ owner: "a", held_for_ms: 5, expires_in_ms: 6 }];
  const cycle = [
    { owner: "a", lock: "l", mode: "exclusive" as const, blockedBy: "b" },
    { owner: "b", lock: "x", mode: "semaphore" as const, blockedBy: "a" },
  ];
  const shownCycle = [
    { owner: "a", lock_name: "l", lock_type: "exclusive", blocked_by: "b" },
    { owner: "b", semaphore: "x", blocked_by: "a" },
  ];
  test.each<[LockError, string, number, unknown]>([
    [{ type: "error", code: "lock_held", lock: "x", holders }, "POST", 423, { semaphore: "x", holders: shown }],
    [{ type: "error", code: "deadlock", cycle }, "POST", 409, { cycle: shownCycle }],
    [{ type: "error", code: "not_owner", holders }, "DELETE", 403, { holders: shown }],
    [{ type: "error", code: "not_held" }, "DELETE", 404, undefined],
    [{ type: "error", code: "stale_token", highest: 9 }, "DELETE", 409, { highest: 9 }],
    [{ type: "error", code: "session_expired" }, "DELETE", 404, undefined],
  ])("%o", async (error, method, status, details) => {
    const group = new ScriptedControlGroup();
    group.answer = () => error;
    const { body, ...reply } = await ask(group, method, `/semaphore/x?owner=b${method === "POST" ? "&limit=3" : ""}`);
    expect([reply.status, body.error.code as string, body.error.details as unknown]).toEqual([
      status,
      error.code,
      details,
    ]);
    expect(body.detail).not.toMatch(/The lock/);
  });
});

describe("GET /semaphore/:name", () => {
  test("shows who holds which slots, who waits, and since when", async () => {
    const group = new ScriptedControlGroup();
    group.semaphores = [
      {
        semaphore: "a/b",
        limit: 3,
        available: 1,
        holders: [{ owner: "a", slots: [0, 2], fencingToken: 7, grantedAtMs: 400, endsAtMs: 1_300 }],
        waiters: [{ owner: "b", permits: 2, enqueuedAtMs: 900 }],
      },
    ];
    const { body } = await ask(group, "GET", "/semaphore/a%2Fb");
    expect(inspectSemaphore.output.parse(body)).toEqual({
      semaphore: "a/b",
      limit: 3,
      available: 1,
      holders: [{ owner: "a", permits: 2, slots: [0, 2], fencing_token: 7, held_for_ms: 600, expires_in_ms: 300 }],
      queue: [{ owner: "b", permits: 2, waiting_for_ms: 100 }],
      as_of_index: 42,
    });
  });

  test("of a name that nobody uses has no limit yet", async () => {
    const { body } = await ask(new ScriptedControlGroup(), "GET", "/semaphore/free");
    const none = { limit: null, available: null, holders: [], queue: [] };
    expect(inspectSemaphore.output.parse(body)).toEqual({ semaphore: "free", ...none, as_of_index: 42 });
  });
});
