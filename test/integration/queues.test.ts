import { describe, expect, test } from "bun:test";
import type { clusterStatus } from "../../src/api/cluster.ts";
import type { OperationOutput } from "../../src/api/operation.ts";
import { eventually } from "../support/eventually.ts";
import { success } from "../support/node-client.ts";
import { ProcessCluster } from "../support/process-cluster.ts";
import { QueueLoad } from "../support/queue-load.ts";

interface Consumed {
  readonly status: "consumed" | "empty";
  readonly id: string;
  readonly attempt: number;
  readonly ack_token: string;
  readonly data: unknown;
}

function publish(cluster: ProcessCluster, id: string, queue: string, data: unknown, query = "") {
  return cluster.client(id).call<{ id: string }>("POST", `/queue/${queue}${query}`, { body: data });
}

async function take(cluster: ProcessCluster, id: string, queue: string, query = ""): Promise<Consumed> {
  return success(await cluster.client(id).call<Consumed>("GET", `/queue/${queue}${query}`));
}

function ack(cluster: ProcessCluster, id: string, { ack_token }: Consumed) {
  return cluster.client(id).call("POST", "/queue/ack", { body: { ack_token } });
}

/** Who leads the shard that has the message. */
async function shardLeader(cluster: ProcessCluster, through: string, messageId: string): Promise<string> {
  const shard = Number(messageId.split("-")[0]);
  return eventually(
    async () => {
      const path = "/cluster?consistency=local";
      const { groups } = success(
        await cluster.client(through).call<OperationOutput<typeof clusterStatus>>("GET", path),
      );
      return groups.find(({ group }) => group === shard)?.leader ?? undefined;
    },
    { what: () => `shard ${shard} has a leader\n${cluster.outputs()}` },
  );
}

