import { describe, expect, test } from "bun:test";
import { eventually } from "../support/eventually.ts";
import { type NodeClient, type Reply, success } from "../support/node-client.ts";
import { ProcessCluster } from "../support/process-cluster.ts";

/** `leaderWaitMs` and what a busy machine adds. */
const REFUSED_WITHIN_MS = 15_000;

function noLeader(reply: { readonly status: number; readonly headers: Headers; readonly body: unknown }): void {
  expect(reply).toMatchObject({ status: 503, body: { error: { code: "no_leader" } } });
  expect(Number(reply.headers.get("retry-after"))).toBeGreaterThan(0);
}

/** Ages are of the moment of the question: the nodes are not asked at the same one. */
async function tableWithoutAges(client: NodeClient): Promise<Record<string, object>> {
  const { locks } = success(await client.locks());
  return Object.fromEntries(
    Object.entries(locks).map(([name, { holders: _holders, queue: _queue, ...lock }]) => [name, lock]),
  );
}

describe("a cluster of five that is cut in two", () => {
  test("goes on with the majority, refuses in the minority and converges when it heals", async () => {
    await using cluster = await ProcessCluster.start({ size: 5, proxied: true });
    const old = await cluster.leader();
    const [follower = "", ...majority] = cluster.others(old);
    const minority = [old, follower];
    success(await cluster.client(old).acquire("before", { owner: "a", ttl: 3_600 }));
    cluster.partition(minority, majority);

    const cutAtMs = performance.now();
    const refused = Promise.all(
      minority.flatMap((id) => {
        const client = cluster.client(id);
        return [
          client.acquire("split", { owner: id, timeout: 0 }),
          client.inspect("before"),
          client.locks(),
          client.release("before", { owner: "a" }),
        ];
      }),
    );
    const leader = await cluster.leader(majority);
    const winner = success(await cluster.client(majority[1] ?? "").acquire("split", { owner: "majority", ttl: 3_600 }));
    expect(winner.fencing_token).toBeGreaterThan(1);

    const replies = await refused;
    expect(performance.now() - cutAtMs).toBeLessThan(REFUSED_WITHIN_MS);
    // The old leader had taken these in before it knew: 504 is then the truth. Whoever knows no leader says 503.
    const reads = replies.filter((_, i) => [1, 2, 5, 6].includes(i));
    for (const read of reads) noLeader(read);
    for (const reply of replies) expect([503, 504]).toContain(reply.status);
    await Promise.all(
      minority.map(async (id) => {
        await eventually(async () => (await cluster.root(id))?.role !== "leader", { what: `${id} steps down` });
        const client = cluster.client(id);
        expect((await client.call("GET", "/readyz")).status).toBe(503);
        expect((await client.call("GET", "/healthz")).status).toBe(200);
        const local = await client.call("GET", "/lock/before?consistency=local");
        expect(local).toMatchObject({ status: 200, body: { owners: ["a"] } });
        const late = [client.acquire("late", { timeout: 0 }), client.fence("store", 1_000), client.inspect("before")];
        for (const reply of await Promise.all<Reply<unknown>>(late)) noLeader(reply);
      }),
    );

    cluster.heal();
    expect(await cluster.leader()).toBe(leader);
    const tables = await Promise.all(cluster.ids.map((id) => tableWithoutAges(cluster.client(id))));
    for (const table of tables) expect(table).toEqual(tables[0]!);
    expect(tables[0]?.["split"]).toMatchObject({ owners: ["majority"], fencing_token: winner.fencing_token });
    expect(tables[0]).not.toHaveProperty("late");
    // A fence of 1000 that nobody took would call this one stale.
    expect((await cluster.client(old).fence("store", 999)).status).toBe(200);
  }, 90_000);
});

describe("a cluster of three", () => {
  test("keeps its leader when a follower hears nobody, and takes the follower back without an election", async () => {
    await using cluster = await ProcessCluster.start({ size: 3, proxied: true });
    const leader = await cluster.leader();
    const [deaf = "", other = ""] = cluster.others(leader);
    const before = await cluster.root(leader);
    cluster.deafen(deaf);
    await eventually(async () => (await cluster.root(deaf))?.role === "candidate", {
      what: "a candidate that hears nobody",
    });
    // Lease time runs only under a leader that a majority confirms: a measure of calm that no clock of ours is.
    const client = cluster.client(other);
    const from = success(await client.cluster()).lease_time_ms;
    await eventually(async () => success(await client.cluster()).lease_time_ms > from + 2_000, {
      deadlineMs: 30_000,
      what: "two seconds under the same leader",
    });
    success(await client.acquire("calm"));
    expect(await cluster.root(leader)).toMatchObject({ role: "leader", term: before?.term });
    expect(await cluster.root(deaf)).toMatchObject({ leader: null, term: before?.term });

    cluster.heal();
    expect(await cluster.leader()).toBe(leader);
    expect(await cluster.root(deaf)).toMatchObject({ role: "follower", leader, term: before?.term });
    expect((await cluster.client(deaf).inspect("calm")).body.status).toBe("held");
  }, 60_000);

  test("replaces a leader that hears nobody", async () => {
    await using cluster = await ProcessCluster.start({ size: 3, proxied: true });
    const leader = await cluster.leader();
    const others = cluster.others(leader);
    cluster.deafen(leader);
    expect(await cluster.leader(others)).not.toBe(leader);
    success(await cluster.client(others[0] ?? "").acquire("x", { owner: "a" }));
    cluster.heal();
    await cluster.leader();
    expect((await cluster.client(leader).inspect("x")).body.owners).toEqual(["a"]);
  }, 60_000);

  test("comes together again after every node was cut off from every other", async () => {
    await using cluster = await ProcessCluster.start({ size: 3, proxied: true });
    const grant = success(await cluster.client("node1").acquire("x", { owner: "a", ttl: 1 }));
    cluster.partition(["node1"], ["node2"], ["node3"]);
    const term = (await cluster.root("node1"))?.term;
    const refusals = await Promise.all(cluster.ids.map((id) => cluster.client(id).acquire("x", { owner: id })));
    for (const refusal of refusals) expect([503, 504]).toContain(refusal.status);
    for (const id of cluster.ids) {
      await eventually(async () => (await cluster.root(id))?.leader === null, { what: `${id} knows no leader` });
      // Pre-votes that nobody answers raise no term (PROTOCOLS R1).
      expect((await cluster.root(id))?.term).toBe(term);
    }
    cluster.heal();
    await cluster.leader();
    // Without a leader no lease ran; now it ends, and whoever asks is served.
    const next = success(await cluster.client("node2").acquire("x", { owner: "b", timeout: 30 }));
    expect(next.fencing_token).toBeGreaterThan(grant.fencing_token);
  }, 60_000);
});
