/** A backup of a cluster that serves, and a new cluster made of it (PROTOCOLS M2). */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { readBackup } from "../../src/server/succession/restore-backup.ts";
import { eventually } from "../support/eventually.ts";
import { LockLoad } from "../support/lock-load.ts";
import { success } from "../support/node-client.ts";
import { cleanEnvironment, ProcessCluster } from "../support/process-cluster.ts";
import { runCommand } from "../support/run-command.ts";

interface Saved {
  readonly bytes: number;
  readonly cluster_id: string;
  readonly last_index: number;
}

interface Restored {
  readonly cluster_id: string;
  readonly generation: number;
  readonly token_floor: number;
  readonly holds: number;
  readonly sessions: number;
}

async function backup(cluster: ProcessCluster, id: string, file: string, ...flags: string[]): Promise<Saved> {
  const run = await runCommand([...cluster.program, "backup", file, "--url", cluster.url(id), "--json", ...flags]);
  expect([run.code, run.stderr]).toEqual([0, ""]);
  return JSON.parse(run.stdout) as Saved;
}

const restore = (cluster: ProcessCluster, id: string, file: string, data = cluster.node(id).dataDirectory) =>
  runCommand([...cluster.program, "restore", file, "--json", "--data", data, "--id", id]);

/** As the only node that was named. */
function startAlone(cluster: ProcessCluster, id: string): void {
  cluster.startNode(id, { "--peers": `${id}=127.0.0.1:${cluster.node(id).peerPort}` });
}

test("a backup under load, restored: all that was acknowledged before it is there, and tokens are larger than all old ones", async () => {
  await using cluster = await ProcessCluster.start({ size: 3 });
  const file = join(cluster.directory, "backup");
  const running = new LockLoad({
    urls: cluster.ids.map((id) => cluster.url(id)),
    clients: 8,
    locks: ["x", "y", "z"],
    seed: 11,
  });
  const before = running.holds.length;
  await eventually(() => running.holds.length > before + 50, { deadlineMs: 30_000, what: "load" });
  const opened = await cluster.client("node2").openSession(3_600);
  const session = success(opened).session;
  const kept = success(await cluster.client("node1").acquire("kept", { session }));
  success(await cluster.client("node3").fence("resource", kept.fencing_token));
  // Of each node in turn, while they serve.
  const saved = [await backup(cluster, "node3", file)];
  for (const id of ["node1", "node2"]) saved.push(await backup(cluster, id, file, "--force"));
  expect(saved.map(({ last_index }) => last_index)).toEqual(
    saved.map(({ last_index }) => last_index).sort((a, b) => a - b),
  );
  const after = running.holds.length;
  await eventually(() => running.holds.length > after + 50, { deadlineMs: 30_000, what: "load after the backup" });
  await running.stop();
  expect([running.surprises, running.refusals]).toEqual([[], 0]);
  const last = success(await cluster.client("node1").acquire("last", { owner: "o", ttl: 3_600 }));
  const oldTokens = [...running.holds.map(({ token }) => token), last.fencing_token];
  for (const id of cluster.ids) {
    await cluster.kill(id);
    rmSync(cluster.node(id).dataDirectory, { recursive: true });
  }

  const { code, stdout } = await restore(cluster, "node1", file);
  const restored = JSON.parse(stdout) as Restored;
  expect([code, restored]).toMatchObject([0, { sessions: 1 }]);
  expect(restored.generation).toBeGreaterThan(0);
  expect(restored.cluster_id).not.toBe(saved[0]?.cluster_id ?? "");
  startAlone(cluster, "node1");
  await cluster.ready("node1");
  const client = cluster.client("node1");
  expect(success(await client.inspect("kept"))).toMatchObject({ fencing_token: kept.fencing_token, status: "held" });
  success(await client.keepalive(session));
  expect((await client.inspect("last")).body.status).toBe("available");
  const first = success(await client.acquire("first", { owner: "new", ttl: 3_600 }));
  expect(first.fencing_token).toBeGreaterThan(Math.max(...oldTokens));
  expect(first.fencing_token).toBeGreaterThan(restored.token_floor);
  expect((await client.fence("resource", 1)).status).toBe(409);

  for (const id of ["node2", "node3"]) {
    const peers = `${id}=127.0.0.1:${cluster.node(id).peerPort}`;
    cluster.startNode(id, { "--join": cluster.url("node1"), "--peers": peers });
    await cluster.ready(id);
  }
  const voters = async () => (await client.cluster()).body.members.filter(({ role }) => role === "voter").length;
  await eventually(async () => (await voters()) === 3, {
    deadlineMs: 30_000,
    what: () => `three voters\n${cluster.outputs()}`,
  });
  await cluster.kill("node1");
  await cluster.leader(["node2", "node3"]);
  const next = success(await cluster.client("node2").acquire("next", { owner: "new", ttl: 3_600 }));
  expect(next.fencing_token).toBeGreaterThan(first.fencing_token);
  expect((await cluster.client("node3").inspect("kept")).body.fencing_token).toBe(kept.fencing_token);
}, 150_000);

