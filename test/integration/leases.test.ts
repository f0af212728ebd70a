import { expect, test } from "bun:test";
import { success } from "../support/node-client.ts";
import { ProcessCluster } from "../support/process-cluster.ts";

const LEADERS_KILLED = 3;

test("a lease does not end early because its leader dies", async () => {
  await using cluster = await ProcessCluster.start({ size: 3 });
  for (let round = 1; round <= LEADERS_KILLED; round++) {
    const leader = await cluster.leader();
    const [survivor = "", other = ""] = cluster.others(leader);
    const lock = `leased-${round}`;
    // Its lease begins when the grant is applied: not before this.
    const askedAtMs = performance.now();
    const a = success(await cluster.client(survivor).acquire(lock, { owner: "a", ttl: 2 }));
    const waiting = cluster.client(other).acquire(lock, { owner: "b", ttl: 2, timeout: 30 });
    await cluster.kill(leader);
    const b = success(await waiting);
    expect(performance.now() - askedAtMs).toBeGreaterThanOrEqual(2_000);
    expect(b.fencing_token).toBeGreaterThan(a.fencing_token);
    cluster.startNode(leader);
    await cluster.ready(leader);
  }
}, 90_000);

test("leases of any length end no earlier than was asked", async () => {
  await using cluster = await ProcessCluster.start({ size: 3 });
  const [first = "", second = ""] = cluster.others(await cluster.leader());
  // More than a round of heartbeats has of beginnings: none may be counted from the round before.
  for (const [i, ttl] of Array.from({ length: 20 }, (_, n) => [n, 0.1 + (n % 5) / 50] as const)) {
    const askedAtMs = performance.now();
    success(await cluster.client(first).acquire(`short-${i}`, { owner: "a", ttl }));
    success(await cluster.client(second).acquire(`short-${i}`, { owner: "b", timeout: 30 }));
    expect(performance.now() - askedAtMs).toBeGreaterThanOrEqual(ttl * 1_000);
  }
}, 60_000);

test("a session that is kept alive holds through the death of its leader, and ends once nobody keeps it", async () => {
  await using cluster = await ProcessCluster.start({ size: 3 });
  const leader = await cluster.leader();
  const [survivor = "", other = ""] = cluster.others(leader);
  const client = cluster.client(survivor);
  const { session } = success(await client.openSession(3));
  const grant = success(await client.acquire("kept", { session }));
  await cluster.kill(leader);
  const startedAtMs = performance.now();
  // Beyond its ttl, at any pace that this machine manages below the ttl.
  while (performance.now() - startedAtMs < 4_500) {
    expect((await client.keepalive(session)).status).toBe(200);
    expect((await cluster.client(other).inspect("kept")).body).toMatchObject({ fencing_token: grant.fencing_token });
    await Bun.sleep(100);
  }
  const keptAtMs = performance.now();
  success(await client.keepalive(session));
  const next = success(await cluster.client(other).acquire("kept", { owner: "b", timeout: 30 }));
  expect(performance.now() - keptAtMs).toBeGreaterThanOrEqual(3_000);
  expect(next.fencing_token).toBeGreaterThan(grant.fencing_token);
  expect(await client.keepalive(session)).toMatchObject({ status: 404, body: { error: { code: "session_expired" } } });
}, 60_000);
