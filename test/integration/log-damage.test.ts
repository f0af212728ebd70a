import { describe, expect, test } from "bun:test";
import { openSync, readdirSync, readFileSync, closeSync, rmSync, truncateSync, writeSync } from "node:fs";
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

async function hasCaughtUp(cluster: ProcessCluster, id: string, token: number, locks = 20): Promise<void> {
  cluster.startNode(id);
  await cluster.ready(id);
  const table = success(await cluster.client(id).locks()).locks;
  expect(Object.keys(table)).toHaveLength(locks);
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

  test("in the middle repairs itself from the others, says so, and is a node like them again", async () => {
    await using cluster = await ProcessCluster.start({ size: 3 });
    const { follower, token } = await withFlippedBit(cluster);
    await hasCaughtUp(cluster, follower, token, 21);
    await isRepaired(cluster, follower);
    expect(cluster.node(follower).output).toMatch(
      /The log is damaged in .*0000000001\.wal at offset \d+ .* is repaired/,
    );
    expect(cluster.node(follower).output).toContain("has again all that this node acknowledged");
    // It counts: with one of the other two away nothing would be committed without it.
    const [third = ""] = cluster.ids.filter((id) => id !== follower).slice(-1);
    await cluster.kill(third);
    const client = cluster.client(follower);
    success(await client.acquire("after", { owner: "a", ttl: 3_600 }));
    await cluster.kill(follower);
    cluster.startNode(follower);
    await cluster.ready(follower);
    expect((await client.inspect("after")).body.status).toBe("held");
    expect(await metric(cluster, follower, "repairs_total")).toBe(0);
  }, 60_000);

  test("by a lost log has its vote from the second copy, and repairs itself", async () => {
    await using cluster = await ProcessCluster.start({ size: 3 });
    const token = await fill(cluster, "a");
    const follower = await killedFollower(cluster);
    rmSync(join(cluster.node(follower).dataDirectory, "wal"), { recursive: true });
    await hasCaughtUp(cluster, follower, token);
    await isRepaired(cluster, follower);
  }, 60_000);

  test("in the second copy of its vote alone writes that again", async () => {
    await using cluster = await ProcessCluster.start({ size: 3 });
    const token = await fill(cluster, "a");
    const follower = await killedFollower(cluster);
    const copy = join(cluster.node(follower).dataDirectory, "votes", "hard-state");
    overwrite(copy, 0, crypto.getRandomValues(new Uint8Array(8_192)));
    await hasCaughtUp(cluster, follower, token);
    expect(await metric(cluster, follower, "repairs_total")).toBe(0);
    await cluster.kill(follower);
    rmSync(join(cluster.node(follower).dataDirectory, "wal"), { recursive: true });
    await hasCaughtUp(cluster, follower, token);
  }, 60_000);

  test("and its second copy of its vote, too, is refused in one sentence, while the others go on", async () => {
    await using cluster = await ProcessCluster.start({ size: 3 });
    const { follower, path } = await withFlippedBit(cluster);
    const directory = cluster.node(follower).dataDirectory;
    // The first frames: the vote among them.
    overwrite(path, SEGMENT_HEAD_BYTES, new Uint8Array(lastSegment(cluster, follower).end - SEGMENT_HEAD_BYTES - 200));
    rmSync(join(directory, "votes"), { recursive: true });
    const before = readFileSync(path);
    expect(await startThatEnds(cluster.command(follower))).toMatchObject({
      code: 78,
      sentence: expect.stringContaining(
        `: run "mufakat cluster replace ${follower}", then start the node with an empty --data and --join.`,
      ),
    });
    // A refusal changes nothing: whoever looks into it finds what was there.
    expect(readFileSync(path).equals(before)).toBe(true);
    success(await cluster.client(await cluster.leader()).release("last", { owner: "a" }));
    // Nothing at all is no better: the others know this node.
    rmSync(join(directory, "wal"), { recursive: true });
    expect(await startThatEnds(cluster.command(follower))).toMatchObject({
      code: 78,
      sentence: expect.stringContaining("The node has lost its term and its vote (there is nothing in"),
    });
  }, 60_000);

  test("without any other node is refused in one sentence that names the file", async () => {
    await using cluster = await ProcessCluster.start({ size: 1 });
    await fill(cluster, "a");
    await cluster.kill("node1");
    const { path } = lastSegment(cluster, "node1");
    flipBit(path, readFileSync(path).indexOf("a-10"));
    expect(await startThatEnds(cluster.command("node1"))).toMatchObject({
      code: 78,
      sentence: expect.stringMatching(
        /The log is damaged in .* at offset \d+ .*: restore the data directory from a backup/,
      ),
    });
  }, 60_000);

  test("once all others have left is refused in one sentence, and keeps its log: nobody could refill it", async () => {
    await using cluster = await ProcessCluster.start({ size: 3 });
    await fill(cluster, "a");
    for (const id of ["node2", "node3"]) {
      const left = await fetch(`${cluster.url("node1")}/cluster/nodes/${id}`, { method: "DELETE" });
      expect([left.status, await left.json()]).toEqual([200, expect.objectContaining({ status: "removed" })]);
    }
    success(await cluster.client("node1").acquire("alone", { owner: "a", ttl: 3_600 }));
    await cluster.kill("node1");
    const { path } = lastSegment(cluster, "node1");
    flipBit(path, readFileSync(path).indexOf("a-10"));
    const before = readFileSync(path);
    expect(await startThatEnds(cluster.command("node1"))).toMatchObject({
      code: 78,
      sentence: expect.stringMatching(/The log is damaged in .*: restore the data directory from a backup/),
    });
    expect(readFileSync(path).equals(before)).toBe(true);
    // With nothing left at all it is no new cluster either.
    const directory = cluster.node("node1").dataDirectory;
    for (const name of ["wal", "votes"]) rmSync(join(directory, name), { recursive: true });
    expect(await startThatEnds(cluster.command("node1"))).toMatchObject({
      code: 78,
      sentence: expect.stringMatching(/There is nothing in .*wal: restore the data directory from a backup/),
    });
  }, 60_000);
});

/** A follower that was killed, and then a bit of an entry in the middle of its log flipped. */
async function withFlippedBit(cluster: ProcessCluster) {
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
  flipBit(path, middle);
  return { follower, path, token };
}

function flipBit(path: string, offset: number): void {
  overwrite(path, offset, Uint8Array.of(readFileSync(path)[offset]! ^ 0x10));
}

async function metric(cluster: ProcessCluster, id: string, name: string): Promise<number> {
  const response = await fetch(`${cluster.url(id)}/metrics?format=json`);
  return ((await response.json()) as Record<string, number>)[name] ?? Number.NaN;
}

async function isRepaired(cluster: ProcessCluster, id: string): Promise<void> {
  expect(await metric(cluster, id, "repairing")).toBe(0);
  expect(await metric(cluster, id, "repairs_total")).toBe(1);
  expect(await metric(cluster, id, "repair_refilled_entries_total")).toBeGreaterThan(20);
}
