import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../support/eventually.ts";
import { success } from "../support/node-client.ts";
import { cleanEnvironment, defaultProgram, ProcessCluster } from "../support/process-cluster.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

let cluster: ProcessCluster;
const directory = temporaryDirectory();
/** Different for each test: what an earlier one left behind must not matter. */
let lock = "";
let tests = 0;

beforeAll(async () => {
  cluster = await ProcessCluster.start({ size: 3 });
}, 30_000);

beforeEach(async () => {
  lock = `job-${++tests}`;
  for (const id of cluster.ids) if (!cluster.runningIds.includes(id)) cluster.startNode(id);
  for (const id of cluster.ids) await cluster.ready(id);
});

afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

interface RunOptions {
  readonly flags?: readonly string[];
  /** The node that is asked first; the others come behind it. */
  readonly first?: string;
}

/** `mufakat lock run` as a process, with a shell script for its command. */
function lockRun(script: string, { flags = [], first = "node1" }: RunOptions = {}) {
  const urls = [first, ...cluster.others(first)].map((id) => cluster.url(id)).join(",");
  return Bun.spawn([...defaultProgram(), "lock", "run", lock, ...flags, "--url", urls, "--", "sh", "-c", script], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...cleanEnvironment(), OUT: file() },
  });
}

type Runner = ReturnType<typeof lockRun>;

async function end(
  runner: Pick<Runner, "exited" | "stdout" | "stderr">,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const [code, stdout, stderr] = await Promise.all([
    runner.exited,
    new Response(runner.stdout).text(),
    new Response(runner.stderr).text(),
  ]);
  return { code, stdout, stderr };
}

/** Where scripts of the running test write, as $OUT. */
function file(): string {
  return join(directory.path, lock);
}

function lines(): string[] {
  return existsSync(file()) ? readFileSync(file(), "utf8").split("\n").filter(Boolean) : [];
}

async function line(index: number): Promise<string> {
  return eventually(() => lines()[index], { deadlineMs: 20_000, what: `line ${index} of the command's output` });
}

