/** Several locks in one request, on real clusters: every request through whichever node is at hand. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startWaitingClient } from "../support/client-process.ts";
import { eventually } from "../support/eventually.ts";
import { faultsOf, type Hold } from "../support/lock-history.ts";
import { type NodeClient, success } from "../support/node-client.ts";
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

/** Waits until the owners that wait for the lock are these, as this node sees them. */
function waiters(node: NodeClient, lock: string, ...owners: string[]): Promise<unknown> {
  const shown = async () => success(await node.inspect(lock)).waiters.map(([owner]) => owner);
  return eventually(async () => Bun.deepEquals(await shown(), owners), {
    what: `${owners.join(", ")} wait for ${lock}`,
  });
}

describe("several locks", () => {
  test("are granted together or not at all, and the refusal says which is in the way", async () => {
    const a = success(await one.acquireAll(["all-x", { name: "all-y", lock_type: "shared" }], { owner: "a", ttl: 60 }));
    expect(a.locks.map(({ lock_name: name, lock_type: type }) => [name, type])).toEqual([
      ["all-x", "exclusive"],
      ["all-y", "shared"],
    ]);
    const refused = await two.acquireAll(["all-w", "all-y", "all-x"], { owner: "b", timeout: 0 });
    expect(refused).toMatchObject({ status: 423, body: { error: { code: "lock_held" } } });
    expect(refused.body.error.details).toMatchObject({
      lock_name: "all-y",
      holders: [{ owner: "a", lock_type: "shared" }],
    });
    expect(success(await three.inspect("all-w"))).toMatchObject({ status: "available", waiters: [] });

    for (const lock of ["all-x", "all-y"]) success(await three.release(lock, { owner: "a" }));
    const b = success(await two.acquireAll(["all-w", "all-y", "all-x"], { owner: "b" }));
    const tokens = new Map(b.locks.map((grant) => [grant.lock_name, grant.fencing_token]));
    for (const { lock_name: name, fencing_token: token } of a.locks) expect(tokens.get(name)).toBeGreaterThan(token);
    for (const lock of tokens.keys()) success(await one.release(lock, { owner: "b" }));
  });

  test("hold nothing while they wait, and nobody overtakes them", async () => {
    success(await one.acquire("bundle-b", { owner: "h" }));
    const waiting = two.acquireAll(["bundle-a", "bundle-b"], { owner: "m", timeout: 30 });
    await waiters(three, "bundle-b", "m");
    expect(success(await three.inspect("bundle-a"))).toMatchObject({
      status: "available",
      waiters: [["m", "exclusive"]],
    });
    expect((await three.acquire("bundle-a", { owner: "late", timeout: 0 })).status).toBe(423);
    expect(success(await three.release("bundle-b", { owner: "h" })).granted_to).toEqual(["m"]);
    success(await waiting);
    for (const lock of ["bundle-a", "bundle-b"]) {
      expect(success(await one.inspect(lock))).toMatchObject({ owners: ["m"], waiters: [] });
      success(await one.release(lock, { owner: "m" }));
    }
  });

  test("of a session end with it, the places where it waits as well", async () => {
    const { session } = success(await one.openSession(60));
    success(await two.acquireAll(["ses-a", "ses-b"], { session }));
    success(await one.acquire("ses-d", { owner: "h" }));
    const waiting = two.acquireAll(["ses-c", "ses-d"], { session, timeout: 30 });
    await eventually(async () => success(await three.inspect("ses-c")).waiters.length === 1, { what: "one who waits" });
    expect(success(await three.closeSession(session)).released.toSorted()).toEqual(["ses-a", "ses-b"]);
    expect((await waiting).status).toBe(404);
    for (const lock of ["ses-a", "ses-b", "ses-c"]) {
      expect(success(await one.inspect(lock))).toMatchObject({ status: "available", waiters: [] });
    }
    expect(success(await one.release("ses-d", { owner: "h" })).granted_to).toBeNull();
  });

  test("that were not had within the time-out leave every queue", async () => {
    success(await one.acquire("late-b", { owner: "h" }));
    const refused = await two.acquireAll(["late-a", "late-b"], { owner: "m", timeout: 0.2 });
    expect(refused).toMatchObject({ status: 423, body: { error: { details: { lock_name: "late-b" } } } });
    for (const lock of ["late-a", "late-b"]) expect(success(await three.inspect(lock)).waiters).toEqual([]);
    success(await one.release("late-b", { owner: "h" }));
  });

  test("are granted once for a request that is repeated on another node under its Idempotency-Key", async () => {
    const headers = { "Idempotency-Key": `all-${crypto.randomUUID()}` };
    const first = success(await one.acquireAll(["key-a", "key-b"], { timeout: 0 }, { headers }));
    const again = success(await two.acquireAll(["key-a", "key-b"], { timeout: 0 }, { headers }));
    expect([again.session, again.locks]).toEqual([first.session, first.locks]);
    expect((await three.acquireAll(["key-a"], { timeout: 0 }, { headers })).status).toBe(400);
    for (const lock of ["key-a", "key-b"]) success(await three.release(lock, { session: first.session }));
  });
});

