/** Semaphores on real clusters: every request through whichever node is at hand. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startWaitingClient } from "../support/client-process.ts";
import { eventually } from "../support/eventually.ts";
import { type NodeClient, success } from "../support/node-client.ts";
import { mostAtOnce, type PermitHold, permitFaultsOf } from "../support/permit-history.ts";
import { ProcessCluster } from "../support/process-cluster.ts";

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

/** Waits until the owners that wait for permits are these, as this node sees them. */
function waiters(node: NodeClient, semaphore: string, ...owners: string[]): Promise<unknown> {
  const shown = async () => success(await node.semaphore(semaphore)).queue.map(({ owner }) => owner);
  return eventually(async () => Bun.deepEquals(await shown(), owners), {
    what: `${owners.join(", ")} wait for ${semaphore}`,
  });
}

describe("a semaphore", () => {
  test("gives the lowest free slots through any node, with a larger token for whoever gets one next", async () => {
    const a = success(await one.acquirePermits("pool", { limit: 3, permits: 2, owner: "a", ttl: 60 }));
    expect(a).toMatchObject({ status: "acquired", semaphore: "pool", permits: 2, limit: 3, slots: [0, 1] });
    const b = success(await two.acquirePermits("pool", { limit: 3, owner: "b", ttl: 60 }));
    expect(b.slots).toEqual([2]);
    const refused = await three.acquirePermits("pool", { limit: 3, owner: "c", timeout: 0 });
    expect(refused).toMatchObject({ status: 423, body: { error: { code: "lock_held" } } });
    const shown = success(await three.semaphore("pool"));
    expect(shown).toMatchObject({ limit: 3, available: 0, queue: [] });
    expect(shown.holders.map(({ owner, slots }) => [owner, slots])).toEqual([
      ["a", [0, 1]],
      ["b", [2]],
    ]);
    expect(success(await three.releasePermits("pool", { owner: "a", fencing_token: a.fencing_token }))).toEqual({
      status: "released",
      semaphore: "pool",
      released_by: "a",
      granted_to: null,
    });
    const c = success(await two.acquirePermits("pool", { limit: 3, owner: "c" }));
    expect(c.slots).toEqual([0]);
    expect(c.fencing_token).toBeGreaterThan(a.fencing_token);
    for (const owner of ["b", "c"]) success(await one.releasePermits("pool", { owner }));
    expect(success(await one.semaphore("pool"))).toMatchObject({
      limit: null,
      available: null,
      holders: [],
      queue: [],
    });
    expect((await one.releasePermits("pool", { owner: "b" })).status).toBe(404);
  });

  test("keeps its limit while somebody holds or waits", async () => {
    success(await one.acquirePermits("fixed", { limit: 2, owner: "a" }));
    const other = await two.acquirePermits("fixed", { limit: 3, owner: "b" });
    expect(other).toMatchObject({ status: 409, body: { error: { code: "semaphore_limit", details: { limit: 2 } } } });
    success(await three.releasePermits("fixed", { owner: "a" }));
    expect(success(await two.acquirePermits("fixed", { limit: 3, owner: "b" })).limit).toBe(3);
    success(await one.releasePermits("fixed", { owner: "b" }));
  });

  test("renews what one holds, and refuses another number of permits to its holder", async () => {
    const first = success(await one.acquirePermits("mine", { limit: 3, permits: 2, owner: "a", ttl: 5 }));
    const again = success(await two.acquirePermits("mine", { limit: 3, permits: 2, owner: "a", ttl: 60 }));
    expect(again).toMatchObject({ slots: first.slots, fencing_token: first.fencing_token, expires_in_ms: 60_000 });
    const more = await three.acquirePermits("mine", { limit: 3, permits: 3, owner: "a" });
    expect(more).toMatchObject({ status: 409, body: { error: { code: "permits_conflict", details: { permits: 2 } } } });
    const stale = await three.releasePermits("mine", { owner: "a", fencing_token: first.fencing_token - 1 });
    expect(stale).toMatchObject({ status: 409, body: { error: { code: "stale_token" } } });
    expect((await three.releasePermits("mine", { owner: "b" })).status).toBe(403);
    success(await three.releasePermits("mine", { owner: "a" }));
  });

  test("is not its lock of the same name", async () => {
    success(await one.acquire("same", { owner: "a" }));
    success(await two.acquirePermits("same", { limit: 1, owner: "b", timeout: 0 }));
    success(await three.release("same", { owner: "a" }));
    success(await three.releasePermits("same", { owner: "b" }));
  });

  test("lets nobody pass who waits for many permits, also one who wants few", async () => {
    success(await one.acquirePermits("fair", { limit: 3, owner: "a" }));
    const many = two.acquirePermits("fair", { limit: 3, permits: 3, owner: "many", timeout: 30 });
    await waiters(three, "fair", "many");
    expect((await three.acquirePermits("fair", { limit: 3, owner: "few", timeout: 0 })).status).toBe(423);
    expect(success(await three.releasePermits("fair", { owner: "a" })).granted_to).toEqual(["many"]);
    expect(success(await many).slots).toEqual([0, 1, 2]);
    success(await one.releasePermits("fair", { owner: "many" }));
  });

  test("frees the permits of a lease that ends and of a session that is closed", async () => {
    success(await one.acquirePermits("leased", { limit: 2, owner: "a", ttl: 1 }));
    const { session } = success(await one.openSession(60));
    success(await two.acquirePermits("leased", { limit: 2, session }));
    const both = three.acquirePermits("leased", { limit: 2, permits: 2, owner: "b", timeout: 30 });
    await waiters(one, "leased", "b");
    success(await two.closeSession(session));
    expect(success(await both).slots).toEqual([0, 1]);
    success(await one.releasePermits("leased", { owner: "b" }));
  });

  test("grants once for a request that is repeated on another node under its Idempotency-Key", async () => {
    const headers = { "Idempotency-Key": `permits-${crypto.randomUUID()}` };
    const first = success(await one.acquirePermits("repeated", { limit: 2 }, { headers }));
    const again = success(await two.acquirePermits("repeated", { limit: 2 }, { headers }));
    expect([again.session, again.slots, again.fencing_token]).toEqual([
      first.session,
      first.slots,
      first.fencing_token,
    ]);
    expect((await three.acquirePermits("repeated", { limit: 2, permits: 2 }, { headers })).status).toBe(400);
    expect(success(await three.semaphore("repeated")).available).toBe(1);
    success(await three.releasePermits("repeated", { session: first.session }));
  });
});

