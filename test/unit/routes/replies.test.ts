import { describe, expect, test } from "bun:test";
import { clusterStatus, nodeStatus } from "../../../src/api/cluster.ts";
import { errorCodes } from "../../../src/api/errors.ts";
import { checkFence } from "../../../src/api/fences.ts";
import { acquireLock, inspectLock, listLocks, releaseLock } from "../../../src/api/locks.ts";
import { closeSession, listSessions, openSession, renewSession } from "../../../src/api/sessions.ts";
import type { LockError } from "../../../src/locks/types.ts";
import { GroupError } from "../../../src/server/control-group.ts";
import { appOver, ask } from "../../support/app.ts";
import { ScriptedControlGroup } from "../../support/scripted-control-group.ts";

const held = {
  lock: "x",
  mode: "exclusive" as const,
  holders: [{ owner: "a", mode: "exclusive" as const }],
  waiters: [{ owner: "b", mode: "shared" as const }],
  fencingToken: 7,
  value: undefined,
  revision: 40,
  holderTimes: [{ owner: "a", mode: "exclusive" as const, grantedAtMs: 400, endsAtMs: 1_300 }],
  // Applied, and not yet covered by what was heard of lease time.
  waiterTimes: [{ owner: "b", mode: "shared" as const, enqueuedAtMs: 1_001 }],
};

async function failing(code: LockError, method = "POST", path = "/lock/x?owner=a") {
  const group = new ScriptedControlGroup();
  group.answer = () => code;
  return ask(group, method, path);
}

describe("successes have the fields of their schema, and no others", () => {
  test("a grant", async () => {
    const { body } = await ask(new ScriptedControlGroup(), "POST", "/lock/x?owner=a&ttl=60");
    expect(acquireLock.output.parse(body)).toEqual({
      status: "acquired",
      lock_name: "x",
      lock_type: "exclusive",
      owner: "a",
      fencing_token: 7,
      session: "owner:a",
      expires_in_ms: 60_000,
      leader: "node2",
      term: 3,
    });
  });

  test("a release, with and without a next holder", async () => {
    const group = new ScriptedControlGroup();
    const { body } = await ask(group, "DELETE", "/lock/x?owner=a");
    expect(releaseLock.output.parse(body)).toEqual({
      status: "released",
      lock_name: "x",
      released_by: "a",
      granted_to: null,
    });
    group.answer = () => ({ type: "released", lock: "x", releasedBy: "a", grantedTo: ["b", "c"] });
    expect((await ask(group, "DELETE", "/lock/x?owner=a")).body["granted_to"]).toEqual(["b", "c"]);
  });

  test("a session opened, renewed and closed", async () => {
    const group = new ScriptedControlGroup();
    const opened = openSession.output.parse((await ask(group, "POST", "/session", { body: '{"ttl": 5}' })).body);
    expect(opened.session).toMatch(/^ses_[A-Za-z0-9_-]{22}$/);
    expect(opened.expires_in_ms).toBe(5000);
    const renewed = await ask(group, "PUT", `/session/${opened.session}`);
    expect(renewSession.output.parse(renewed.body)).toEqual({ session: opened.session, expires_in_ms: 30_000 });
    const closed = await ask(group, "DELETE", `/session/${opened.session}`);
    expect(closeSession.output.parse(closed.body)).toEqual({
      status: "released",
      session: opened.session,
      released: ["x"],
      released_semaphores: ["s"],
    });
  });

  test("a fence", async () => {
    const { body } = await ask(new ScriptedControlGroup(), "POST", "/fence/disk", { body: '{"token": 9}' });
    expect(checkFence.output.parse(body)).toEqual({ accepted: true, highest: 9 });
  });

  test("a lock that is held, and one that is not", async () => {
    const group = new ScriptedControlGroup();
    group.views = [held];
    const { body, headers } = await ask(group, "GET", "/lock/x");
    expect(inspectLock.output.parse(body)).toEqual({
      lock_name: "x",
      status: "held",
      type: "exclusive",
      owners: ["a"],
      waiters: [["b", "shared"]],
      fencing_token: 7,
      holders: [{ owner: "a", lock_type: "exclusive", held_for_ms: 600, expires_in_ms: 300 }],
      queue: [{ owner: "b", lock_type: "shared", waiting_for_ms: 0 }],
      revision: 40,
      as_of_index: 42,
    });
    expect(headers.get("cache-control")).toBe("no-store");
    const free = inspectLock.output.parse((await ask(group, "GET", "/lock/y")).body);
    expect(free).toEqual({
      lock_name: "y",
      status: "available",
      owners: [],
      waiters: [],
      fencing_token: null,
      holders: [],
      queue: [],
      revision: 0,
      as_of_index: 42,
    });
  });

  test("the root and the cluster", async () => {
    const group = new ScriptedControlGroup();
    expect(nodeStatus.output.parse((await ask(group, "GET", "/")).body)).toEqual({
      status: "online",
      message: "mufakat node node1 is a follower in term 3",
      node_id: "node1",
      role: "follower",
      raft_state: "follower",
      leader: "node2",
      current_leader: "node2",
      term: 3,
      version: "0.0.0",
      port: 8001,
      peers: ["node2", "node3"],
      peers_count: 2,
    });
    const cluster = clusterStatus.output.parse((await ask(group, "GET", "/cluster")).body);
    expect(cluster).toMatchObject({ cluster_name: "test", node_id: "node1", incarnation: "i1", as_of_index: 42 });
    expect(cluster.members.map((member) => member.is_leader)).toEqual([false, true, false]);
    expect(cluster.groups).toEqual([
      {
        ...{ group: 0, role: "follower", leader: "node2", term: 3, commit_index: 44, applied_index: 43 },
        ...{ snapshot_index: 40, compacted_index: 30 },
        ...{ voters: ["node1", "node2", "node3"], learners: [] },
      },
    ]);
  });
});

