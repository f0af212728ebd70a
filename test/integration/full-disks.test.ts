/** Disk full (PROTOCOLS D9): real processes whose data directories lie on small file systems that are filled up. */
import { describe, expect, test } from "bun:test";
import { eventually } from "../support/eventually.ts";
import { FenceWriters } from "../support/fence-writers.ts";
import { call, success } from "../support/node-client.ts";
import { ProcessCluster, sourceProgram } from "../support/process-cluster.ts";
import { SmallDisk } from "../support/small-disk.ts";

if (!SmallDisk.available) {
  console.warn(
    'SKIPPED test/integration/full-disks.test.ts: "a full disk" needs root and the right to mount a tmpfs, and has not.',
  );
}

/** Three segments of 16 MiB, which a node takes at its start, and room for a few more. */
const SIZE_MIB = 120;
const report = (line: string): void => console.log(`    ${line}`);

/** A small disk below the data directory of each node of a cluster that has not started yet. */
class SmallDisks implements Disposable {
  private readonly byNode = new Map<string, SmallDisk>();

  constructor(cluster: ProcessCluster) {
    for (const { id, dataDirectory } of cluster.nodes) this.byNode.set(id, new SmallDisk(dataDirectory, SIZE_MIB));
  }

  of(id: string): SmallDisk {
    return this.byNode.get(id)!;
  }

  [Symbol.dispose](): void {
    for (const disk of this.byNode.values()) disk[Symbol.dispose]();
  }
}

async function started(cluster: ProcessCluster): Promise<void> {
  for (const id of cluster.ids) cluster.startNode(id);
  for (const id of cluster.ids) await cluster.ready(id);
}

async function diskOf(cluster: ProcessCluster, id: string): Promise<string | null | undefined> {
  const { body } = await cluster
    .client(id)
    .call<{ members: { node_id: string; disk: string | null }[] }>("GET", "/cluster?consistency=local");
  return body.members.find((member) => member.node_id === id)?.disk;
}