test("ten clients of a semaphore of three are never more than three at once", async () => {
  const nodes = [one, two, three];
  const holds: PermitHold[] = [];
  const clients = Array.from({ length: 10 }, async (_, client) => {
    for (let round = 0; round < 6; round++) {
      const owner = `c${client}-${round}`;
      const permits = client === 0 ? 2 : 1;
      const fields = { limit: 3, permits, owner, ttl: 300, timeout: 60 };
      const grant = success(await nodes[client % 3]!.acquirePermits("three", fields));
      const grantedMs = performance.now();
      expect(grant.slots).toHaveLength(permits);
      await Bun.sleep(5);
      holds.push({ owner, slots: grant.slots, token: grant.fencing_token, grantedMs, releasedMs: performance.now() });
      const mine = { owner, fencing_token: grant.fencing_token };
      success(await nodes[(client + 1) % 3]!.releasePermits("three", mine));
    }
  });
  await Promise.all(clients);
  expect(holds).toHaveLength(60);
  expect(permitFaultsOf(holds, 3)).toEqual([]);
  expect(mostAtOnce(holds)).toBeGreaterThan(1);
}, 60_000);

test("a deadlock through a semaphore is refused with its cycle, and a wait that can end is not", async () => {
  success(await one.acquirePermits("dead", { limit: 2, owner: "a" }));
  success(await two.acquirePermits("dead", { limit: 2, owner: "free" }));
  success(await two.acquire("dead-lock", { owner: "b" }));
  const waiting = three.acquire("dead-lock", { owner: "a", timeout: 30 });
  await eventually(async () => success(await one.inspect("dead-lock")).waiters.length === 1, { what: "a waits" });
  // One permit may come back from somebody who waits for nothing …
  expect((await one.acquirePermits("dead", { limit: 2, owner: "b", timeout: 0.05 })).status).toBe(423);
  // … two never do.
  const refused = await one.acquirePermits("dead", { limit: 2, permits: 2, owner: "b", timeout: 30 });
  expect(refused).toMatchObject({ status: 409, body: { error: { code: "deadlock" } } });
  const { cycle } = refused.body.error.details as { cycle: { owner: string; blocked_by: string }[] };
  expect(cycle.map(({ owner, blocked_by: by }) => `${owner} waits for ${by}`).toSorted()).toEqual([
    "a waits for b",
    "b waits for a",
  ]);
  success(await two.release("dead-lock", { owner: "b" }));
  success(await waiting);
  success(await one.release("dead-lock", { owner: "a" }));
  for (const owner of ["a", "free"]) success(await one.releasePermits("dead", { owner }));
});

test("a client that is killed while it waits leaves the queue", async () => {
  success(await one.acquirePermits("gone", { limit: 1, owner: "h" }));
  await using client = startWaitingClient("POST", `${two.url}/semaphore/gone?limit=1&owner=gone&timeout=60`);
  await waiters(three, "gone", "gone");
  await client.kill();
  await waiters(three, "gone");
  expect(success(await three.releasePermits("gone", { owner: "h" })).granted_to).toBeNull();
});

test("permits that are waited for are granted in turn when the leader is killed meanwhile", async () => {
  await using own = await ProcessCluster.start({ size: 3 });
  const leader = await own.leader();
  const [first, second] = own.others(leader).map((id) => own.client(id));
  const held = success(await first!.acquirePermits("s", { limit: 1, owner: "h", ttl: 600 }));
  const waiting = [];
  for (const [i, owner] of ["a", "b"].entries()) {
    const node = i === 0 ? first! : second!;
    const fields = { limit: 1, owner, ttl: 600, timeout: 60 };
    waiting.push(node.acquirePermits("s", fields, { timeoutMs: 70_000 }));
    await waiters(first!, "s", ...["a", "b"].slice(0, i + 1));
  }
  await own.kill(leader);
  await own.leader(own.others(leader));
  await waiters(second!, "s", "a", "b");
  let { fencing_token: token } = held;
  for (const [i, owner] of ["h", "a"].entries()) {
    const next = ["a", "b"][i]!;
    expect(success(await second!.releasePermits("s", { owner })).granted_to).toEqual([next]);
    const grant = success(await waiting[i]!);
    expect(grant).toMatchObject({ owner: next, slots: [0] });
    expect(grant.fencing_token).toBeGreaterThan(token);
    token = grant.fencing_token;
  }
}, 90_000);