describe("the list of sessions", () => {
  const group = new ScriptedControlGroup();
  group.sessions = [1, 2, 10].map((number) => ({
    name: `session-${number}`,
    ttlMs: 5_000,
    endsAtMs: 1_000 * number,
    holds: number,
    waiters: 0,
  }));

  test("comes in pages by number, and says whether there is more", async () => {
    const first = listSessions.output.parse((await ask(group, "GET", "/sessions?limit=2")).body);
    expect(first).toEqual({
      sessions: [
        { session: "session-1", ttl_ms: 5_000, expires_in_ms: 0, holds: 1, waiters: 0 },
        { session: "session-2", ttl_ms: 5_000, expires_in_ms: 1_000, holds: 2, waiters: 0 },
      ],
      next: "session-2",
      as_of_index: 42,
    });
    const second = listSessions.output.parse((await ask(group, "GET", `/sessions?limit=2&after=${first.next}`)).body);
    expect(second.sessions.map(({ session }) => session)).toEqual(["session-10"]);
    expect(second.next).toBeUndefined();
  });

  test.each(["ses_secret", "session-", "session-x", "7"])("does not start after %s", async (after) => {
    const { status, body } = await ask(group, "GET", `/sessions?after=${after}`);
    expect([status, body.error.code]).toEqual([400, "bad_request"]);
  });
});

