import { describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { eventually } from "../support/eventually.ts";
import { startThatEnds } from "../support/failed-start.ts";
import { faultsOf } from "../support/lock-history.ts";
import { LockLoad } from "../support/lock-load.ts";
import { call, success } from "../support/node-client.ts";
import { ProcessCluster } from "../support/process-cluster.ts";
import { QueueLoad } from "../support/queue-load.ts";

interface Member {
  readonly node_id: string;
  readonly replica: number;
  readonly role: string;
  readonly peer_address: string;
  readonly address: string | null;
}

async function members(cluster: ProcessCluster, through: string): Promise<readonly Member[]> {
  const url = `${cluster.url(through)}/cluster?consistency=local`;
  return success(await call<{ members: readonly Member[] }>("GET", url)).members;
}

const remove = (cluster: ProcessCluster, through: string, id: string) =>
  call<{ status: string }>("DELETE", `${cluster.url(through)}/cluster/nodes/${id}`);
const add = (cluster: ProcessCluster, through: string, fields: Readonly<Record<string, unknown>>) =>
  call<{ status: string; replica: number }>("POST", `${cluster.url(through)}/cluster/nodes`, { body: fields });

/** Waits until the node counts. */
async function votes(cluster: ProcessCluster, through: string, id: string): Promise<void> {
  await eventually(
    async () => (await members(cluster, through)).some((member) => member.node_id === id && member.role === "voter"),
    { deadlineMs: 30_000, what: () => `${id} votes\n${cluster.outputs()}` },
  );
  await cluster.ready(id);
}

/** The process ends by itself. */
async function ended(cluster: ProcessCluster, id: string): Promise<number | null> {
  const child = cluster.node(id).process;
  await eventually(() => child?.exitCode !== null, {
    deadlineMs: 20_000,
    what: () => `${id} ends\n${cluster.outputs()}`,
  });
  return child?.exitCode ?? null;
}

test("three nodes become five and three again under load, the leader leaves, too, no request fails, and no message is lost", async () => {
  await using cluster = await ProcessCluster.start({ size: 5, founders: 3 });
  const sentinel = success(await cluster.client("node1").acquire("sentinel", { owner: "sentinel", ttl: 3_600 }));
  const running = new LockLoad({
    urls: cluster.ids.map((id) => cluster.url(id)),
    clients: 6,
    locks: ["x", "y"],
    seed: 3,
  });
  const urls = cluster.ids.map((id) => cluster.url(id));
  const messages = new QueueLoad({ urls, queue: "load", producers: 2, consumers: 2 });
  const progress = (what: string) => {
    const before = running.holds.length;
    const delivered = messages.deliveredAtMs.length;
    const isMore = () => running.holds.length > before + 30 && messages.deliveredAtMs.length > delivered + 10;
    return eventually(isMore, {
      deadlineMs: 30_000,
      what: () => `progress ${what}; ${running.surprises.join("\n")}\n${cluster.outputs()}`,
    });
  };
  await progress("with three nodes");
  for (const id of ["node4", "node5"]) {
    cluster.startNode(id);
    await votes(cluster, "node1", id);
    await progress(`with ${id}`);
  }
  expect((await members(cluster, "node5")).map(({ replica, role }) => [replica, role])).toEqual(
    [1, 2, 3, 4, 5].map((replica) => [replica, "voter"]),
  );
  for (let round = 0; round < 2; round++) {
    const leader = await cluster.leader();
    const [through = ""] = cluster.runningIds.filter((id) => id !== leader);
    const removed = await remove(cluster, through, leader);
    expect([removed.status, removed.body]).toEqual([
      200,
      expect.objectContaining({ status: "removed", node_id: leader }),
    ]);
    expect(await ended(cluster, leader)).toBe(78);
    expect(cluster.node(leader).output).toContain("this node was removed from the cluster");
    await progress(`without ${leader}`);
  }
  await running.stop();
  await messages.stop(40_000);
  console.log(
    `    ${running.holds.length} holds, longest without an answer ${running.longestMs.toFixed(0)} ms; ` +
      `${messages.published.size} messages, ${messages.unsure.size} acks without an answer`,
  );
  expect([messages.surprises, messages.missing, messages.repeated]).toEqual([[], [], []]);
  expect(running.surprises).toEqual([]);
  expect(running.refusals).toBe(0);
  expect(faultsOf(running.holds)).toEqual([]);
  const [left = ""] = cluster.runningIds;
  expect(cluster.runningIds).toHaveLength(3);
  expect(await members(cluster, left)).toHaveLength(3);
  const held = success(await cluster.client(left).inspect("sentinel"));
  expect(held).toMatchObject({ owners: ["sentinel"], fencing_token: sentinel.fencing_token });
}, 180_000);

test("a cluster that has grown starts again, all at once, and needs neither --peers nor --join for it", async () => {
  await using cluster = await ProcessCluster.start({ size: 4, founders: 3 });
  success(await cluster.client("node1").acquire("kept", { owner: "a", ttl: 3_600 }));
  cluster.startNode("node4");
  await votes(cluster, "node1", "node4");
  const known = (await members(cluster, "node1")).map(({ address }) => address);
  expect(known).toEqual(cluster.ids.map((id) => cluster.url(id).replace("http://", "")));
  await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
  for (const id of cluster.ids) {
    const command = cluster.command(id);
    const at = command.findIndex((word) => word === "--peers" || word === "--join");
    const child = Bun.spawn(command.toSpliced(at, 2), { stdin: "ignore", stdout: "ignore", stderr: "inherit" });
    cluster.node(id).process = child as never;
  }
  await cluster.leader();
  for (const id of cluster.ids) {
    await cluster.ready(id);
    expect((await cluster.client(id).inspect("kept")).body.owners).toEqual(["a"]);
  }
  expect((await members(cluster, "node4")).map(({ role }) => role)).toEqual(["voter", "voter", "voter", "voter"]);
}, 90_000);

test("a node whose data is wiped waits until it is replaced, joins as another replica, and serves again", async () => {
  await using cluster = await ProcessCluster.start({ size: 3, founders: 3 });
  success(await cluster.client("node1").acquire("kept", { owner: "a", ttl: 3_600 }));
  await eventually(async () => (await members(cluster, "node1")).every(({ address }) => address !== null), {
    what: () => `the log says who its nodes are\n${cluster.outputs()}`,
  });
  await cluster.kill("node3");
  rmSync(cluster.node("node3").dataDirectory, { recursive: true });
  // With --peers it would make the cluster anew, and is refused.
  const refused = await startThatEnds(cluster.command("node3"));
  expect([refused.code, refused.sentence]).toEqual([
    78,
    expect.stringContaining("run `mufakat cluster replace node3`"),
  ]);
  rmSync(cluster.node("node3").dataDirectory, { recursive: true });
  cluster.startNode("node3", { "--join": cluster.url("node1") });
  await eventually(() => cluster.node("node3").output.includes("run `mufakat cluster replace node3`"), {
    what: () => `it says what to do\n${cluster.outputs()}`,
  });
  expect(cluster.runningIds).toContain("node3");
  const replaced = await add(cluster, "node2", { node_id: "node3", replace: true });
  expect([replaced.status, replaced.body]).toEqual([200, expect.objectContaining({ status: "replaced", replica: 4 })]);
  await votes(cluster, "node1", "node3");
  expect((await members(cluster, "node3")).map(({ replica }) => replica)).toEqual([1, 2, 4]);
  expect((await cluster.client("node3").inspect("kept")).body.owners).toEqual(["a"]);
  // It counts again: with another node down there is a majority.
  await cluster.kill("node2");
  await cluster.leader();
  success(await cluster.client("node3").acquire("new", { owner: "b" }));
}, 90_000);

describe("a change of the nodes is refused", () => {
  test("when the node is a member, is none, is the last one, has an address that cannot be, or is of another cluster", async () => {
    await using cluster = await ProcessCluster.start({ size: 2, founders: 1 });
    const peer_address = "127.0.0.1:1";
    const refusals: [Promise<{ status: number; body: { error: { code: string } } }>, number, string][] = [
      [add(cluster, "node1", { node_id: "node1", peer_address }), 409, "node_exists"],
      [remove(cluster, "node1", "node1"), 409, "last_voter"],
      [remove(cluster, "node1", "node9"), 404, "unknown_node"],
      [add(cluster, "node1", { node_id: "node9", replace: true }), 404, "unknown_node"],
      [add(cluster, "node1", { node_id: "node9" }), 400, "bad_request"],
      [add(cluster, "node1", { node_id: "node9", peer_address: "0.0.0.0:9001" }), 400, "bad_request"],
      [add(cluster, "node1", { node_id: "node9", peer_address: "10.0.0.9:9001" }), 400, "bad_request"],
      [add(cluster, "node1", { node_id: "node9", peer_address, cluster_id: "another" }), 409, "wrong_cluster"],
    ];
    for (const [asked, status, code] of refusals) {
      const { status: found, body } = await asked;
      expect([found, body.error.code]).toEqual([status, code]);
    }
    const stray = cluster.command("node2", { "--cluster": "other" });
    expect((await startThatEnds(stray)).sentence).toContain('belongs to cluster "test", not to "other"');
  }, 60_000);

  test("never for want of a node that was only announced: it joins when it comes, and may be taken back", async () => {
    await using cluster = await ProcessCluster.start({ size: 2, founders: 1 });
    const { peerPort } = cluster.node("node2");
    const wanted = { node_id: "node2", peer_address: `127.0.0.1:${peerPort}` };
    expect(success(await add(cluster, "node1", wanted))).toMatchObject({ status: "added", replica: 2 });
    expect(success(await add(cluster, "node1", wanted))).toMatchObject({ status: "unchanged", replica: 2 });
    success(await remove(cluster, "node1", "node2"));
    expect(success(await add(cluster, "node1", wanted))).toMatchObject({ status: "added", replica: 3 });
    cluster.startNode("node2");
    await votes(cluster, "node1", "node2");
    expect((await members(cluster, "node2")).map(({ replica }) => replica)).toEqual([1, 3]);
  }, 60_000);
});
