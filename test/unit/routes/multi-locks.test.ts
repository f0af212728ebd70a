import { describe, expect, test } from "bun:test";
import { acquireLocks } from "../../../src/api/multi-locks.ts";
import { ask } from "../../support/app.ts";
import { ScriptedControlGroup } from "../../support/scripted-control-group.ts";

function post(group: ScriptedControlGroup, body: object, path = "/locks", init: RequestInit = {}) {
  return ask(group, "POST", path, { ...init, body: JSON.stringify(body) });
}

const two = [{ name: "a/b" }, { name: "c", lock_type: "shared" }];

describe("POST /locks", () => {
  test("is one command for all of them, with the defaults of one lock", async () => {
    const group = new ScriptedControlGroup();
    await post(group, { locks: two, owner: "o" });
    expect(group.submitted.map(({ command }) => command)).toEqual([
      {
        type: "acquireAll",
        locks: [
          { lock: "a/b", mode: "exclusive" },
          { lock: "c", mode: "shared" },
        ],
        principal: { kind: "owner", name: "o" },
        ttlMs: 30_000,
        waitMs: 10_000,
      },
    ]);
  });

  test("takes whatever is no list from the query, too", async () => {
    const group = new ScriptedControlGroup();
    await post(group, { locks: two }, "/v1/locks?timeout=0.5&session=ses_1");
    const expected = { principal: { kind: "session", id: "ses_1" }, ttlMs: 0, waitMs: 500 };
    expect(group.submitted[0]?.command).toMatchObject(expected);
  });

  test("takes as many as there may be, each under any name", async () => {
    const group = new ScriptedControlGroup();
    const locks = Array.from({ length: 64 }, (_, i) => ({ name: `${"é".repeat(250)}${i}` }));
    expect((await post(group, { locks })).status).toBe(200);
  });

  test("answers with a grant for each, in their order", async () => {
    const { status, body } = await post(new ScriptedControlGroup(), { locks: two, owner: "o", ttl: 60 });
    expect(status).toBe(200);
    expect(acquireLocks.output.parse(body)).toEqual({
      status: "acquired",
      locks: [
        { lock_name: "a/b", lock_type: "exclusive", fencing_token: 7, expires_in_ms: 60_000 },
        { lock_name: "c", lock_type: "shared", fencing_token: 8, expires_in_ms: 60_000 },
      ],
      owner: "o",
      session: "owner:o",
      leader: "node2",
      term: 3,
    });
  });

  test("without an owner has a secret with which each lock can be released", async () => {
    const group = new ScriptedControlGroup();
    const { session, owner } = acquireLocks.output.parse((await post(group, { locks: two })).body);
    expect([owner, session]).toEqual(["node1", expect.stringMatching(/^once_[A-Za-z0-9_-]{22}$/)]);
    await ask(group, "DELETE", `/lock/c?session=${session}`);
    expect(group.submitted[1]?.command).toMatchObject({ lock: "c", holder: { kind: "onceId", id: session } });
  });

  test("passes on the client's key and its going away", async () => {
    const group = new ScriptedControlGroup();
    const abort = new AbortController();
    await post(group, { locks: two }, "/locks", { headers: { "Idempotency-Key": "k1" }, signal: abort.signal });
    const options = group.submitted[0]?.options;
    expect([options?.idempotencyKey, options?.signal?.aborted]).toEqual(["k1", false]);
    abort.abort();
    expect(options?.signal?.aborted).toBe(true);
  });

  test("says which lock is in the way, and who holds it", async () => {
    const group = new ScriptedControlGroup();
    const holders = [{ owner: "z", mode: "shared" as const, heldForMs: 5, expiresInMs: 6 }];
    group.answer = () => ({ type: "error", code: "lock_held", lock: "c", holders });
    const { status, body } = await post(group, { locks: two });
    expect([status, body.error.code, body.error.details]).toEqual([
      423,
      "lock_held",
      { lock_name: "c", holders: [{ owner: "z", lock_type: "shared", held_for_ms: 5, expires_in_ms: 6 }] },
    ]);
  });
});

test("a lock that is free and waited for by others is refused in words that say so", async () => {
  const group = new ScriptedControlGroup();
  group.answer = () => ({ type: "error", code: "lock_held", lock: "c", holders: [] });
  const { status, body } = await ask(group, "POST", "/lock/c?timeout=0");
  expect([status, body.detail, body.error.details]).toEqual([
    423,
    expect.stringContaining("others wait for it before you"),
    { lock_name: "c", holders: [] },
  ]);
});