describe("the list of locks", () => {
  const group = new ScriptedControlGroup();
  group.views = ["a", "b1", "b2", "b3", "c"].map((lock) => ({ ...held, lock }));
  group.edges = [
    { owner: "b", lock: "a", mode: "shared", blockedBy: "a" },
    { owner: "b", lock: "b1", mode: "shared", blockedBy: "a" },
    { owner: "b", lock: "b1", mode: "shared", blockedBy: "c" },
    { owner: "__proto__", lock: "b1", mode: "shared", blockedBy: "b" },
  ];

  test("comes in pages with a prefix, and says whether there is more", async () => {
    const first = listLocks.output.parse((await ask(group, "GET", "/locks?prefix=b&limit=2")).body);
    expect(Object.keys(first.locks)).toEqual(["b1", "b2"]);
    expect(first.lock_table).toEqual(first.locks);
    expect(first.next).toBe("b2");
    const second = listLocks.output.parse(
      (await ask(group, "GET", `/locks?prefix=b&limit=2&after=${first.next}`)).body,
    );
    expect(Object.keys(second.locks)).toEqual(["b3"]);
    expect(second.next).toBeUndefined();
  });

  test("ends a page early when its locks have very many waiters, and never shows none", async () => {
    const crowded = new ScriptedControlGroup();
    const waiters = Array.from({ length: 6_000 }, (_, i) => ({ owner: `w${i}`, mode: "shared" as const }));
    crowded.views = ["a", "b", "c"].map((lock) => ({ ...held, lock, waiters }));
    const first = listLocks.output.parse((await ask(crowded, "GET", "/locks")).body);
    expect([Object.keys(first.locks), first.next]).toEqual([["a", "b"], "b"]);
    const second = listLocks.output.parse((await ask(crowded, "GET", "/locks?after=b")).body);
    expect([Object.keys(second.locks), second.next]).toEqual([["c"], undefined]);
  });

  test("shows whom each owner waits for, whatever its name", async () => {
    const response = await appOver(group).app.request("/locks");
    expect(await response.text()).toContain('"wait_for_graph":{"b":["a","c"],"__proto__":["b"]}');
  });

  test("says who leads", async () => {
    const { body } = await ask(group, "GET", "/locks");
    expect(body).toMatchObject({
      node_id: "node1",
      raft_state: "follower",
      leader: "node2",
      current_leader: "node2",
      is_leader: false,
    });
  });
});

describe("reads", () => {
  test.each(["/lock/x", "/locks", "/semaphore/x", "/sessions", "/cluster"])(
    "%s asks a majority first, unless local ones will do",
    async (path) => {
      const group = new ScriptedControlGroup();
      expect((await ask(group, "GET", path)).body["as_of_index"]).toBe(42);
      expect(group.barriers).toBe(1);
      expect((await ask(group, "GET", `${path}?consistency=local`)).body["as_of_index"]).toBe(43);
      expect(group.barriers).toBe(1);
    },
  );

  test.each(["/", "/healthz", "/health", "/readyz"])("%s asks nobody", async (path) => {
    const group = new ScriptedControlGroup();
    const { status, body } = await ask(group, "GET", path);
    expect(status).toBe(200);
    expect(body).not.toHaveProperty("as_of_index");
    expect(group.barriers).toBe(0);
  });

  test("without a leader are refused, and the local ones are not", async () => {
    const group = new ScriptedControlGroup();
    group.barrier = () => {
      throw new GroupError("no_leader");
    };
    const { status, headers, body } = await ask(group, "GET", "/lock/x");
    expect([status, body.error.code, headers.get("retry-after")]).toEqual([503, "no_leader", "1"]);
    expect((await ask(group, "GET", "/lock/x?consistency=local")).status).toBe(200);
  });
});

describe("refusals of the state machine", () => {
  const holders = [{ owner: "a", mode: "exclusive" as const, heldForMs: 5, expiresInMs: 6 }];
  const shown = { holders: [{ owner: "a", lock_type: "exclusive", held_for_ms: 5, expires_in_ms: 6 }] };
  const cycle = [
    { owner: "a", lock: "y", mode: "exclusive" as const, blockedBy: "b" },
    { owner: "b", lock: "x", mode: "exclusive" as const, blockedBy: "a" },
  ];
  const shownCycle = [
    { owner: "a", lock_name: "y", lock_type: "exclusive", blocked_by: "b" },
    { owner: "b", lock_name: "x", lock_type: "exclusive", blocked_by: "a" },
  ];
  test.each<[LockError, number, string, unknown]>([
    [{ type: "error", code: "lock_held", lock: "x", holders }, 423, "lock_held", { lock_name: "x", ...shown }],
    [
      { type: "error", code: "upgrade_conflict", lock: "x", holders },
      409,
      "upgrade_conflict",
      { lock_name: "x", ...shown },
    ],
    [{ type: "error", code: "not_owner", holders }, 403, "not_owner", shown],
    [{ type: "error", code: "deadlock", cycle }, 409, "deadlock", { cycle: shownCycle }],
    [{ type: "error", code: "not_held" }, 404, "not_held", undefined],
    [{ type: "error", code: "session_expired" }, 404, "session_expired", undefined],
    [{ type: "error", code: "stale_token", highest: 12 }, 409, "stale_token", { highest: 12 }],
    [{ type: "error", code: "cancelled" }, 409, "cancelled", undefined],
    [{ type: "error", code: "stale_operation" }, 504, "outcome_unknown", undefined],
    [{ type: "error", code: "idempotency_key_reused" }, 400, "bad_request", { reason: "idempotency_key_reused" }],
    [{ type: "error", code: "limit", limit: "maxLocks" }, 429, "limit", { limit: "maxLocks" }],
  ])("%o", async (error, status, code, details) => {
    const reply = await failing(error);
    expect(reply.status).toBe(status);
    expect(Object.keys(reply.body).sort()).toEqual(["detail", "error"]);
    expect(reply.body.error.code as string).toBe(code);
    expect(reply.body.error.details as unknown).toEqual(details);
    expect(reply.body.detail).toBe(reply.body.error.message);
  });

  test("a session that nobody knows cannot be renewed", async () => {
    const group = new ScriptedControlGroup();
    group.keepalives = () => undefined;
    const { status, body } = await ask(group, "PUT", "/session/ses_gone");
    expect([status, body.error.code]).toEqual([404, "session_expired"]);
  });
});

