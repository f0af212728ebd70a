/** What a person sees who follows the README, on a real cluster: every request through whichever node is at hand. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../support/eventually.ts";
import { type NodeClient, success } from "../support/node-client.ts";
import { ProcessCluster } from "../support/process-cluster.ts";
import { readExchanges, replay } from "../support/replay-compatibility.ts";
import { projectRoot } from "../support/source-files.ts";

interface LockHolder {
  readonly expires_in_ms: number;
}

let cluster: ProcessCluster;
let one: NodeClient;
let two: NodeClient;
let three: NodeClient;

beforeAll(async () => {
  cluster = await ProcessCluster.start({ size: 3 });
  one = cluster.client("node1");
  two = cluster.client("node2");
  three = cluster.client("node3");
});

afterAll(() => cluster[Symbol.asyncDispose]());

/** Waits until the owners that wait for the lock are these, as another node sees them. */
function waiters(lock: string, ...owners: string[]): Promise<unknown> {
  const shown = async () => success(await three.inspect(lock)).waiters.map(([owner]) => owner);
  return eventually(async () => Bun.deepEquals(await shown(), owners), {
    what: `${owners.join(", ")} wait for ${lock}`,
  });
}

describe("any node", () => {
  test("shows no lease that is longer than was asked for", async () => {
    for (let round = 0; round < 10; round++) {
      success(await two.acquire("fresh", { owner: "a", ttl: 60 }));
      for (const node of [one, two, three]) {
        // Without a round, which would tell lease time anew.
        const { holders } = success(await node.call<{ holders: LockHolder[] }>("GET", "/lock/fresh?consistency=local"));
        for (const { expires_in_ms } of holders) expect(expires_in_ms).toBeLessThanOrEqual(60_000);
      }
      success(await one.release("fresh", { owner: "a" }));
    }
  });

  test("grants, refuses a rival with the holder, shows the lock everywhere and releases it", async () => {
    const a = success(await two.acquire("orders", { lock_type: "exclusive", owner: "a", ttl: 60 }));
    expect(a).toMatchObject({ status: "acquired", lock_name: "orders", lock_type: "exclusive", owner: "a" });
    expect(a.expires_in_ms).toBe(60_000);
    const b = await one.acquire("orders", { owner: "b", timeout: 0 });
    expect(b).toMatchObject({ status: 423, body: { error: { code: "lock_held" } } });
    expect(b.body.error.details).toMatchObject({ holders: [{ owner: "a", lock_type: "exclusive" }] });
    for (const node of [one, two, three]) {
      const shown = { status: "held", type: "exclusive", owners: ["a"], waiters: [], fencing_token: a.fencing_token };
      expect((await node.inspect("orders")).body).toMatchObject(shown);
      expect(success(await node.locks()).locks["orders"]).toEqual(expect.objectContaining(shown));
    }
    expect(await one.release("orders", { owner: "b" })).toMatchObject({
      status: 403,
      body: { error: { code: "not_owner" } },
    });
    expect(success(await three.release("orders", { owner: "a" }))).toEqual({
      status: "released",
      lock_name: "orders",
      released_by: "a",
      granted_to: null,
    });
    expect(success(await one.acquire("orders", { owner: "b" })).fencing_token).toBeGreaterThan(a.fencing_token);
    success(await two.release("orders", { owner: "b" }));
    expect((await two.release("orders", { owner: "b" })).status).toBe(404);
  });

  test("answers HEAD like GET without a body, and changes nothing", async () => {
    const before = success(await one.inspect("untouched"));
    const head = await fetch(`${one.url}/lock/untouched`, { method: "HEAD" });
    expect({ status: head.status, body: await head.text() }).toEqual({ status: 200, body: "" });
    const { as_of_index: index, ...after } = success(await one.inspect("untouched"));
    expect({ ...after, as_of_index: before.as_of_index }).toEqual(before);
    expect(index).toBeGreaterThanOrEqual(before.as_of_index);
    expect(after.status).toBe("available");
    // Acquire is POST alone.
    expect((await two.call("PUT", "/lock/untouched")).status).toBe(405);
  });

  test("says the same of the cluster, and who leads it", async () => {
    const leader = await cluster.leader();
    for (const id of cluster.ids) {
      const status = success(await cluster.client(id).cluster());
      expect(status.members.map((member) => member.node_id)).toEqual(["node1", "node2", "node3"]);
      expect(status.members.filter((member) => member.is_leader).map((member) => member.node_id)).toEqual([leader]);
      expect(status.node_id).toBe(id);
      expect(await cluster.root(id)).toMatchObject({ node_id: id, leader, peers: cluster.others(id), peers_count: 2 });
    }
  });

  test("replays the requests of the older system", async () => {
    const exchanges = readExchanges(readFileSync(join(projectRoot, "docs/compatibility.md"), "utf8"));
    expect(exchanges.length).toBeGreaterThan(20);
    for (const node of [one, two, three]) await replay(exchanges, (path, init) => fetch(node.url + path, init));
  }, 120_000);
});

