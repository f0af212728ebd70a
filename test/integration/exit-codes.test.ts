/** What a shell sees of each end of the program, as a process: the table of docs/cli.md. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../support/eventually.ts";
import { success } from "../support/node-client.ts";
import { cleanEnvironment, defaultProgram, ProcessCluster } from "../support/process-cluster.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const directory = temporaryDirectory();
const program = defaultProgram();
let cluster: ProcessCluster;

beforeAll(async () => {
  cluster = await ProcessCluster.start({ size: 3 });
}, 30_000);

afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

interface End {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Any command line as a process, in a folder of its own, with the cluster's addresses in its environment. */
function start(command: readonly string[], environment: Record<string, string> = {}) {
  return Bun.spawn([...command], {
    cwd: directory.path,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...cleanEnvironment(), MUFAKAT_URL: cluster.ids.map((id) => cluster.url(id)).join(","), ...environment },
  });
}

async function end(child: ReturnType<typeof start>): Promise<End> {
  const [code, stdout, stderr] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, stdout, stderr };
}

function mufakat(inputs: readonly string[], environment: Record<string, string> = {}): Promise<End> {
  return end(start([...program, ...inputs], environment));
}

const nowhere = { MUFAKAT_URL: "http://127.0.0.1:1" };
const oneLine = /^mufakat: [^\n]+\n$/;

describe("a command that asks the cluster exits", () => {
  test("0 with what was asked for", async () => {
    for (const inputs of [["status"], ["lock", "ls"], ["session", "ls"], ["cluster", "transfer"], ["healthcheck"]]) {
      const { code, stdout, stderr } = await mufakat([...inputs, "--json"]);
      expect({ inputs, code, stderr }).toEqual({ inputs, code: 0, stderr: "" });
      expect(JSON.parse(stdout)).toBeObject();
    }
  }, 30_000);

  test("1 when the answer is no", async () => {
    success(await cluster.client("node1").acquire("no", { owner: "a" }));
    const { code, stdout, stderr } = await mufakat(["lock", "release", "no", "--owner", "b"]);
    expect([code, stdout, stderr]).toEqual([1, "", "mufakat: The lock is held by somebody else.\n"]);
    const other = await mufakat(["cluster", "transfer", "node9"]);
    expect([other.code, other.stdout]).toEqual([1, ""]);
    expect((await mufakat(["healthcheck"], nowhere)).code).toBe(1);
  }, 30_000);

  test("64 when its command line is wrong", async () => {
    for (const inputs of [["no-such"], ["lock", "no-such"], ["lock", "ls", "--no-such"], ["lock", "release", "x"]]) {
      const { code, stdout, stderr } = await mufakat(inputs);
      expect({ inputs, code, stdout }).toEqual({ inputs, code: 64, stdout: "" });
      expect(stderr).toMatch(oneLine);
    }
  }, 30_000);

  test("69 when no node answers", async () => {
    for (const inputs of [["status"], ["lock", "ls"], ["lock", "release", "x", "--owner", "a"], ["session", "ls"]]) {
      const { code, stdout, stderr } = await mufakat(inputs, nowhere);
      expect({ inputs, code, stdout }).toEqual({ inputs, code: 69, stdout: "" });
      expect(stderr).toMatch(oneLine);
    }
  }, 30_000);

  test("78 when a setting is wrong", async () => {
    expect((await mufakat(["status"], { MUFAKAT_URL: "ftp://x" })).code).toBe(78);
  }, 30_000);
});

describe("serve exits", () => {
  test("78 for a wrong key in its configuration file, and 0 after a stop with a right one", async () => {
    const file = join(directory.path, "node.toml");
    writeFileSync(file, 'listen = "127.0.0.1:0"\npeer-listen = "127.0.0.1:0"\npeer_listn = "x"\n');
    const refused = await mufakat(["serve", "--config", file]);
    expect(refused).toEqual({
      code: 78,
      stdout: "",
      stderr: `mufakat: peer_listn in ${file}:3 is not a setting (did you mean peer-listen?).\n`,
    });
    writeFileSync(file, 'listen = "127.0.0.1:0"\npeer-listen = "127.0.0.1:0"\nid = "from-file"\nlog-format = "json"\n');
    const child = start([...program, "serve"], { MUFAKAT_CONFIG: file });
    // The log of a node that runs: its data directory bears the id.
    await eventually(() => existsSync(join(directory.path, ".mufakat/from-file/identity.json")), {
      what: "a node that was configured by the file",
      deadlineMs: 20_000,
    });
    child.kill("SIGTERM");
    const { code, stdout } = await end(child);
    expect(code).toBe(0);
    expect(stdout).toContain(`"file":"${file}","msg":"configured"`);
  }, 30_000);

  test("64 for an unknown flag", async () => {
    expect((await mufakat(["serve", "--no-such"])).code).toBe(64);
  }, 30_000);
});