describe("refusals of the group", () => {
  test.each([
    ["no_leader", 503, "no_leader"],
    ["outcome_unknown", 504, "outcome_unknown"],
    ["limit", 429, "limit"],
    ["disk_full", 507, "disk_full"],
  ] as const)("%s", async (reason, status, code) => {
    const group = new ScriptedControlGroup();
    group.answer = () => {
      throw new GroupError(reason);
    };
    const { headers, ...reply } = await ask(group, "POST", "/lock/x");
    expect([reply.status, reply.body.error.code]).toEqual([status, code]);
    expect(headers.get("retry-after")).toBe(code === "outcome_unknown" ? null : "1");
  });

  test("a node that is not ready says why", async () => {
    const group = new ScriptedControlGroup();
    group.nodeStatus = { ...group.nodeStatus, ready: false, leader: undefined };
    const { status, body } = await ask(group, "GET", "/readyz");
    expect([status, body.error.code, body.error.details]).toEqual([
      503,
      "not_ready",
      { reasons: ["no leader is known"] },
    ]);
  });
});

test("what was not expected is told to the node and not to the client", async () => {
  const group = new ScriptedControlGroup();
  const secret = new Error("ENOENT: /var/lib/secret/path");
  group.answer = () => {
    throw secret;
  };
  const { app, internalErrors } = appOver(group);
  const response = await app.request("/lock/x", { method: "POST" });
  const text = await response.text();
  expect(response.status).toBe(500);
  expect(JSON.parse(text).error).toEqual({ code: "internal", message: errorCodes.internal.message });
  expect(text).not.toMatch(/secret|ENOENT|\.ts|at /);
  expect(internalErrors).toEqual([secret]);
});

test("a refusal for want of room names the nodes that need some, and says when to come back", async () => {
  const group = new ScriptedControlGroup();
  group.answer = () => {
    throw new GroupError("disk_full");
  };
  const members = group.nodeStatus.members.map((member, i) => ({
    ...member,
    disk: i === 1 ? undefined : ("full" as const),
  }));
  group.nodeStatus = { ...group.nodeStatus, members };
  const { status, body, headers } = await ask(group, "POST", "/lock/x?owner=a");
  expect({ status, error: body.error }).toEqual({
    status: 507,
    error: {
      code: "disk_full",
      message: "No room on the disk of node1, node3: nothing has happened. Make room there.",
      details: { nodes: ["node1", "node3"] },
    },
  });
  expect(headers.get("Retry-After")).toBe("1");
});

test("409, 423, 503 and 507 are definite, 504 is not (PROTOCOLS Q2)", () => {
  for (const { status, outcome } of Object.values(errorCodes)) {
    if (([409, 423, 503, 507] as number[]).includes(status)) expect(outcome).toBe("definite");
    if (status === 504) expect(outcome as string).toBe("unknown");
  }
});
