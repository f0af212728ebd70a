import { describe, expect, test } from "bun:test";
import { appOver } from "../../support/app.ts";
import { ScriptedControlGroup } from "../../support/scripted-control-group.ts";

interface Refusal {
  detail: string;
  error: { code: string; message: string; details?: { fields?: { field: string; message: string }[] } };
}

async function refusal(method: string, path: string, init: RequestInit = {}) {
  const group = new ScriptedControlGroup();
  const { app, internalErrors } = appOver(group);
  const response = await app.request(path, { method, ...init });
  const body = (await response.json()) as Refusal;
  expect(group.submitted).toEqual([]);
  expect(internalErrors).toEqual([]);
  expect(body.detail).toBe(body.error.message);
  return { status: response.status, body, fields: body.error.details?.fields?.map(({ field }) => field) };
}

const longName = "n".repeat(513);

describe("what is wrong with a field is refused with its name, and nothing is proposed", () => {
  test.each([
    ["an unknown lock type", "POST", "/lock/x?lock_type=mutual", "lock_type"],
    ["a lock type in another case", "POST", "/lock/x?lock_type=Exclusive", "lock_type"],
    ["a TTL below 0.1 s", "POST", "/lock/x?ttl=0.09", "ttl"],
    ["a TTL just below 0.1 s", "POST", "/lock/x?ttl=0.0999999", "ttl"],
    ["a TTL above a day", "POST", "/lock/x?ttl=86400.001", "ttl"],
    ["a TTL of NaN", "POST", "/lock/x?ttl=NaN", "ttl"],
    ["a TTL of Infinity", "POST", "/lock/x?ttl=Infinity", "ttl"],
    ["a negative TTL", "POST", "/lock/x?ttl=-1", "ttl"],
    ["an empty TTL", "POST", "/lock/x?ttl=", "ttl"],
    ["a TTL with an exponent", "POST", "/lock/x?ttl=1e3", "ttl"],
    ["a hexadecimal TTL", "POST", "/lock/x?ttl=0x10", "ttl"],
    ["a TTL with a space", "POST", "/lock/x?ttl=+5", "ttl"],
    ["a negative timeout", "POST", "/lock/x?timeout=-0.1", "timeout"],
    ["a timeout above 60 s", "POST", "/lock/x?timeout=60.001", "timeout"],
    ["a timeout of NaN", "POST", "/lock/x?timeout=NaN", "timeout"],
    ["an empty timeout", "POST", "/lock/x?timeout=", "timeout"],
    ["a timeout that is a word", "POST", "/lock/x?timeout=soon", "timeout"],
    ["a timeout given twice", "POST", "/lock/x?timeout=1&timeout=2", "timeout"],
    ["an empty name", "POST", "/lock/", "lock_name"],
    ["an empty name of a read", "GET", "/lock/", "lock_name"],
    ["an empty session id", "PUT", "/session/", "session"],
    ["a name of 513 bytes", "POST", `/lock/${longName}`, "lock_name"],
    ["a name of 171 characters and 513 bytes", "GET", `/lock/${encodeURIComponent("€".repeat(171))}`, "lock_name"],
    ["a name that is not UTF-8", "POST", "/lock/%FF", "lock_name"],
    ["a name with half a percent-encoding", "POST", "/lock/a%2", "lock_name"],
    ["a name with an encoded surrogate", "POST", "/lock/%ED%A0%80", "lock_name"],
    ["an owner that is not UTF-8", "POST", "/lock/x?owner=%C3%28", "owner"],
    ["an empty owner", "POST", "/lock/x?owner=", "owner"],
    ["an owner of 257 bytes", "POST", `/lock/x?owner=${"o".repeat(257)}`, "owner"],
    ["session with ttl", "POST", "/lock/x?session=ses_1&ttl=5", "ttl"],
    ["session with owner", "POST", "/lock/x?session=ses_1&owner=a", "session"],
    ["session with owner in a release", "DELETE", "/lock/x?session=ses_1&owner=a", "session"],
    ["an unknown field", "POST", "/lock/x?color=red", "color"],
    ["an unknown field of a read", "GET", "/lock/x?color=red", "color"],
    ["an unknown field of a release", "DELETE", "/lock/x?ttl=5", "ttl"],
    ["a name in the query as well", "POST", "/lock/x?lock_name=y", "lock_name"],
    ["a field called __proto__", "POST", "/lock/x?__proto__=1", "__proto__"],
    ["a token of zero", "DELETE", "/lock/x?fencing_token=0", "fencing_token"],
    ["a token beyond 2^53", "DELETE", "/lock/x?fencing_token=9007199254740992", "fencing_token"],
    ["a token with a fraction", "POST", "/fence/x?token=1.5", "token"],
    ["a fence without a token", "POST", "/fence/x", "token"],
    ["a page of none", "GET", "/locks?limit=0", "limit"],
    ["a page of 1,001", "GET", "/locks?limit=1001", "limit"],
    ["a value beside a shared lock", "POST", "/lock/x?lock_type=shared&value=here", "value"],
    ["a value of 4,097 bytes", "POST", `/lock/x?value=${"v".repeat(4097)}`, "value"],
    ["a value of 2,049 characters and 4,098 bytes", "POST", `/lock/x?value=${"%C3%A9".repeat(2049)}`, "value"],
    ["a value that is not UTF-8", "POST", "/lock/x?value=%FF", "value"],
    ["a revision without a wait", "GET", "/lock/x?after=5", "after"],
    ["a wait without a revision", "GET", "/lock/x?wait=5", "wait"],
    ["a wait above 60 s", "GET", "/lock/x?wait=60.1&after=5", "wait"],
    ["a negative wait", "GET", "/lock/x?wait=-1&after=5", "wait"],
    ["a negative revision", "GET", "/lock/x?wait=1&after=-1", "after"],
    ["a revision with a fraction", "GET", "/lock/x?wait=1&after=1.5", "after"],
    ["an empty revision", "GET", "/lock/x?wait=1&after=", "after"],
    ["a wait for the list of locks", "GET", "/locks?wait=1", "wait"],
    ["permits without a limit", "POST", "/semaphore/x", "limit"],
    ["a limit of none", "POST", "/semaphore/x?limit=0", "limit"],
    ["a limit of 1,025", "POST", "/semaphore/x?limit=1025", "limit"],
    ["a limit that is a word", "POST", "/semaphore/x?limit=many", "limit"],
    ["no permits", "POST", "/semaphore/x?limit=3&permits=0", "permits"],
    ["a negative number of permits", "POST", "/semaphore/x?limit=3&permits=-1", "permits"],
    ["half a permit", "POST", "/semaphore/x?limit=3&permits=0.5", "permits"],
    ["more permits than there are", "POST", "/semaphore/x?limit=3&permits=4", "permits"],
    ["1,025 permits", "POST", "/semaphore/x?limit=1024&permits=1025", "permits"],
    ["permits of a session with a TTL", "POST", "/semaphore/x?limit=3&session=ses_1&ttl=5", "ttl"],
    ["permits of a session and an owner", "POST", "/semaphore/x?limit=3&session=ses_1&owner=a", "session"],
    ["a type of permits", "POST", "/semaphore/x?limit=3&lock_type=shared", "lock_type"],
    ["a semaphore with an empty name", "POST", "/semaphore/?limit=3", "semaphore"],
    ["a semaphore with a name of 513 bytes", "GET", `/semaphore/${longName}`, "semaphore"],
    ["a release of some permits", "DELETE", "/semaphore/x?owner=a&permits=1", "permits"],
    ["a release of permits by session and owner", "DELETE", "/semaphore/x?session=ses_1&owner=a", "session"],
    ["several locks in the query", "POST", "/locks?locks=a,b", "locks"],
    ["no locks", "POST", "/locks", "locks"],
    ["an unknown consistency", "GET", "/lock/x?consistency=eventual", "consistency"],
    ["a session with a bad TTL", "POST", "/session?ttl=0", "ttl"],
    ["an unknown format of metrics", "GET", "/metrics?format=xml", "format"],
  ])("%s", async (_case, method, path, field) => {
    for (const prefix of ["", "/v1"]) {
      const { status, body, fields } = await refusal(method, prefix + path);
      expect([status, body.error.code]).toEqual([400, "bad_request"]);
      expect(fields).toEqual([field]);
    }
  });

  test.each([
    ["an unknown lock type", { lock_type: "mutual" }, "lock_type"],
    ["a TTL that is a word", { ttl: "long" }, "ttl"],
    ["a TTL of null", { ttl: null }, "ttl"],
    ["a TTL in a list", { ttl: [5] }, "ttl"],
    ["a negative TTL", { ttl: -5 }, "ttl"],
    ["a boolean timeout", { timeout: true }, "timeout"],
    ["an owner that is a number", { owner: 7 }, "owner"],
    ["an owner with a lone surrogate", { owner: "a\ud800" }, "owner"],
    ["an unknown field", { colour: 1 }, "colour"],
    ["a name that stands in the path already", { lock_name: "y" }, "lock_name"],
    ["a field that stands in the query already", { timeout: 1 }, "timeout"],
  ])("in JSON: %s", async (_case, body, field) => {
    const path = "timeout" in body && body.timeout === 1 ? "/lock/x?timeout=2" : "/lock/x";
    const { status, fields } = await refusal("POST", path, { body: JSON.stringify(body) });
    expect(status).toBe(400);
    expect(fields).toEqual([field]);
  });

  test.each<[string, unknown, string]>([
    ["no locks", { locks: [] }, "locks"],
    ["65 locks", { locks: Array.from({ length: 65 }, (_, i) => ({ name: `n${i}` })) }, "locks"],
    ["locks that are no list", { locks: { name: "a" } }, "locks"],
    ["a lock that is only a name", { locks: ["a"] }, "locks.0"],
    ["a lock without a name", { locks: [{ lock_type: "shared" }] }, "locks.0.name"],
    ["a lock with an empty name", { locks: [{ name: "a" }, { name: "" }] }, "locks.1.name"],
    ["a lock with a name of 513 bytes", { locks: [{ name: longName }] }, "locks.0.name"],
    ["a lock with an unknown type", { locks: [{ name: "a", lock_type: "mutual" }] }, "locks.0.lock_type"],
    ["a lock with a field that it does not have", { locks: [{ name: "a", ttl: 5 }] }, "locks.0.ttl"],
    ["a name that is repeated", { locks: [{ name: "a" }, { name: "b" }, { name: "a" }] }, "locks.2.name"],
    ["a name in both types", { locks: [{ name: "a" }, { name: "a", lock_type: "shared" }] }, "locks.1.name"],
    ["a value", { locks: [{ name: "a" }], value: "here" }, "value"],
    ["a session's TTL", { locks: [{ name: "a" }], session: "ses_1", ttl: 5 }, "ttl"],
    ["a timeout above 60 s", { locks: [{ name: "a" }], timeout: 61 }, "timeout"],
  ])("of several locks: %s", async (_case, body, field) => {
    for (const path of ["/locks", "/v1/locks"]) {
      const { status, fields } = await refusal("POST", path, { body: JSON.stringify(body) });
      expect([status, fields]).toEqual([400, [field]]);
    }
  });

  test("of several locks: a name that is repeated is named", async () => {
    const locks = [{ name: "orders" }, { name: "stock" }, { name: "orders" }];
    const { body } = await refusal("POST", "/locks", { body: JSON.stringify({ locks }) });
    expect(body.detail).toBe('locks.2.name: "orders" is in the list already: name each lock once');
    const long = [{ name: "n".repeat(512) }, { name: "n".repeat(512) }];
    const shown = await refusal("POST", "/locks", { body: JSON.stringify({ locks: long }) });
    expect(shown.body.detail.length).toBeLessThan(200);
  });

  test.each([
    ["a value that is a number", "/lock/x", { value: 7 }, "value"],
    ["a value that is an object", "/lock/x", { value: { host: "a" } }, "value"],
    ["a value with a lone surrogate", "/lock/x", { value: "a\ud800" }, "value"],
    ["permits that are a word", "/semaphore/x", { limit: 3, permits: "two" }, "permits"],
    ["permits with a fraction", "/semaphore/x", { limit: 3, permits: 1.5 }, "permits"],
    ["permits of null", "/semaphore/x", { limit: 3, permits: null }, "permits"],
    ["a limit in a list", "/semaphore/x", { limit: [3] }, "limit"],
    ["a limit that stands in the query already", "/semaphore/x?limit=3", { limit: 3 }, "limit"],
  ])("in JSON: %s", async (_case, path, body, field) => {
    const { status, fields } = await refusal("POST", path, { body: JSON.stringify(body) });
    expect([status, fields]).toEqual([400, [field]]);
  });

  test("in JSON: an infinite TTL and a field called __proto__", async () => {
    expect((await refusal("POST", "/lock/x", { body: '{"ttl": 1e999}' })).fields).toEqual(["ttl"]);
    expect((await refusal("POST", "/lock/x", { body: '{"__proto__": {"ttl": 1}}' })).fields).toEqual(["__proto__"]);
  });

  test("all that is wrong is said at once", async () => {
    const { fields, body } = await refusal("POST", "/lock/x?ttl=0&timeout=-1&color=red");
    expect(fields?.toSorted()).toEqual(["color", "timeout", "ttl"]);
    expect(body.detail).toContain("ttl: must be a decimal number of seconds from 0.1 to 86400");
  });
});