describe("a queue", () => {
  test("gives on one node what another took, again when it is not acked, and at last as a dead letter", async () => {
    await using cluster = await ProcessCluster.start({ size: 3 });
    const produced = success(await publish(cluster, "node1", "orders", { order_id: 123 }));
    expect(produced).toMatchObject({ status: "produced", message: { order_id: 123 }, durability: "majority_disk" });
    const first = await take(cluster, "node3", "orders", "?visibility=0.3");
    expect(first).toMatchObject({ status: "consumed", data: { order_id: 123 }, attempt: 1, id: produced.id });
    const second = await take(cluster, "node2", "orders", "?wait=5&visibility=0.3");
    expect(second).toMatchObject({ attempt: 2, id: produced.id });
    // The attempt that was taken over is refused.
    expect(await ack(cluster, "node1", first)).toMatchObject({
      status: 409,
      body: { error: { code: "stale_attempt" } },
    });
    for (let attempt = 3; attempt <= 5; attempt++) {
      expect(await take(cluster, "node1", "orders", "?wait=5&visibility=0.3")).toMatchObject({ attempt });
    }
    const dead = () => cluster.client("node2").call<{ messages: { id: string }[] }>("GET", "/queue/orders/dead");
    await eventually(async () => success(await dead()).messages[0]?.id === produced.id, {
      what: "it is a dead letter",
    });
    success(await cluster.client("node3").call("POST", "/queue/orders/redrive"));
    const again = await take(cluster, "node1", "orders");
    expect(again.attempt).toBe(6);
    success(await ack(cluster, "node2", again));
    expect(await take(cluster, "node3", "orders")).toMatchObject({ status: "empty" });
  }, 60_000);

  test("wakes who waits on another node, and gives nothing to one that has hung up", async () => {
    await using cluster = await ProcessCluster.start({ size: 3 });
    const gone = new AbortController();
    const hungUp = cluster.client("node1").call("GET", "/queue/q?wait=20", { signal: gone.signal });
    const waiting = cluster.client("node2").call<Consumed>("GET", "/queue/q?wait=20");
    const receivers = async () =>
      success(await cluster.client("node3").call<{ receivers: number }>("GET", "/queue/q/stats")).receivers;
    await eventually(async () => (await receivers()) === 2, { what: "both wait" });
    gone.abort();
    await expect(hungUp).rejects.toThrow();
    await eventually(async () => (await receivers()) === 1, { what: "the first one has left" });
    success(await publish(cluster, "node3", "q", "x"));
    expect(success(await waiting)).toMatchObject({ status: "consumed", data: "x", attempt: 1 });
  }, 60_000);

  test("keeps what is out with who has it when its leader is killed: the receipt is good, and nothing comes twice", async () => {
    await using cluster = await ProcessCluster.start({ size: 3 });
    const { id } = success(await publish(cluster, "node1", "q", "x"));
    const leader = await shardLeader(cluster, "node1", id);
    const [one = "", other = ""] = cluster.others(leader);
    const out = await take(cluster, one, "q", "?visibility=30");
    await cluster.kill(leader);
    expect(await take(cluster, other, "q", "?wait=1")).toMatchObject({ status: "empty" });
    success(await ack(cluster, other, out));
    expect(await ack(cluster, one, out)).toMatchObject({ status: 409 });
  }, 60_000);

  test("is there again after kill -9 of all nodes: what is ready, delayed, out, dead, and its settings", async () => {
    await using cluster = await ProcessCluster.start({ size: 3 });
    const put = async (path: string, body: unknown) =>
      success(await cluster.client("node1").call("PUT", path, { body }));
    await put("/queue/q/settings", { max_deliveries: 1 });
    for (const data of ["dead", "out", "ready"]) success(await publish(cluster, "node2", "q", data));
    success(await publish(cluster, "node2", "q", "late", "?delay=600"));
    const dead = await take(cluster, "node3", "q");
    success(await cluster.client("node1").call("POST", "/queue/nack", { body: { ack_token: dead.ack_token } }));
    const out = await take(cluster, "node3", "q", "?visibility=600");
    for (const node of cluster.ids) await cluster.kill(node);
    for (const node of cluster.ids) cluster.startNode(node);
    for (const node of cluster.ids) await cluster.ready(node);
    const stats = success(await cluster.client("node2").call("GET", "/queue/q/stats"));
    expect(stats).toMatchObject({ ready: 1, delayed: 1, in_flight: 1, dead: 1, delivered: 2, nacked: 1 });
    const metrics = await (await fetch(`${cluster.url("node2")}/metrics`)).text();
    expect(metrics).toMatch(/^mufakat_queue_messages 4$/m);
    success(await ack(cluster, "node1", out));
    expect(await take(cluster, "node2", "q")).toMatchObject({ data: "ready" });
  }, 60_000);
});

test("leaders of a shard killed with -9 under load lose nothing that was confirmed, and messages flow again soon", async () => {
  await using cluster = await ProcessCluster.start({ size: 3 });
  const urls = cluster.ids.map((id) => cluster.url(id));
  const load = new QueueLoad({ urls, queue: "load", producers: 6, consumers: 6 });
  const progress = (what: string) => {
    const before = load.deliveredAtMs.length;
    return eventually(() => load.deliveredAtMs.length > before + 100, {
      deadlineMs: 30_000,
      what: () => `messages flow ${what}; ${load.surprises.join("\n")}\n${cluster.outputs()}`,
    });
  };
  const gapsMs: number[] = [];
  for (let kill = 1; kill <= 5; kill++) {
    await progress(`before kill ${kill}`);
    const [id = ""] = load.published.values();
    const leader = await shardLeader(cluster, "node1", id);
    const killedMs = performance.now();
    await cluster.kill(leader);
    await progress(`after kill ${kill}`);
    const since = load.deliveredAtMs.filter((atMs) => atMs >= killedMs - 200);
    gapsMs.push(Math.max(...since.map((atMs, i) => atMs - (since[i - 1] ?? atMs))));
    cluster.startNode(leader);
    await cluster.ready(leader);
  }
  await load.stop(40_000);
  console.log(
    `    ${load.published.size} messages confirmed, longest without one at a kill: ${gapsMs.map((ms) => ms.toFixed(0)).join(", ")} ms, ` +
      `${load.unsure.size} acks without an answer`,
  );
  expect(load.surprises).toEqual([]);
  expect(load.missing).toEqual([]);
  expect(load.repeated).toEqual([]);
}, 180_000);