/** Whether the process runs; a zombie does not. */
function runs(processId: string): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${processId}/status`, "utf8"));
  } catch {
    return false;
  }
}

const holder = async (id = "node2") => success(await cluster.client(id).inspect(lock));

describe("lock run", () => {
  test("passes input, output, errors and the exit code through, and releases the lock", async () => {
    const runner = Bun.spawn(
      [
        ...defaultProgram(),
        "lock",
        "run",
        lock,
        "--url",
        cluster.url("node1"),
        "--",
        "sh",
        "-c",
        "cat; echo e >&2; exit 5",
      ],
      { stdin: new Blob(["text"]), stdout: "pipe", stderr: "pipe", env: cleanEnvironment() },
    );
    expect(await end(runner)).toEqual({ code: 5, stdout: "text", stderr: "e\n" });
    expect((await holder()).status).toBe("available");
  }, 20_000);

  test("gives the command the token of its own grant", async () => {
    const runner = lockRun('echo "$MUFAKAT_LOCK $MUFAKAT_FENCING_TOKEN" >> $OUT; sleep 1');
    const shown = await line(0);
    const { status, fencing_token: token, holders } = await holder();
    expect(status).toBe("held");
    expect(shown).toBe(`${lock} ${token}`);
    expect(holders).toMatchObject([{ owner: expect.stringMatching(/^session-/), lock_type: "exclusive" }]);
    expect((await end(runner)).code).toBe(0);
  }, 20_000);

  test("runs one command at a time, with rising tokens", async () => {
    const script = 'echo "begin $MUFAKAT_FENCING_TOKEN" >> $OUT; sleep 0.2; echo "end $MUFAKAT_FENCING_TOKEN" >> $OUT';
    const runners = ["node1", "node2", "node3", "node1"].map((first) => lockRun(script, { first }));
    for (const runner of runners) expect((await end(runner)).code).toBe(0);
    const tokens = lines().map((text) => Number(text.split(" ")[1]));
    expect(lines().map((text) => text.split(" ")[0])).toEqual(runners.flatMap(() => ["begin", "end"]));
    for (let i = 0; i < tokens.length; i += 2) {
      expect(tokens[i]).toBe(tokens[i + 1]!);
      if (i > 0) expect(tokens[i]).toBeGreaterThan(tokens[i - 1]!);
    }
  }, 30_000);

  test("does not wait when told so", async () => {
    success(await cluster.client("node1").acquire(lock, { owner: "a" }));
    const { code, stderr } = await end(lockRun("exit 0", { flags: ["--wait", "0"] }));
    expect(code).toBe(74);
    expect(stderr).toContain(`${lock} is held by a (exclusive for `);
  }, 20_000);

  test("passes SIGTERM on", async () => {
    const runner = lockRun("trap 'exit 9' TERM; echo up >> $OUT; while :; do sleep 0.05; done");
    await line(0);
    runner.kill("SIGTERM");
    expect((await end(runner)).code).toBe(9);
    expect((await holder()).status).toBe("available");
  }, 20_000);
});

describe("the command goes on", () => {
  // Longer than the TTL, so that it can only be the renewals that hold the lock.
  const script = "echo $MUFAKAT_FENCING_TOKEN >> $OUT; sleep 7; echo done >> $OUT; exit 3";

  test("when the leader is killed", async () => {
    const leader = await cluster.leader();
    const [survivor = ""] = cluster.others(leader);
    const runner = lockRun(script, { flags: ["--ttl", "5"], first: survivor });
    const token = await line(0);
    await cluster.kill(leader);
    expect(await end(runner)).toEqual({ code: 3, stdout: "", stderr: "" });
    expect(lines()).toEqual([token, "done"]);
    expect((await holder(survivor)).status).toBe("available");
  }, 40_000);

  test("through another node when the one that it talks to is killed", async () => {
    const [first = "", other = ""] = cluster.others(await cluster.leader());
    const runner = lockRun(script, { flags: ["--ttl", "5"], first });
    const token = await line(0);
    await cluster.kill(first);
    expect(String((await holder(other)).fencing_token)).toBe(token);
    expect(await end(runner)).toEqual({ code: 3, stdout: "", stderr: "" });
    expect((await holder(other)).status).toBe("available");
  }, 40_000);

  test("through another node when the one that it talks to hangs", async () => {
    const [first = "", other = ""] = cluster.others(await cluster.leader());
    const runner = lockRun(script, { flags: ["--ttl", "5"], first });
    await line(0);
    cluster.signal(first, "SIGSTOP");
    try {
      expect(await end(runner)).toEqual({ code: 3, stdout: "", stderr: "" });
      expect((await holder(other)).status).toBe("available");
    } finally {
      cluster.signal(first, "SIGCONT");
    }
  }, 40_000);
});

describe("the command is stopped", () => {
  test("with exit code 75 when the runner was paused beyond its TTL", async () => {
    const runner = lockRun("echo $MUFAKAT_FENCING_TOKEN >> $OUT; echo $$ >> $OUT; sleep 60", { flags: ["--ttl", "2"] });
    const token = Number(await line(0));
    const pid = await line(1);
    runner.kill("SIGSTOP");
    const next = success(await cluster.client("node3").acquire(lock, { owner: "next", timeout: 30 }));
    expect(next.fencing_token).toBeGreaterThan(token);
    // Nobody could stop it: this is what the token is for.
    expect(runs(pid)).toBe(true);
    runner.kill("SIGCONT");
    const { code, stderr } = await end(runner);
    expect(code).toBe(75);
    expect(stderr).toContain(`${lock} was lost`);
    expect(runs(pid)).toBe(false);
    expect((await holder()).owners).toEqual(["next"]);
  }, 40_000);

  test("before another can have the lock when the cluster is out of reach", async () => {
    const runner = lockRun("echo $$ >> $OUT; sleep 60", { flags: ["--ttl", "2"] });
    const pid = await line(0);
    const pausedAtMs = performance.now();
    for (const id of cluster.ids) cluster.signal(id, "SIGSTOP");
    try {
      await eventually(() => !runs(pid), { what: "the end of the command" });
      expect(performance.now() - pausedAtMs).toBeLessThan(2_000);
    } finally {
      for (const id of cluster.ids) cluster.signal(id, "SIGCONT");
    }
    expect((await end(runner)).code).toBe(75);
  }, 40_000);
});

test("a runner that is killed with -9 leaves the lock to others after its TTL", async () => {
  const runner = lockRun("echo $MUFAKAT_FENCING_TOKEN >> $OUT; echo $$ >> $OUT; exec sleep 60", {
    flags: ["--ttl", "2"],
  });
  const token = Number(await line(0));
  const pid = Number(await line(1));
  const killedAtMs = performance.now();
  runner.kill("SIGKILL");
  await runner.exited;
  try {
    const next = success(await cluster.client("node2").acquire(lock, { owner: "next", timeout: 30 }));
    // From its last renewal, which was at most a third of the TTL before.
    expect(performance.now() - killedAtMs).toBeWithin(1_000, 10_000);
    expect(next.fencing_token).toBeGreaterThan(token);
  } finally {
    process.kill(pid, "SIGKILL");
  }
}, 40_000);