describe("a deadlock", () => {
  test("is never made by requests for several locks, in whatever order they name them", async () => {
    const locks = ["order-x", "order-y", "order-z"];
    const holds: Hold[] = [];
    const nodes = [one, two, three];
    const clients = Array.from({ length: 6 }, async (_, client) => {
      for (let round = 0; round < 8; round++) {
        const owner = `c${client}-${round}`;
        // Two of the three, in an order that others ask for the other way round.
        const wanted = [locks[(client + round) % 3]!, locks[(client + round + (client % 2) + 1) % 3]!];
        const invokedMs = performance.now();
        const grant = success(await nodes[client % 3]!.acquireAll(wanted, { owner, ttl: 300, timeout: 60 }));
        const grantedMs = performance.now();
        await Bun.sleep(2);
        const releasedMs = performance.now();
        for (const { lock_name: lock, fencing_token: token } of grant.locks) {
          holds.push({ lock, mode: "exclusive", owner, token, invokedMs, grantedMs, releasedMs });
          success(await nodes[(client + 1) % 3]!.release(lock, { owner, fencing_token: token }));
        }
      }
    });
    await Promise.all(clients);
    expect(holds).toHaveLength(6 * 8 * 2);
    expect(faultsOf(holds)).toEqual([]);
  }, 60_000);

  test("of owners that hold one lock already gives one of them 409 with the cycle", async () => {
    success(await one.acquire("dead-x", { owner: "a" }));
    success(await two.acquire("dead-y", { owner: "b" }));
    const waiting = two.acquireAll(["dead-y", "dead-z"], { owner: "a", timeout: 30 });
    await waiters(three, "dead-y", "a");
    const refused = await three.acquireAll(["dead-z", "dead-x"], { owner: "b", timeout: 30 });
    expect(refused).toMatchObject({ status: 409, body: { error: { code: "deadlock" } } });
    const { cycle } = refused.body.error.details as { cycle: { owner: string; blocked_by: string }[] };
    expect(cycle.map(({ owner, blocked_by: by }) => `${owner} waits for ${by}`).toSorted()).toEqual([
      "a waits for b",
      "b waits for a",
    ]);
    success(await one.release("dead-y", { owner: "b" }));
    success(await waiting);
    for (const lock of ["dead-x", "dead-y", "dead-z"]) success(await two.release(lock, { owner: "a" }));
  });
});

test("a client that is killed while it waits leaves every queue", async () => {
  success(await one.acquire("gone-b", { owner: "h" }));
  await using client = startWaitingClient("POST", `${two.url}/locks`, {
    locks: [{ name: "gone-a" }, { name: "gone-b" }],
    owner: "gone",
    timeout: 60,
  });
  for (const lock of ["gone-a", "gone-b"]) await waiters(three, lock, "gone");
  await client.kill();
  for (const lock of ["gone-a", "gone-b"]) await waiters(three, lock);
  expect(success(await three.release("gone-b", { owner: "h" })).granted_to).toBeNull();
});

test("several locks that are waited for keep their places when the leader is killed, and are granted", async () => {
  await using own = await ProcessCluster.start({ size: 3 });
  const leader = await own.leader();
  const [first, second] = own.others(leader).map((id) => own.client(id));
  success(await first!.acquire("b", { owner: "h", ttl: 600 }));
  const bundle = first!.acquireAll(["a", "b"], { owner: "m", ttl: 600, timeout: 60 }, { timeoutMs: 70_000 });
  await waiters(second!, "b", "m");
  const behind = second!.acquire("b", { owner: "behind", ttl: 600, timeout: 60 }, { timeoutMs: 70_000 });
  await waiters(second!, "b", "m", "behind");

  await own.kill(leader);
  await own.leader(own.others(leader));
  await waiters(second!, "a", "m");
  await waiters(first!, "b", "m", "behind");
  const released = success(await second!.release("b", { owner: "h" }));
  expect(released.granted_to).toEqual(["m"]);
  expect(success(await bundle).locks.map((grant) => grant.lock_name)).toEqual(["a", "b"]);
  expect(success(await first!.inspect("b"))).toMatchObject({ owners: ["m"], waiters: [["behind", "exclusive"]] });
  success(await first!.release("b", { owner: "m" }));
  success(await behind);
}, 90_000);