describe("lock run exits", () => {
  const run = (name: string, command: readonly string[], flags: readonly string[] = [], environment = {}) =>
    mufakat(["lock", "run", name, ...flags, "--", ...command], environment);
  const free = async (name: string) =>
    expect((await cluster.client("node2").inspect(name)).body.status).toBe("available");

  test.each([0, 1, 2, 42, 74, 75, 255])(
    "%i when its command does, and says nothing",
    async (code) => {
      expect(await run("own", ["sh", "-c", `exit ${code}`])).toEqual({ code, stdout: "", stderr: "" });
    },
    30_000,
  );

  test("128 + n when signal n ends its command", async () => {
    expect((await run("signal", ["sh", "-c", "kill -TERM $$"])).code).toBe(143);
  }, 30_000);

  test("64 without a command, and starts nothing", async () => {
    const trap = join(directory.path, "trap");
    for (const inputs of [
      ["x"],
      ["x", "--"],
      ["x", "touch", trap],
      ["--", "touch", trap],
      ["..", "--", "touch", trap],
    ]) {
      const { code, stderr } = await mufakat(["lock", "run", ...inputs]);
      expect({ inputs, code }).toEqual({ inputs, code: 64 });
      expect(stderr).toMatch(oneLine);
    }
    expect(existsSync(trap)).toBe(false);
  }, 30_000);

  test("69 when no node answers", async () => {
    const { code, stderr } = await run("x", ["true"], ["--wait", "0"], nowhere);
    expect(code).toBe(69);
    expect(stderr).toMatch(oneLine);
  }, 30_000);

  test("74 when the lock is not free in time", async () => {
    success(await cluster.client("node1").acquire("held", { owner: "a" }));
    const { code, stderr } = await run("held", ["true"], ["--wait", "0"]);
    expect(code).toBe(74);
    expect(stderr).toMatch(/^mufakat: held is held by a \(exclusive for [^\n]*\n$/);
  }, 30_000);

  test("75 when the majority is lost, and its command and all that it started are stopped", async () => {
    const pids = join(directory.path, "pids");
    const script = `sleep 60 & a=$!; sleep 60 & echo $$ $a $! > ${pids}.1; mv ${pids}.1 ${pids}; wait`;
    const running = run("lost", ["sh", "-c", script], ["--ttl", "2"]);
    await eventually(() => existsSync(pids), { what: "the command", deadlineMs: 20_000 });
    const [leader, other] = [await cluster.leader(), cluster.ids];
    const stopped = [leader, ...other.filter((id) => id !== leader)].slice(0, 2);
    for (const id of stopped) cluster.signal(id, "SIGSTOP");
    try {
      const { code, stderr } = await running;
      expect(code).toBe(75);
      expect(stderr).toStartWith("mufakat: lost was lost: its session could not be renewed in time; stopping");
      const started = readFileSync(pids, "utf8").split(/\s+/).filter(Boolean);
      expect(started).toHaveLength(3);
      await eventually(() => !started.some(runs), { what: `the end of ${started.join(", ")}` });
    } finally {
      for (const id of stopped) cluster.signal(id, "SIGCONT");
    }
    await cluster.leader();
  }, 60_000);

  test("76 when the cluster refuses", async () => {
    const status = await (await fetch(`${cluster.url("node1")}/cluster?consistency=local`)).json();
    const refusal = { detail: "x", error: { code: "forbidden", message: "The request is not allowed." } };
    await using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request) => {
        const { pathname } = new URL(request.url);
        if (pathname === "/cluster") return Response.json(status);
        if (pathname.startsWith("/lock/")) return Response.json(refusal, { status: 403 });
        return Response.json({ session: "s", expires_in_ms: 30_000 });
      },
    });
    const { code, stderr } = await run("x", ["true"], [], { MUFAKAT_URL: `http://127.0.0.1:${server.port}` });
    expect([code, stderr]).toEqual([76, "mufakat: x: The request is not allowed.\n"]);
  }, 30_000);

  test("78 when an address is wrong", async () => {
    expect((await run("x", ["true"], ["--url", "nonsense"])).code).toBe(78);
  }, 30_000);

  test("126 or 127 when its command cannot be started, and the lock is free at once", async () => {
    const text = join(directory.path, "text");
    writeFileSync(text, "#!/bin/sh\n");
    chmodSync(text, 0o600);
    expect(await run("bad", [text])).toMatchObject({ code: 126, stderr: expect.stringMatching(oneLine) });
    await free("bad");
    expect(await run("bad", ["no-such-command"])).toMatchObject({ code: 127, stderr: expect.stringMatching(oneLine) });
    await free("bad");
  }, 30_000);

  test("143 when SIGTERM comes before its command was started", async () => {
    success(await cluster.client("node1").acquire("early", { owner: "a" }));
    const child = start([...program, "lock", "run", "early", "--", "true"]);
    await eventually(async () => (await cluster.client("node1").inspect("early")).body.waiters.length === 1, {
      what: "a waiter",
      deadlineMs: 20_000,
    });
    child.kill("SIGTERM");
    expect(await end(child)).toEqual({ code: 143, stdout: "", stderr: "" });
    expect((await cluster.client("node1").inspect("early")).body.waiters).toEqual([]);
  }, 30_000);
});

test("under nohup a command goes on when the terminal is closed", async () => {
  const up = join(directory.path, "nohup-up");
  const go = join(directory.path, "nohup-go");
  const script = `: > ${up}; while [ ! -e ${go} ]; do sleep 0.05; done; exit 5`;
  const child = start(["nohup", ...program, "lock", "run", "nohup", "--", "sh", "-c", script]);
  await eventually(() => existsSync(up), { what: "the command", deadlineMs: 20_000 });
  child.kill("SIGHUP");
  writeFileSync(go, "");
  expect((await end(child)).code).toBe(5);
}, 30_000);

/** Whether the process runs; a zombie does not. */
function runs(processId: string): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${processId}/status`, "utf8"));
  } catch {
    return false;
  }
}