describe("a grant", () => {
  test("goes to who waits when the holder releases through another node", async () => {
    const a = success(await one.acquire("handed", { owner: "a" }));
    const waiting = two.acquire("handed", { owner: "b", timeout: 30 });
    await waiters("handed", "b");
    const released = success(await three.release("handed", { owner: "a", fencing_token: a.fencing_token }));
    expect(released.granted_to).toEqual(["b"]);
    expect(success(await waiting).fencing_token).toBeGreaterThan(a.fencing_token);
  });

  test("goes to who waits when the lease of the holder ends, not before", async () => {
    const askedAtMs = performance.now();
    success(await one.acquire("leased", { owner: "a", ttl: 1 }));
    success(await two.acquire("leased", { owner: "b", timeout: 30 }));
    expect(performance.now() - askedAtMs).toBeGreaterThanOrEqual(1_000);
    expect((await three.release("leased", { owner: "a" })).status).toBe(403);
  });

  test("is shared by readers, who share its token; a writer waits for the last of them", async () => {
    const tokens: number[] = [];
    for (const [i, node] of [one, two, three].entries()) {
      const reader = success(await node.acquire("read", { owner: `r${i}`, lock_type: "shared" }));
      tokens.push(reader.fencing_token);
    }
    expect(new Set(tokens).size).toBe(1);
    const writer = one.acquire("read", { owner: "w", timeout: 30 });
    await waiters("read", "w");
    // A reader that comes after the writer waits behind it.
    expect((await two.acquire("read", { owner: "late", lock_type: "shared", timeout: 0 })).status).toBe(423);
    for (const i of [0, 1]) expect(success(await two.release("read", { owner: `r${i}` })).granted_to).toBeNull();
    expect(success(await three.release("read", { owner: "r2" })).granted_to).toEqual(["w"]);
    expect(success(await writer).fencing_token).toBeGreaterThan(tokens[0]!);
  });

  test("is one and the same for a request that is repeated on another node under its Idempotency-Key", async () => {
    const headers = { "Idempotency-Key": `same-${crypto.randomUUID()}` };
    const first = success(await one.acquire("repeated", { timeout: 0 }, { headers }));
    const again = success(await two.acquire("repeated", { timeout: 0 }, { headers }));
    expect(again).toMatchObject({ fencing_token: first.fencing_token, session: first.session });
    expect((await three.acquire("repeated", { timeout: 0 })).status).toBe(423);
    expect((await three.acquire("other", { timeout: 0 }, { headers })).status).toBe(400);
  });

  test("that nobody came for is released: a client that goes away leaves the queue", async () => {
    success(await one.acquire("left", { owner: "a" }));
    const going = new AbortController();
    const gone = two.acquire("left", { owner: "b", timeout: 60 }, { signal: going.signal });
    const stays = one.acquire("left", { owner: "c", timeout: 60 });
    await eventually(async () => success(await three.inspect("left")).waiters.length === 2, { what: "two who wait" });
    going.abort();
    await expect(gone).rejects.toThrow();
    await waiters("left", "c");
    expect(success(await three.release("left", { owner: "a" })).granted_to).toEqual(["c"]);
    success(await stays);
  });
});

describe("a deadlock", () => {
  test("of two owners over two locks gives one of them 409 with the cycle, and the other its lock", async () => {
    success(await one.acquire("x", { owner: "a" }));
    success(await two.acquire("y", { owner: "b" }));
    const ends = [one.acquire("y", { owner: "a", timeout: 30 }), two.acquire("x", { owner: "b", timeout: 30 })];
    const victim = await Promise.race(ends);
    expect(victim).toMatchObject({ status: 409, body: { error: { code: "deadlock" } } });
    const { cycle } = victim.body.error.details as {
      cycle: { owner: string; lock_name: string; blocked_by: string }[];
    };
    const edges = cycle.map(({ owner, lock_name: lock, blocked_by: by }) => `${owner} waits for ${lock} of ${by}`);
    expect(edges.toSorted()).toEqual(["a waits for y of b", "b waits for x of a"]);

    // The victim lets go of what it holds, and the other goes on.
    const waitsForX = success(await three.inspect("x")).waiters.length === 1;
    success(await three.release(waitsForX ? "x" : "y", { owner: waitsForX ? "a" : "b" }));
    const statuses = (await Promise.all(ends)).map((reply) => reply.status);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 409]);
  });
});

describe("a session", () => {
  test("holds its locks while it is kept alive through any node, and frees them when it ends", async () => {
    const { session } = success(await one.openSession(3));
    const grant = success(await two.acquire("kept", { session }));
    // Renewed at a third of its ttl, beyond its ttl.
    for (const node of [one, two, three, one]) {
      success(await node.keepalive(session));
      await Bun.sleep(1_000);
    }
    expect((await three.inspect("kept")).body).toMatchObject({ status: "held", fencing_token: grant.fencing_token });
    expect(JSON.stringify(success(await three.locks()))).not.toContain(session);
    const next = success(await three.acquire("kept", { owner: "b", timeout: 30 }));
    expect(next.fencing_token).toBeGreaterThan(grant.fencing_token);
    const over = { status: 404, body: { error: { code: "session_expired" } } };
    expect(await one.keepalive(session)).toMatchObject(over);
    expect(await two.acquire("kept", { session })).toMatchObject(over);
    expect(await three.release("kept", { session })).toMatchObject(over);
  });

  test("that is closed hands on all that it held", async () => {
    const { session } = success(await one.openSession(60));
    for (const lock of ["s1", "s2"]) success(await two.acquire(lock, { session }));
    const waiting = three.acquire("s1", { owner: "b", timeout: 30 });
    await waiters("s1", "b");
    expect(success(await two.closeSession(session)).released.toSorted()).toEqual(["s1", "s2"]);
    success(await waiting);
    expect((await one.inspect("s2")).body.status).toBe("available");
  });
});

describe("a fence", () => {
  test("takes tokens that do not fall, through any node", async () => {
    expect(success(await one.fence("store", 5))).toEqual({ accepted: true, highest: 5 });
    expect(success(await two.fence("store", 5)).highest).toBe(5);
    const stale = await three.fence("store", 4);
    expect(stale).toMatchObject({ status: 409, body: { error: { code: "stale_token", details: { highest: 5 } } } });
    expect(success(await three.fence("store", 6)).highest).toBe(6);
    expect((await one.fence("store", 5)).status).toBe(409);
  });
});
