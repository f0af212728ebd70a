import { describe, expect, test } from "bun:test";
import { appOver } from "../../support/app.ts";
import { ScriptedControlGroup } from "../../support/scripted-control-group.ts";

async function submitted(method: string, path: string, init: RequestInit = {}) {
  const group = new ScriptedControlGroup();
  const response = await appOver(group).app.request(path, { method, ...init });
  expect(response.status).toBe(200);
  expect(group.submitted).toHaveLength(1);
  return group.submitted[0]!;
}

describe("a name is one segment of the path, decoded once", () => {
  test.each([
    ["a%2Fb", "a/b"],
    ["a%2525", "a%25"],
    ["%25FF", "%FF"],
    ["%252F", "%2F"],
    ["a+b", "a+b"],
    ["a%20b", "a b"],
    ["gr%C3%BC%C3%9Fe", "grüße"],
    ["%F0%9F%94%92", "🔒"],
    ["%3F%23%26", "?#&"],
    ["%00", "\0"],
    [encodeURIComponent("€".repeat(170)), "€".repeat(170)],
    ["n".repeat(512), "n".repeat(512)],
  ])("%s", async (segment, name) => {
    expect((await submitted("POST", `/lock/${segment}`)).command).toMatchObject({ lock: name });
    expect((await submitted("POST", `/v1/lock/${segment}?owner=a`)).command).toMatchObject({ lock: name });
  });
});

describe("durations are decimal seconds, in the query as in JSON, rounded up to ms", () => {
  test.each([
    ["0.1", 100],
    ["0.07", undefined],
    ["1", 1000],
    ["1.005", 1005],
    ["2.3", 2300],
    ["8.2", 8200],
    ["1.0001", 1001],
    ["0.1000000001", 100],
    ["86400", 86_400_000],
    ["007", 7000],
  ])("ttl=%s", async (ttl, ms) => {
    if (ms === undefined) {
      const response = await appOver(new ScriptedControlGroup()).app.request(`/lock/x?ttl=${ttl}`, { method: "POST" });
      expect(response.status).toBe(400);
      return;
    }
    const init = { body: JSON.stringify({ ttl: Number(ttl) }) };
    expect((await submitted("POST", `/lock/x?ttl=${ttl}`)).command).toMatchObject({ ttlMs: ms });
    expect((await submitted("POST", "/lock/x", init)).command).toMatchObject({ ttlMs: ms });
  });

  test("a timeout of 0 does not wait, any positive one waits", async () => {
    expect((await submitted("POST", "/lock/x?timeout=0")).command).toMatchObject({ waitMs: 0 });
    expect((await submitted("POST", "/lock/x?timeout=0.0001")).command).toMatchObject({ waitMs: 1 });
    expect((await submitted("POST", "/lock/x?timeout=60")).command).toMatchObject({ waitMs: 60_000 });
  });
});

describe("who asks", () => {
  test("an owner, with the defaults of DESIGN §10", async () => {
    expect((await submitted("POST", "/lock/x?owner=a%20b+c")).command).toEqual({
      type: "acquire",
      lock: "x",
      mode: "exclusive",
      principal: { kind: "owner", name: "a b c" },
      ttlMs: 30_000,
      waitMs: 10_000,
    });
  });

  test("a session, whose holds have no TTL of their own", async () => {
    expect((await submitted("POST", "/lock/x?session=ses_1&lock_type=shared")).command).toMatchObject({
      mode: "shared",
      principal: { kind: "session", id: "ses_1" },
      ttlMs: 0,
    });
  });

  test("nobody: each request is one of its own, through this node", async () => {
    const ids = new Set<string>();
    for (let i = 0; i < 3; i++) {
      const { command } = await submitted("POST", "/lock/x");
      if (command.type !== "acquire" || command.principal.kind !== "once") throw new Error("not a one-shot request");
      expect(command.principal.node).toBe("node1");
      expect(command.principal.id).toMatch(/^once_[A-Za-z0-9_-]{22}$/);
      ids.add(command.principal.id);
    }
    expect(ids.size).toBe(3);
  });

  test.each([
    ["", { kind: "anonymous", node: "node1" }],
    ["?owner=a", { kind: "owner", name: "a" }],
    ["?session=ses_1", { kind: "session", id: "ses_1" }],
    ["?session=owner:a", { kind: "owner", name: "a" }],
    ["?session=once_1", { kind: "onceId", id: "once_1" }],
  ])("releases: DELETE %s", async (query, holder) => {
    const { command } = await submitted("DELETE", `/lock/x${query}`);
    expect(command).toEqual({ type: "release", lock: "x", holder, fencingToken: undefined } as never);
  });

  test("releases one grant by its token", async () => {
    expect((await submitted("DELETE", "/lock/x?owner=a&fencing_token=9")).command).toMatchObject({ fencingToken: 9 });
    const init = { body: JSON.stringify({ owner: "a", fencing_token: 9 }) };
    expect((await submitted("DELETE", "/lock/x", init)).command).toMatchObject({ fencingToken: 9 });
  });
});

test("the client's key and its going away are passed on; a release cannot be cancelled", async () => {
  const abort = new AbortController();
  const init = { headers: { "Idempotency-Key": "k1" }, signal: abort.signal };
  const acquire = await submitted("POST", "/lock/x", init);
  expect(acquire.options?.idempotencyKey).toBe("k1");
  expect(acquire.options?.signal?.aborted).toBe(false);
  abort.abort();
  expect(acquire.options?.signal?.aborted).toBe(true);
  const release = await submitted("DELETE", "/lock/x", { headers: { "Idempotency-Key": "k2" } });
  expect(release.options).toEqual({ idempotencyKey: "k2", signal: undefined });
});

test("a request that waits is allowed to be silent for its wait and 15 s", async () => {
  const allowed: number[] = [];
  const server = { timeout: (_request: Request, seconds: number) => void allowed.push(seconds) };
  const { app } = appOver(new ScriptedControlGroup());
  await app.request("/lock/x?timeout=30.5", { method: "POST" }, server);
  await app.request("/lock/x", { method: "POST" }, server);
  await app.request("/lock/x?timeout=0", { method: "POST" }, server);
  await app.request("/lock/x", { method: "DELETE" }, server);
  await app.request("/locks", { method: "POST", body: '{"locks": [{"name": "x"}], "timeout": 1}' }, server);
  await app.request("/semaphore/x?limit=3&timeout=2", { method: "POST" }, server);
  await app.request("/lock/x?wait=3&after=0", {}, server);
  await app.request("/lock/x?wait=0&after=0", {}, server);
  await app.request("/lock/x", {}, server);
  expect(allowed).toEqual([46, 25, 16, 17, 18]);
});
