/** A start that cannot be ends with exit code 78 and one sentence that says what to change; nothing is lost by it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../support/eventually.ts";
import { startThatEnds } from "../support/failed-start.ts";
import { freePorts } from "../support/free-ports.ts";
import { success } from "../support/node-client.ts";
import { cleanEnvironment, ProcessCluster } from "../support/process-cluster.ts";

const ANYWHERE = { "--listen": "127.0.0.1:0", "--peer-listen": "127.0.0.1:0" };
const ALONE = { ...ANYWHERE, "--peers": "node1=127.0.0.1:9001" };

let folder: string;
let cluster: ProcessCluster;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "mufakat-refused-"));
  cluster = await ProcessCluster.start({ size: 3 });
  success(await cluster.client("node1").acquire("kept", { owner: "a", ttl: 3_600 }));
});

afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

function fresh(): string {
  return mkdtempSync(join(folder, "data-"));
}

/** Starts a node that must be refused. `changed` replaces flags of the running `node1`. */
async function refusal(changed: Readonly<Record<string, string>>): Promise<string> {
  const start = await startThatEnds(cluster.command("node1", changed));
  expect(start.code).toBe(78);
  return start.sentence;
}

async function withPortTaken(use: (port: number) => Promise<void>): Promise<void> {
  const [port = 0] = freePorts(1);
  const taken = Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
  try {
    await use(port);
  } finally {
    taken.stop(true);
  }
}

describe("a node refuses to start", () => {
  test("when its port for clients is taken", async () => {
    await withPortTaken(async (port) => {
      const sentence = await refusal({ ...ALONE, "--data": fresh(), "--listen": `127.0.0.1:${port}` });
      expect(sentence).toContain(`127.0.0.1:${port}`);
      expect(sentence).toContain("--listen");
    });
  });

  test("when its port for peers is taken", async () => {
    await withPortTaken(async (port) => {
      const sentence = await refusal({ ...ALONE, "--data": fresh(), "--peer-listen": `127.0.0.1:${port}` });
      expect(sentence).toContain(`127.0.0.1:${port}`);
      expect(sentence).toContain("--peer-listen");
    });
  });

  test("when another process uses its data directory, which goes on undisturbed", async () => {
    const path = cluster.node("node1").dataDirectory;
    const sentence = await refusal(ANYWHERE);
    expect(sentence).toContain(`The data directory ${path} is in use by another process`);
    expect(sentence).toContain(String(cluster.node("node1").process?.pid));
    expect((await cluster.client("node1").inspect("kept")).body.owners).toEqual(["a"]);
  });

  test("when its data directory belongs to another cluster, or another node", async () => {
    const data = fresh();
    const own = { ...ALONE, "--data": data };
    await runOnce(own);
    expect(await refusal({ ...own, "--cluster": "other" })).toContain('belongs to cluster "test", not to "other"');
    const renamed = { ...own, "--id": "node9", "--peers": "node9=127.0.0.1:9001" };
    expect(await refusal(renamed)).toContain('belongs to node "node1", not to "node9"');
    await runOnce(own);
  });

  test("not when --peers names others than at its first start: who belongs to the cluster, its data says", async () => {
    const own = { ...ALONE, "--data": fresh() };
    await runOnce(own);
    const { "--peers": peers, ...unnamed } = own;
    const grown = await runOnce({ ...own, "--peers": `${peers},node2=127.0.0.1:9002` });
    expect(grown).toContain("node2 is no member");
    await runOnce({ ...unnamed, "--peers": "node1=127.0.0.1:9001" });
  });

  test("when its data is of a newer format, and leaves it as it is", async () => {
    const data = fresh();
    const own = { ...ALONE, "--data": data };
    await runOnce(own);
    const file = join(data, "VERSION");
    const version = readFileSync(file, "utf8");
    writeFileSync(file, "mufakat data 2\n");
    expect(await refusal(own)).toContain("format 2");
    expect(readFileSync(file, "utf8")).toBe("mufakat data 2\n");
    writeFileSync(file, version);
    await runOnce(own);
  });

  test("when a file stands where its data directory should be, or foreign files in it", async () => {
    const file = join(fresh(), "file");
    writeFileSync(file, "not a directory");
    expect(await refusal({ ...ALONE, "--data": file })).toContain("is not a directory");
    const home = fresh();
    writeFileSync(join(home, "letter.txt"), "dear");
    expect(await refusal({ ...ALONE, "--data": home })).toContain("letter.txt");
  });

  test("when it may not write to its data directory", async () => {
    const data = join(fresh(), "data");
    mkdirSync(data, { mode: 0o555 });
    const command = cluster.command("node1", { ...ALONE, "--data": data });
    // To root everything is permitted; to the executable's other users it must be readable.
    const asNobody = process.getuid?.() === 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];
    chmodSync(folder, 0o755);
    chmodSync(join(data, ".."), 0o755);
    const start = await startThatEnds([...asNobody, ...command]);
    expect(start.code).toBe(78);
    expect(start.sentence).toContain(`${data} may not be written by this user`);
  });

  test("when --peers has a node twice, or not this one", async () => {
    const twice = { ...ALONE, "--data": fresh(), "--peers": "node1=127.0.0.1:9001,node1=127.0.0.1:9002" };
    expect(await refusal(twice)).toContain("lists node1 twice");
    expect(await refusal({ ...ALONE, "--data": fresh(), "--peers": "node2=127.0.0.1:9002" })).toContain("node1");
  });

  test("when another process runs under its id, which goes on undisturbed", async () => {
    const sentence = await refusal({ ...ANYWHERE, "--data": fresh() });
    expect(sentence).toMatch(/^node[23] refused this node: another process runs as node1: /);
    await cluster.leader();
    expect((await cluster.client("node1").inspect("kept")).body.owners).toEqual(["a"]);
  });

  test("when its peers are of a cluster of another name", async () => {
    const stray = { ...ANYWHERE, "--data": fresh(), "--cluster": "other" };
    expect(await refusal(stray)).toContain("is of another cluster than node");
    await cluster.leader();
  });

  test("when its data was wiped after it had joined: it may have forgotten a vote", async () => {
    const { dataDirectory } = cluster.node("node1");
    await cluster.kill("node1");
    const [aside, kept] = [`${dataDirectory}-aside`, "kept"];
    await Bun.$`mv ${dataDirectory} ${aside}`.quiet();
    expect(await refusal({})).toMatch(
      /^node[23] refused this node: this node was wiped: run `mufakat cluster replace node1` and start it with an empty --data and --join URL\.$/,
    );
    // With its own data it is welcome again.
    rmSync(dataDirectory, { recursive: true });
    await Bun.$`mv ${aside} ${dataDirectory}`.quiet();
    cluster.startNode("node1");
    await cluster.ready("node1");
    expect((await cluster.client("node1").inspect(kept)).body.owners).toEqual(["a"]);
  });
});

