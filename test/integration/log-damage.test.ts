import { describe, expect, test } from "bun:test";
import { openSync, readdirSync, readFileSync, closeSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import { SEGMENT_HEAD_BYTES } from "../../src/wal/segment.ts";
import { startThatEnds } from "../support/failed-start.ts";
import { success } from "../support/node-client.ts";
import { ProcessCluster } from "../support/process-cluster.ts";

/** The segment that a node writes to, and where in it the last flush ends, give or take its padding. */
function lastSegment(cluster: ProcessCluster, id: string): { readonly path: string; readonly end: number } {
  const directory = join(cluster.node(id).dataDirectory, "wal");
  const used = readdirSync(directory)
    .toSorted()
    .map((name) => {
      const path = join(directory, name);
      const bytes = readFileSync(path);
      return { path, end: bytes.findLastIndex((byte) => byte !== 0) + 1 };
    })
    // A segment that is kept ready has a head and nothing else.
    .filter(({ end }) => end > SEGMENT_HEAD_BYTES);
  const last = used.at(-1);
  if (last === undefined) throw new Error(`no log in ${directory}`);
  return last;
}

function overwrite(path: string, offset: number, bytes: Uint8Array): void {
  const file = openSync(path, "r+");
  writeSync(file, bytes, 0, bytes.length, offset);
  closeSync(file);
}

/** Waits until every node has applied the lock's entry, and so has it on its disk. */
async function everywhere(cluster: ProcessCluster, lock: string): Promise<void> {
  for (const id of cluster.ids) expect((await cluster.client(id).inspect(lock)).body.status).toBe("held");
}

/** Some locks, so that the log has a middle. @returns the token of the last */
async function fill(cluster: ProcessCluster, owner: string): Promise<number> {
  const client = cluster.client(await cluster.leader());
  for (let i = 1; i < 20; i++) success(await client.acquire(`${owner}-${i}`, { owner, ttl: 3_600 }));
  return success(await client.acquire("last", { owner, ttl: 3_600 })).fencing_token;
}

async function killedFollower(cluster: ProcessCluster): Promise<string> {
  const leader = await cluster.leader();
  const [follower = ""] = cluster.others(leader);
  await cluster.kill(follower);
  return follower;
}

async function hasCaughtUp(cluster: ProcessCluster, id: string, token: number): Promise<void> {
  cluster.startNode(id);
  await cluster.ready(id);
  const table = success(await cluster.client(id).locks()).locks;
  expect(Object.keys(table)).toHaveLength(20);
  expect(table["last"]).toMatchObject({ status: "held", fencing_token: token });
}

describe("a node killed with -9 whose log then is damaged", () => {
  test("behind its last flush starts and has everything", async () => {
    await using cluster = await ProcessCluster.start({ size: 1 });
    const token = await fill(cluster, "a");
    await cluster.kill("node1");
    const { path, end } = lastSegment(cluster, "node1");
    // A flush that was being written when the power went.
    const garbage = crypto.getRandomValues(new Uint8Array(3_000));
    overwrite(path, Math.ceil(end / 32) * 32, garbage);
    await hasCaughtUp(cluster, "node1", token);
    await cluster.kill("node1");
    await hasCaughtUp(cluster, "node1", token);
  }, 60_000);

  test("in its last flush, or by a file that ends too early, starts and gets back from the others what it lost", async () => {
    await using cluster = await ProcessCluster.start({ size: 3 });
    const token = await fill(cluster, "a");
    await everywhere(cluster, "last");
    await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
    const garbled = lastSegment(cluster, "node1");
    overwrite(garbled.path, garbled.end - 8, crypto.getRandomValues(new Uint8Array(8)));
    cluster.startNode("node2");
    cluster.startNode("node3");
    await hasCaughtUp(cluster, "node1", token);

    success(await cluster.client("node1").acquire("again", { owner: "a", ttl: 3_600 }));
    await everywhere(cluster, "again");
    await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
    const cut = lastSegment(cluster, "node1");
    truncateSync(cut.path, cut.end - 8);
    for (const id of cluster.ids) cluster.startNode(id);
    await cluster.ready("node1");
    expect((await cluster.client("node1").inspect("again")).body.status).toBe("held");
    // And goes on where the file was cut.
    success(await cluster.client("node1").acquire("more", { owner: "a" }));
    await cluster.kill("node1");
    cluster.startNode("node1");
    await cluster.ready("node1");
    expect((await cluster.client("node1").inspect("more")).body.status).toBe("held");
  }, 60_000);

  test("in the middle is refused in one sentence that names the file, while the others go on", async () => {
    await using cluster = await ProcessCluster.start({ size: 3 });
    const token = await fill(cluster, "a");
    // A slow follower may have got all that in one flush: only with another behind it is that one's middle in the middle.
    await everywhere(cluster, "last");
    success(await cluster.client(await cluster.leader()).acquire("behind", { owner: "a", ttl: 3_600 }));
    await everywhere(cluster, "behind");
    const follower = await killedFollower(cluster);
    const { path } = lastSegment(cluster, follower);
    // The name of a lock: within an entry, not in a mark or in padding, where a flipped bit harms nothing.
    const middle = readFileSync(path).indexOf("a-10");
    expect(middle).toBeGreaterThan(SEGMENT_HEAD_BYTES);
    const flipped = readFileSync(path)[middle]! ^ 0x10;
    overwrite(path, middle, Uint8Array.of(flipped));
    const before = readFileSync(path);

    const start = await startThatEnds(cluster.command(follower));
    expect(start).toMatchObject({
      code: 78,
      sentence: expect.stringContaining(`The log is damaged in ${path} at offset`),
    });
    // A refusal changes nothing: whoever looks into it finds what was there.
    expect(readFileSync(path).equals(before)).toBe(true);

    const leader = await cluster.leader();
    expect((await cluster.client(leader).inspect("last")).body).toMatchObject({ fencing_token: token });
    success(await cluster.client(leader).release("last", { owner: "a" }));
  }, 60_000);
});