describe("a backup", () => {
  test("of any node has what any other acknowledged before it was asked for, and is of one instant", async () => {
    await using cluster = await ProcessCluster.start({ size: 3 });
    const urls = cluster.ids.map((id) => cluster.url(id));
    const running = new LockLoad({ urls, clients: 6, locks: ["x", "y"], seed: 5 });
    const file = join(cluster.directory, "backup");
    for (let round = 0; round < 6; round++) {
      const [through = "", of = ""] = [cluster.ids[round % 3], cluster.ids[(round + 1) % 3]];
      const client = cluster.client(through);
      // Two that change together: none is ever seen without the other.
      const locks = [`a-${round}`, `b-${round}`];
      const granted = success(await client.acquireAll(locks, { owner: "o", ttl: 3_600 }));
      const later = client.acquireAll([`c-${round}`, `d-${round}`], { owner: "o", ttl: 3_600 });
      const { last_index } = await backup(cluster, of, file, "--force");
      success(await later);
      const { machine, snapshot } = readBackup(file, () => {});
      expect([snapshot.index, machine.appliedIndex]).toEqual([last_index, last_index]);
      const tokens = locks.map((lock) => machine.view(lock).fencingToken);
      expect(tokens).toEqual(granted.locks.map(({ fencing_token }) => fencing_token));
      const [c, d] = ["c", "d"].map((lock) => machine.view(`${lock}-${round}`).holders.length);
      expect(c).toBe(d ?? -1);
    }
    await running.stop();
    expect(running.surprises).toEqual([]);
  }, 60_000);

  test("is one at a time of a node, whose place is free again when its client goes away", async () => {
    await using cluster = await ProcessCluster.start({ size: 1 });
    await grow(cluster, 20);
    const file = join(cluster.directory, "backup");
    const { clientPort } = cluster.node("node1");
    const stalled = connect(clientPort, "127.0.0.1", () =>
      stalled.write("GET /cluster/backup HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
    );
    await new Promise<void>((resolve) => stalled.once("data", () => (stalled.pause(), resolve())));
    const refused = await runCommand([...cluster.program, "backup", file, "--url", cluster.url("node1"), "--json"]);
    expect([refused.code, JSON.parse(refused.stderr)]).toEqual([
      1,
      { error: expect.objectContaining({ code: "backup_under_way" }) },
    ]);
    expect(readdirSync(cluster.directory)).toEqual(["node1"]);
    // A node serves although somebody takes nothing of what he asked for.
    success(await cluster.client("node1").acquire("meanwhile", { owner: "a" }));
    stalled.destroy();
    const command = [...cluster.program, "backup", file, "--url", cluster.url("node1")];
    await eventually(async () => (await runCommand(command)).code === 0, { what: "its place is free" });
    expect(existsSync(file)).toBe(true);
  }, 60_000);

  test("whose client or node is killed leaves no file of that name, and the next one takes its place", async () => {
    await using cluster = await ProcessCluster.start({ size: 1 });
    await grow(cluster, 40);
    const file = join(cluster.directory, "backup");
    const command = [...cluster.program, "backup", file, "--url", cluster.url("node1")];
    const start = () => Bun.spawn(command, { stdio: ["ignore", "ignore", "ignore"], env: cleanEnvironment() });
    const begun = () => eventually(() => existsSync(`${file}.partial`), { intervalMs: 1, what: "it begins" });
    const client = start();
    await begun();
    client.kill("SIGKILL");
    await client.exited;
    const left = existsSync(`${file}.partial`) && !existsSync(file);
    if (left) {
      const half = await restore(cluster, "node1", `${file}.partial`, join(cluster.directory, "half"));
      expect([half.code, existsSync(join(cluster.directory, "half"))]).toEqual([65, false]);
    }
    rmSync(`${file}.partial`, { force: true });
    rmSync(file, { force: true });
    const other = start();
    await begun();
    cluster.signal("node1", "SIGSTOP");
    await cluster.kill("node1");
    const code = await other.exited;
    // It was quicker than we were, or it says that it got nothing.
    expect(code === 0 ? existsSync(file) : !existsSync(file) && [65, 69].includes(code)).toBe(true);
    cluster.startNode("node1");
    await cluster.ready("node1");
    await backup(cluster, "node1", file, "--force");
    expect(existsSync(`${file}.partial`)).toBe(false);
  }, 90_000);

  test("replaces no file that is there, unless it is told to", async () => {
    await using cluster = await ProcessCluster.start({ size: 1 });
    const file = join(cluster.directory, "letter");
    writeFileSync(file, "dear");
    const command = [...cluster.program, "backup", file, "--url", cluster.url("node1")];
    const { code, stderr } = await runCommand(command);
    expect([code, stderr]).toEqual([78, expect.stringContaining("exists: choose another name")]);
    expect(readFileSync(file, "utf8")).toBe("dear");
    await backup(cluster, "node1", file, "--force");
    expect(readFileSync(file).length).toBeGreaterThan(8_192);
  }, 60_000);
});

describe("a backup that is damaged", () => {
  test("in any region, or cut short, is refused, and nothing is made of it", async () => {
    await using cluster = await ProcessCluster.start({ size: 1 });
    success(await cluster.client("node1").acquire("kept", { owner: "a", ttl: 3_600 }));
    const file = join(cluster.directory, "backup");
    const { bytes } = await backup(cluster, "node1", file);
    const whole = readFileSync(file);
    const wrong = join(cluster.directory, "wrong");
    const target = join(cluster.directory, "target");
    // Magic, head, a group's head, its state, the end.
    for (const at of [3, 20, 300, 8_300, bytes - 30, bytes - 2]) {
      const damaged = Buffer.from(whole);
      damaged[at] = 255 - (damaged[at] ?? 0);
      writeFileSync(wrong, damaged);
      const { code, stderr } = await restore(cluster, "node1", wrong, target);
      const found = (JSON.parse(stderr) as { error: { code: string } }).error.code;
      expect([at, code, found]).toEqual([at, 65, at === 3 ? "not_a_backup" : "damaged_backup"]);
    }
    for (const length of [0, 10, 4_000, bytes - 1]) {
      writeFileSync(wrong, whole.subarray(0, length));
      expect((await restore(cluster, "node1", wrong, target)).code).toBe(65);
    }
    expect(existsSync(target)).toBe(false);
    // Nor is a node's data overwritten, be it stopped or not.
    for (const stop of [false, true]) {
      if (stop) await cluster.kill("node1");
      const { code, stderr } = await restore(cluster, "node1", file);
      expect([code, stderr]).toEqual([78, expect.stringContaining("holds the data of node")]);
    }
    cluster.startNode("node1");
    await cluster.ready("node1");
    expect((await cluster.client("node1").inspect("kept")).body.owners).toEqual(["a"]);
  }, 90_000);
});

test("a restoration that is killed at any moment is begun anew, and no node starts with half of it", async () => {
  await using cluster = await ProcessCluster.start({ size: 1 });
  await grow(cluster, 20);
  const file = join(cluster.directory, "backup");
  await backup(cluster, "node1", file);
  await cluster.kill("node1");
  rmSync(cluster.node("node1").dataDirectory, { recursive: true });
  const { dataDirectory } = cluster.node("node1");
  const command = [...cluster.program, "restore", file, "--data", dataDirectory];
  let halves = 0;
  for (let i = 0; i < 10; i++) {
    const child = Bun.spawn(command, { stdio: ["ignore", "ignore", "ignore"], env: cleanEnvironment() });
    const isBegun = (): boolean => existsSync(join(dataDirectory, "unfinished")) || child.exitCode !== null;
    await eventually(isBegun, { intervalMs: 1, what: "it begins" });
    await Bun.sleep(4 * i);
    child.kill("SIGKILL");
    await child.exited;
    if (!existsSync(join(dataDirectory, "unfinished"))) continue;
    halves++;
    const start = await runCommand([...cluster.command("node1")]);
    expect([start.code, start.stderr]).toEqual([78, expect.stringContaining("was cut short there: run that again")]);
  }
  console.log(`    ${halves} of 10 were cut short in the directory`);
  if (!existsSync(join(dataDirectory, "VERSION"))) expect((await restore(cluster, "node1", file)).code).toBe(0);
  startAlone(cluster, "node1");
  await cluster.ready("node1");
  expect((await cluster.client("node1").inspect("held-7")).body.owners).toEqual(["a"]);
}, 90_000);

/** So many locks with large values that a backup takes more than a socket's buffer: 4 KiB each, in MiB. */
async function grow(cluster: ProcessCluster, megabytes: number): Promise<void> {
  const value = "v".repeat(4_096);
  const client = cluster.client("node1");
  const count = megabytes * 256;
  for (let at = 0; at < count; at += 64) {
    const batch = Array.from({ length: 64 }, (_, i) =>
      client.acquire(`held-${at + i}`, { owner: "a", ttl: 3_600, value }),
    );
    for (const reply of await Promise.all(batch)) success(reply);
  }
}