describe("a body", () => {
  test.each([
    ["that is not JSON", "{ttl: 5}"],
    ["that is a form", "lock_type=shared"],
    ["that is a list", "[1]"],
    ["that is null", "null"],
    ["that is a string", '"ttl"'],
    ["that is white space", " "],
    ["that is not UTF-8", new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
  ])("%s is refused", async (_case, body) => {
    const { status, body: reply } = await refusal("POST", "/lock/x", { body });
    expect([status, reply.error.code]).toEqual([400, "bad_request"]);
  });

  test("over the limit is refused, with its length told or not", async () => {
    const large = JSON.stringify({ owner: "x".repeat(1024 * 1024) });
    const told = await refusal("POST", "/lock/x", { body: large, headers: { "content-length": String(large.length) } });
    expect([told.status, told.body.error.code]).toEqual([413, "too_large"]);
    const untold = await refusal("POST", "/lock/x", { body: large });
    expect([untold.status, untold.body.error.code]).toEqual([413, "too_large"]);
  });

  test("may have any content type, or be empty", async () => {
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-8"]) {
      const group = new ScriptedControlGroup();
      const headers = { "content-type": type };
      const response = await appOver(group).app.request("/lock/x", { method: "POST", body: '{"ttl": 5}', headers });
      expect(response.status).toBe(200);
      expect(group.submitted[0]?.command).toMatchObject({ ttlMs: 5000 });
    }
    const response = await appOver(new ScriptedControlGroup()).app.request("/lock/x", { method: "POST", body: "" });
    expect(response.status).toBe(200);
  });
});

test("an Idempotency-Key that is empty or too long is refused", async () => {
  for (const key of ["", "k".repeat(257)]) {
    const { status, body } = await refusal("POST", "/lock/x", { headers: { "Idempotency-Key": key } });
    expect([status, body.error.code]).toEqual([400, "bad_request"]);
  }
});

test("an unknown field is echoed only in part", async () => {
  const { body } = await refusal("POST", `/lock/x?${"f".repeat(10_000)}=1`);
  expect(body.detail.length).toBeLessThan(200);
});