describe.skipIf(!SmallDisk.available)("a full disk", () => {
  test("on every node: writes are refused with 507, reads and releases go on, and room brings writes back without a restart", async () => {
    await using cluster = await ProcessCluster.start({ size: 3, startOnly: [] });
    using disks = new SmallDisks(cluster);
    await started(cluster);
    const client = cluster.client("node1");
    const held = success(await client.acquire("held", { owner: "a", ttl: 3_600 }));
    success(await client.acquire("released", { owner: "a", ttl: 3_600 }));
    const { session } = success(await client.openSession(60));
    for (const id of cluster.ids) disks.of(id).fill();
    const startMs = performance.now();
    const writers = new FenceWriters(
      cluster.ids.map((id) => cluster.url(id)),
      48,
    );
    await eventually(() => writers.refusals.length > 0, { deadlineMs: 90_000, what: () => cluster.outputs() });
    report(`${writers.acknowledged} writes until the disks were full, ${(performance.now() - startMs).toFixed(0)} ms`);
    // Nodes notice one after the other; then all refuse, and at once.
    await eventually(async () => (await client.acquire("x", { owner: "b" })).status === 507, { what: "a refusal" });
    const refusal = await client.acquire("x", { owner: "b" });
    expect(refusal).toMatchObject({ status: 507, body: { error: { code: "disk_full" } } });
    expect(refusal.body.error.message).toMatch(/^No room on the disk of node\d/);
    await writers.stop();
    expect(writers.failures).toEqual([]);

    // Reads, what gives back, and what keeps alive.
    expect(success(await client.inspect("held")).fencing_token).toBe(held.fencing_token);
    success(await client.release("released", { owner: "a" }));
    success(await client.keepalive(session));
    const metrics = await fetch(`${cluster.url("node1")}/metrics`);
    expect(await metrics.text()).toMatch(/^mufakat_disk_full [12]$/m);
    expect(cluster.node("node1").output).toContain("is full: make room");

    // A node starts on a full disk, too, and a leader is elected without any room.
    const leader = await cluster.leader();
    await cluster.kill(leader);
    await cluster.leader(cluster.others(leader));
    cluster.startNode(leader);
    await cluster.ready(leader);
    expect(success(await cluster.client(leader).inspect("held")).fencing_token).toBe(held.fencing_token);
    expect((await cluster.client(leader).acquire("x", { owner: "b" })).status).toBe(507);

    for (const id of cluster.ids) disks.of(id).clear();
    const clearedMs = performance.now();
    await eventually(async () => (await client.acquire("x", { owner: "b" })).status === 200, {
      what: () => `writes\n${cluster.outputs()}`,
    });
    report(`writes ${(performance.now() - clearedMs).toFixed(0)} ms after there was room`);
    for (const id of cluster.ids) {
      expect(await writers.lost(cluster.url(id))).toEqual([]);
      expect(success(await cluster.client(id).inspect("held")).fencing_token).toBe(held.fencing_token);
      await eventually(async () => (await diskOf(cluster, id)) === "ok", { what: `${id} says that it has room` });
    }
    success(await client.keepalive(session));
  }, 240_000);

  test("of the leader alone: leadership moves to a node with room, and no write fails", async () => {
    await using cluster = await ProcessCluster.start({ size: 3, startOnly: [] });
    using disks = new SmallDisks(cluster);
    await started(cluster);
    const first = await cluster.leader();
    const others = cluster.others(first);
    disks.of(first).fill();
    // Clients of the others: what the full node cannot write it cannot answer for.
    const writers = new FenceWriters(
      others.map((id) => cluster.url(id)),
      48,
    );
    const second = await eventually(
      async () => {
        const { leader } = (await cluster.root(others[0] ?? "")) ?? {};
        return leader !== first && leader !== null ? leader : undefined;
      },
      { deadlineMs: 90_000, what: () => `another leader\n${cluster.outputs()}` },
    );
    expect(others).toContain(second ?? "");
    const before = writers.acknowledged;
    await eventually(() => writers.acknowledged > before + 500, { what: "writes under the new leader" });
    await eventually(async () => (await diskOf(cluster, first)) !== "ok", { what: `${first} says that it is full` });
    await writers.stop();
    report(`${writers.acknowledged} writes, longest ${writers.longestMs.toFixed(0)} ms`);
    expect(writers.failures).toEqual([]);
    expect(cluster.node(first).output).toContain("handing leadership over to ");

    disks.of(first).clear();
    await eventually(async () => (await diskOf(cluster, first)) === "ok", { what: `${first} has room` });
    await eventually(
      async () => {
        const { status } = await cluster.client(first).acquire("x", { owner: "b" });
        return status === 200;
      },
      { what: () => `writes through ${first}\n${cluster.outputs()}` },
    );
    for (const id of cluster.ids) expect(await writers.lost(cluster.url(id))).toEqual([]);
  }, 240_000);

  test("shows in `mufakat status`, and keeps a node from starting that has no room for a log at all", async () => {
    await using cluster = await ProcessCluster.start({ size: 1, startOnly: [] });
    using disks = new SmallDisks(cluster);
    disks.of("node1").fill(10);
    cluster.startNode("node1");
    const { process: child } = cluster.node("node1");
    expect(await child?.exited).toBe(78);
    expect(cluster.node("node1").output).toContain("is full: make room or choose another --data.");

    // Room for the log and its reserve, and for nothing ahead of need.
    disks.of("node1").clear();
    disks.of("node1").fill(40);
    cluster.startNode("node1");
    await cluster.ready("node1");
    expect((await cluster.client("node1").acquire("x")).status).toBe(507);
    const command = [...sourceProgram, "status", "--url", cluster.url("node1")];
    const status = Bun.spawn(command, { stdout: "pipe", stderr: "inherit" });
    expect(await new Response(status.stdout).text()).toMatch(/node1 .* leader .* full /);
    expect((await call("GET", `${cluster.url("node1")}/locks`)).status).toBe(200);
    disks.of("node1").clear();
    await eventually(async () => (await cluster.client("node1").acquire("x")).status === 200, { what: "writes" });
  }, 60_000);
});