test("nodes that have joined go on when a node of another cluster takes the place of one of them", async () => {
  await cluster.kill("node1");
  const { peerPort } = cluster.node("node1");
  // A cluster of its own, which dials nobody.
  const place = { "--peers": `node1=127.0.0.1:${peerPort}`, "--data": fresh(), "--cluster": "other" };
  const stray = Bun.spawn(cluster.command("node1", place), {
    stdio: ["ignore", "ignore", "inherit"],
    env: cleanEnvironment(),
  });
  try {
    for (const id of ["node2", "node3"]) {
      await eventually(() => cluster.node(id).output.includes("is of another cluster than node1"), {
        what: `${id} meets the stranger`,
      });
    }
  } finally {
    stray.kill("SIGTERM");
  }
  expect(await stray.exited).toBe(0);
  cluster.startNode("node1");
  await cluster.ready("node1");
  expect(cluster.runningIds).toEqual(cluster.ids);
  await cluster.leader();
});

/** A node that starts, serves and stops. */
async function runOnce(changed: Readonly<Record<string, string>>): Promise<string> {
  const command = cluster.command("node1", changed);
  const child = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "inherit", env: cleanEnvironment() });
  let output = "";
  let asked = false;
  for await (const chunk of child.stdout) {
    output += new TextDecoder().decode(chunk);
    if (asked || !output.includes('"listening"')) continue;
    asked = true;
    child.kill("SIGTERM");
  }
  expect(await child.exited).toBe(0);
  return output;
}
