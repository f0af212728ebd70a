import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HttpConnection } from "../../bench/load/http-connection.ts";
import { limits } from "../../src/kernel/limits.ts";
import { eventually } from "../support/eventually.ts";
import { success } from "../support/node-client.ts";
import { ProcessCluster } from "../support/process-cluster.ts";

/** So large that few requests make much log. */
const VALUE = "v".repeat(limits.maxValueBytes);
const CONNECTIONS = 32;

/** Locks and unlocks with large values through the nodes, until `done` says so. @returns how many pairs there were */
async function load(cluster: ProcessCluster, ids: readonly string[], done: () => boolean): Promise<number> {
  let pairs = 0;
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async (_, i) => {
      const { clientPort } = cluster.node(ids[i % ids.length] ?? "");
      const connection = await HttpConnection.open("127.0.0.1", clientPort);
      const path = `/lock/load-${i}?owner=client-${i}`;
      while (!done()) {
        const lock = await connection.request("POST", `${path}&ttl=60&timeout=0&value=${VALUE}`);
        expect(lock.status).toBe(200);
        expect((await connection.request("DELETE", path)).status).toBe(200);
        pairs++;
      }
      connection.close();
    }),
  );
  return pairs;
}

/** Loads the nodes until this comes true. */
async function loadUntil(
  cluster: ProcessCluster,
  ids: readonly string[],
  probe: () => Promise<boolean>,
): Promise<number> {
  let isDone = false;
  const loaded = load(cluster, ids, () => isDone);
  try {
    await eventually(probe, { deadlineMs: 60_000, intervalMs: 50, what: () => `load enough\n${cluster.outputs()}` });
  } finally {
    isDone = true;
  }
  return loaded;
}

async function figure(cluster: ProcessCluster, id: string, name: string): Promise<number> {
  const text = await (await fetch(`${cluster.url(id)}/metrics`)).text();
  // Of the control group, where each has its own.
  return Number(new RegExp(`^${name}(?:\\{group="0"\\})? (\\S+)$`, "m").exec(text)?.[1]);
}

function filesOf(cluster: ProcessCluster, id: string, folder: string): string[] {
  return readdirSync(join(cluster.node(id).dataDirectory, folder));
}

/** The files of a folder, in bytes. */
function sizeOf(cluster: ProcessCluster, id: string, folder: string): number {
  const path = join(cluster.node(id).dataDirectory, folder);
  return readdirSync(path).reduce((sum, name) => sum + statSync(join(path, name)).size, 0);
}

/** Flips a bit of each of the newest. */
function damageNewest(cluster: ProcessCluster, id: string, count: number): void {
  const names = filesOf(cluster, id, "snapshots").filter((each) => each.endsWith(".snapshot"));
  for (const name of names.toSorted().slice(-count)) {
    const path = join(cluster.node(id).dataDirectory, "snapshots", name);
    const bytes = readFileSync(path);
    const at = bytes.length - 20;
    bytes[at] = (bytes[at] ?? 0) ^ 4;
    writeFileSync(path, bytes);
  }
}

describe("snapshots of a cluster under load", () => {
  test("keep its log short; nodes that were away too long or are new get one, and all have the same locks after kill -9 and flipped bits", async () => {
    await using cluster = await ProcessCluster.start({ size: 4, founders: 3 });
    const leader = await cluster.leader();
    const [late = "", other = ""] = cluster.others(leader).filter((id) => cluster.isFounder(id));
    const held = success(await cluster.client(leader).acquire("held", { owner: "keeper", ttl: 3_600 }));
    await cluster.kill(late);
    const running = [leader, other];
    const isCompacted = async (id: string): Promise<boolean> =>
      (await figure(cluster, id, "mufakat_raft_compacted_index")) > 0 &&
      sizeOf(cluster, id, "wal") < (await figure(cluster, id, "mufakat_log_flushed_bytes_total"));
    await loadUntil(cluster, running, async () => (await isCompacted(leader)) && (await isCompacted(other)));
    for (const id of running) {
      expect(await figure(cluster, id, "mufakat_snapshots_taken_total")).toBeGreaterThanOrEqual(2);
      expect(filesOf(cluster, id, "snapshots").length).toBeLessThanOrEqual(3);
    }

    for (const id of [late, "node4"]) {
      cluster.startNode(id);
      await cluster.ready(id);
      await eventually(async () => (await figure(cluster, id, "mufakat_snapshots_installed_total")) === 1, {
        what: () => `${id} takes over a snapshot\n${cluster.outputs()}`,
      });
      expect(success(await cluster.client(id).inspect("held")).fencing_token).toBe(held.fencing_token);
    }
    expect(await figure(cluster, leader, "mufakat_snapshot_bytes_sent_total")).toBeGreaterThan(0);

    for (const id of cluster.ids) await cluster.kill(id);
    // One has another snapshot to fall back on, the other has not, and gets all from its peers again (PROTOCOLS D7, D8).
    damageNewest(cluster, other, 1);
    // On a slow machine it has made one of its own since.
    damageNewest(cluster, late, 3);
    for (const id of cluster.ids) cluster.startNode(id);
    for (const id of cluster.ids) await cluster.ready(id);
    expect(await figure(cluster, other, "mufakat_snapshots_damaged")).toBe(1);
    expect(await figure(cluster, other, "mufakat_repairs_total")).toBe(0);
    expect(await figure(cluster, late, "mufakat_repairs_total")).toBe(1);
    expect(await figure(cluster, late, "mufakat_snapshots_installed_total")).toBe(1);
    for (const id of cluster.ids) {
      expect(success(await cluster.client(id).inspect("held")).fencing_token).toBe(held.fencing_token);
      expect(await figure(cluster, id, "mufakat_raft_snapshot_index")).toBeGreaterThan(0);
    }
    const next = success(await cluster.client(late).acquire("load-0", { owner: "new", ttl: 60 }));
    expect(next.fencing_token).toBeGreaterThan(1);
  }, 120_000);

  test("that were being made when the nodes were killed leave nothing behind, and are made later", async () => {
    await using cluster = await ProcessCluster.start({ size: 3 });
    const held = success(await cluster.client("node1").acquire("held", { owner: "keeper", ttl: 3_600 }));
    for (let round = 0; round < 2; round++) {
      const isMaking = (id: string): boolean => filesOf(cluster, id, "snapshots").some((name) => name.endsWith(".tmp"));
      let isDone = false;
      // Its connections break when the nodes are killed.
      const loaded = load(cluster, cluster.ids, () => isDone).catch(() => {});
      await eventually(() => cluster.ids.some(isMaking), {
        deadlineMs: 60_000,
        intervalMs: 1,
        what: "a snapshot in the making",
      });
      isDone = true;
      await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
      await loaded;
      for (const id of cluster.ids) cluster.startNode(id);
      for (const id of cluster.ids) await cluster.ready(id);
      expect(success(await cluster.client("node2").inspect("held")).fencing_token).toBe(held.fencing_token);
    }
    const taken = (id: string): Promise<number> => figure(cluster, id, "mufakat_snapshots_taken_total");
    await loadUntil(cluster, cluster.ids, async () => {
      const counts = await Promise.all(cluster.ids.map(taken));
      return counts.every((count) => count > 0);
    });
  }, 120_000);
});
