/** The majority of a cluster is gone for ever: one node goes on as a new cluster (PROTOCOLS M2). */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../support/eventually.ts";
import { startThatEnds } from "../support/failed-start.ts";
import { folderDigest } from "../support/folder-digest.ts";
import { success } from "../support/node-client.ts";
import { cleanEnvironment, ProcessCluster } from "../support/process-cluster.ts";
import { runCommand } from "../support/run-command.ts";

interface Recovered {
  readonly recovered: boolean;
  readonly cluster_id: string;
  readonly generation: number;
  readonly token_floor: number;
  readonly holds: number;
  readonly old_data: string;
}

async function recover(cluster: ProcessCluster, id: string, ...flags: string[]) {
  const { dataDirectory } = cluster.node(id);
  const command = [...cluster.program, "recover", "--from-survivor", "--data", dataDirectory, "--json", ...flags];
  const run = await runCommand(command);
  return { ...run, body: JSON.parse(run.stdout || run.stderr) as Recovered };
}

test("of three nodes two are lost for ever: the third goes on with all that it had, larger tokens, and new nodes", async () => {
  await using cluster = await ProcessCluster.start({ size: 3 });
  const held = success(await cluster.client("node1").acquire("kept", { owner: "a", ttl: 3_600 }));
  const tokens = [held.fencing_token];
  for (let i = 0; i < 20; i++) {
    tokens.push(success(await cluster.client("node2").acquire(`x${i}`, { owner: "b", ttl: 3_600 })).fencing_token);
  }
  // A read there: it has all that was acknowledged.
  success(await cluster.client("node3").inspect("x19"));
  for (const id of cluster.ids) await cluster.kill(id);
  rmSync(cluster.node("node1").dataDirectory, { recursive: true });

  const asked = await recover(cluster, "node3");
  expect([asked.code, asked.body]).toMatchObject([1, { recovered: false, holds: 21 }]);
  const { code, body } = await recover(cluster, "node3", "--accept-loss");
  expect([code, body]).toMatchObject([0, { recovered: true, holds: 21 }]);
  expect(readdirSync(body.old_data)).toContain("identity.json");

  const alone = { "--peers": `node3=127.0.0.1:${cluster.node("node3").peerPort}` };
  cluster.startNode("node3", alone);
  await cluster.leader(["node3"]);
  await cluster.ready("node3");
  const client = cluster.client("node3");
  expect((await client.inspect("kept")).body).toMatchObject({ owners: ["a"], fencing_token: held.fencing_token });
  const next = success(await client.acquire("new", { owner: "c", ttl: 3_600 }));
  expect(next.fencing_token).toBeGreaterThan(Math.max(...tokens));
  expect(next.fencing_token).toBeGreaterThan(body.token_floor);

  // An old node that comes back is refused, serves nothing, and disturbs nobody.
  cluster.startNode("node2");
  await eventually(() => cluster.node("node2").output.includes("this node is of another cluster than node3"), {
    what: () => `node2 is refused\n${cluster.outputs()}`,
  });
  expect((await cluster.client("node2").call("GET", "/readyz")).status).toBe(503);
  expect((await client.inspect("kept")).body.owners).toEqual(["a"]);
  await cluster.kill("node2");

  // A new one joins.
  rmSync(cluster.node("node2").dataDirectory, { recursive: true });
  const peers = `node2=127.0.0.1:${cluster.node("node2").peerPort}`;
  cluster.startNode("node2", { "--join": cluster.url("node3"), "--peers": peers });
  await cluster.ready("node2");
  await eventually(async () => (await cluster.client("node2").inspect("kept")).body.owners?.[0] === "a", {
    what: () => `node2 has the state\n${cluster.outputs()}`,
  });
  // And all of it starts again.
  for (const id of ["node2", "node3"]) await cluster.kill(id);
  cluster.startNode("node3", alone);
  cluster.startNode("node2", { "--peers": peers });
  await cluster.leader(["node2", "node3"]);
  const again = success(await cluster.client("node2").acquire("newer", { owner: "c", ttl: 3_600 }));
  expect(again.fencing_token).toBeGreaterThan(next.fencing_token);
}, 90_000);

describe("a recovery is refused", () => {
  test("while the node runs, which goes on undisturbed", async () => {
    await using cluster = await ProcessCluster.start({ size: 1 });
    success(await cluster.client("node1").acquire("kept", { owner: "a", ttl: 3_600 }));
    const { dataDirectory } = cluster.node("node1");
    const command = [...cluster.program, "recover", "--from-survivor", "--accept-loss", "--data", dataDirectory];
    const { code, sentence } = await startThatEnds(command);
    expect([code, sentence]).toEqual([78, expect.stringContaining("is in use by another process")]);
    expect((await cluster.client("node1").inspect("kept")).body.owners).toEqual(["a"]);
  }, 60_000);
});

test("a survivor whose log is damaged is refused, and stays as it was", async () => {
  await using cluster = await ProcessCluster.start({ size: 1 });
  // What comes later shows that it was durable.
  for (const lock of ["kept", "x", "y"]) {
    success(await cluster.client("node1").acquire(lock, { owner: "a", ttl: 3_600 }));
  }
  await cluster.kill("node1");
  const { dataDirectory } = cluster.node("node1");
  const [name = ""] = readdirSync(join(dataDirectory, "wal")).sort();
  const segment = join(dataDirectory, "wal", name);
  const bytes = readFileSync(segment);
  const at = bytes.indexOf("kept");
  expect(at).toBeGreaterThan(0);
  bytes[at] = 255 - (bytes[at] ?? 0);
  writeFileSync(segment, bytes);
  const before = folderDigest(dataDirectory);
  const command = [...cluster.program, "recover", "--from-survivor", "--accept-loss", "--data", dataDirectory];
  const { code, sentence } = await startThatEnds(command);
  expect([code, sentence]).toEqual([
    78,
    expect.stringContaining("recover from another node that survived, or restore"),
  ]);
  expect(folderDigest(dataDirectory)).toEqual(before);
  expect(readdirSync(cluster.directory)).toEqual(["node1"]);
}, 60_000);

test("a recovery that is killed at any moment loses nothing: run again it ends, or goes on", async () => {
  await using cluster = await ProcessCluster.start({ size: 1 });
  success(await cluster.client("node1").acquire("kept", { owner: "a", ttl: 3_600 }));
  await cluster.kill("node1");
  const { dataDirectory } = cluster.node("node1");
  const command = [...cluster.program, "recover", "--from-survivor", "--accept-loss", "--data", dataDirectory];
  for (let i = 0; i < 12; i++) {
    const child = Bun.spawn(command, { stdio: ["ignore", "ignore", "ignore"], env: cleanEnvironment() });
    const isBegun = (): boolean => existsSync(`${dataDirectory}.recovered`) || child.exitCode !== null;
    await eventually(isBegun, { intervalMs: 1, what: "it begins" });
    await Bun.sleep(20 * i);
    child.kill("SIGKILL");
    await child.exited;
  }
  const ended = await runCommand([...command, "--json"]);
  expect([ended.code, ended.stderr]).toEqual([0, ""]);
  const kept = readdirSync(cluster.directory).filter((name) => name.startsWith("node1.before-recovery"));
  console.log(`    ${kept.length} of 13 were not cut short`);
  expect(kept.length).toBeGreaterThan(0);
  cluster.startNode("node1");
  await cluster.ready("node1");
  expect((await cluster.client("node1").inspect("kept")).body.owners).toEqual(["a"]);
}, 90_000);
