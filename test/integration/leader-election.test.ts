/** Leader election of an application: an exclusive lock with a value, and observers on every node. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startWaitingClient } from "../support/client-process.ts";
import { eventually } from "../support/eventually.ts";
import { call, type NodeClient, success } from "../support/node-client.ts";
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

/** Operations that the node has proposed or passed on to the leader, its own and others'. */
async function operations(url: string): Promise<number> {
  interface Figures {
    readonly raft_proposals_total: number;
    readonly raft_forwarded_total: number;
  }
  const { body } = await call<Figures>("GET", `${url}/metrics?format=json`);
  return body.raft_proposals_total + body.raft_forwarded_total;
}

/** Requests to the node that wait for a lock to change. */
async function observers(url: string): Promise<number> {
  const { body } = await call<{ lock_observers: number }>("GET", `${url}/metrics?format=json`);
  return body.lock_observers;
}

function observing(url: string, count: number): Promise<unknown> {
  return eventually(async () => (await observers(url)) === count, { what: `${count} observers at ${url}` });
}

describe("a campaign", () => {
  test("shows its value on every node, and the next one's when the leader's session ends", async () => {
    const { session } = success(await one.openSession(1));
    success(await one.acquire("primary", { session, value: "10.0.0.1:80" }));
    const { session: next } = success(await two.openSession(60));
    const campaign = two.acquire("primary", { session: next, value: "10.0.0.2:80", timeout: 60 });
    const { value, revision } = success(await three.inspect("primary"));
    expect(value).toBe("10.0.0.1:80");

    // Nobody renews the first session: its holder is dead.
    let seen = { value, revision };
    await eventually(
      async () => {
        const reply = success(await three.observe("primary", { wait: 30, after: seen.revision }));
        seen = { value: reply.value, revision: reply.revision };
        return seen.value === "10.0.0.2:80";
      },
      { what: () => `the next leader's value, not ${JSON.stringify(seen)}` },
    );
    success(await campaign);
    for (const node of [one, two]) expect(success(await node.inspect("primary"))).toMatchObject(seen);
    success(await two.closeSession(next));
    const { value: after, revision: free } = success(await three.inspect("primary"));
    expect([after, free]).toEqual([undefined, 0]);
  });

  test("proclaims another value with the same token, and keeps it when it renews without one", async () => {
    const first = success(await one.acquire("proclaimed", { owner: "a", value: "old" }));
    const before = success(await two.inspect("proclaimed"));
    const again = success(await three.acquire("proclaimed", { owner: "a", value: "new" }));
    expect(again.fencing_token).toBe(first.fencing_token);
    const after = success(await two.observe("proclaimed", { wait: 30, after: before.revision }));
    expect(after.value).toBe("new");
    expect(after.revision).toBeGreaterThan(before.revision);
    success(await one.acquire("proclaimed", { owner: "a" }));
    expect(success(await two.inspect("proclaimed"))).toMatchObject({ value: "new", revision: after.revision });
    success(await one.release("proclaimed", { owner: "a" }));
  });
});

describe("an observer", () => {
  test("through any node is answered when the lock is taken and when it is free again", async () => {
    const nodes = [one, two, three];
    const taken = nodes.map((node) => node.observe("watched", { wait: 30, after: 0 }));
    for (const node of nodes) await observing(node.url, 1);
    success(await two.acquire("watched", { owner: "a", value: "v" }));
    const seen = (await Promise.all(taken)).map(success);
    const [{ revision }] = seen as [(typeof seen)[number]];
    for (const reply of seen) expect(reply).toMatchObject({ status: "held", owners: ["a"], value: "v", revision });
    const freed = nodes.map((node) => node.observe("watched", { wait: 30, after: revision, consistency: "local" }));
    for (const node of nodes) await observing(node.url, 1);
    success(await three.release("watched", { owner: "a" }));
    for (const reply of await Promise.all(freed))
      expect(reply.body).toMatchObject({ status: "available", revision: 0 });
  });

  test("is told the state as it is when nothing changes, no earlier than it asked", async () => {
    const askedAtMs = performance.now();
    const reply = success(await one.observe("quiet", { wait: 0.3, after: 0 }));
    expect(performance.now() - askedAtMs).toBeGreaterThanOrEqual(299);
    expect(reply).toMatchObject({ status: "available", revision: 0 });
  });

  test("writes nothing into the log", async () => {
    const before = await operations(two.url);
    success(await two.observe("unwritten", { wait: 0.2, after: 0 }));
    expect(await operations(two.url)).toBe(before);
    success(await two.acquire("unwritten", { owner: "a" }));
    expect(await operations(two.url)).toBeGreaterThan(before);
    success(await two.release("unwritten", { owner: "a" }));
  });

  test("that is killed gives its place back at once", async () => {
    await using client = startWaitingClient("GET", `${two.url}/lock/left?wait=60&after=0`);
    await observing(two.url, 1);
    await client.kill();
    await observing(two.url, 0);
  });

  test("outlives the leader", async () => {
    await using own = await ProcessCluster.start({ size: 3 });
    const leader = await own.leader();
    const [first, second] = own.others(leader).map((id) => own.client(id));
    success(await first!.acquire("primary", { owner: "a", value: "a's", ttl: 600 }));
    const { revision } = success(await second!.inspect("primary"));
    const waiting = second!.observe("primary", { wait: 60, after: revision }, { timeoutMs: 70_000 });
    await observing(second!.url, 1);
    await own.kill(leader);
    await own.leader(own.others(leader));
    expect(await observers(second!.url)).toBe(1);
    success(await first!.acquire("primary", { owner: "a", value: "a's new one", ttl: 600 }));
    expect(success(await waiting).value).toBe("a's new one");
  }, 60_000);

  test("is told the state as it is by a node that is asked to stop", async () => {
    await using own = await ProcessCluster.start({ size: 3 });
    const [id = ""] = own.others(await own.leader());
    const waiting = own.client(id).observe("quiet", { wait: 60, after: 0 });
    await observing(own.url(id), 1);
    const stopped = own.stop(id);
    expect(await waiting).toMatchObject({ status: 200, body: { status: "available", revision: 0 } });
    expect(await stopped).toBe(0);
  }, 30_000);
});
