import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ClusterClient } from "../../../src/cli/cluster-client.ts";
import { isIgnored } from "../../../src/cli/ignored-signals.ts";
import { takeLock } from "../../../src/cli/lock-run/take-lock.ts";
import { cli, TestSignals } from "../../support/cli-context.ts";
import { eventually } from "../../support/eventually.ts";
import { LockNode } from "../../support/lock-node.ts";
import { success } from "../../support/node-client.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

let node: LockNode;
const directory = temporaryDirectory();

beforeAll(() => {
  node = new LockNode();
});

afterAll(async () => {
  await node.stop();
  directory[Symbol.dispose]();
});

const run = (inputs: readonly string[], parts: Parameters<typeof cli>[1] = {}) =>
  cli(["lock", "run", ...inputs], { environment: { ...process.env, MUFAKAT_URL: node.url }, ...parts });

const script = (text: string): string[] => ["--", "sh", "-c", text];

function file(name: string): string {
  return join(directory.path, name);
}

async function written(name: string): Promise<string> {
  const path = file(name);
  return eventually(() => existsSync(path) && readFileSync(path, "utf8").trim(), { what: `${name} is written` });
}

/** Whether the process runs; a zombie that its parent has not waited for does not. */
function runs(processId: string): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${processId}/status`, "utf8"));
  } catch {
    return false;
  }
}

const free = async (lock: string) => expect((await node.client.inspect(lock)).body.status).toBe("available");

describe("lock run", () => {
  test("passes the command's exit code on, and its arguments as they are", async () => {
    expect(await run(["code", ...script("exit 42")])).toEqual({ code: 42, stdout: "", stderr: "" });
    const out = file("arguments");
    const inputs = ["--", "sh", "-c", `printf '%s|' "$@" > '${out}'`, "x", "--ttl", "--", "a b"];
    expect((await run(["--ttl", "5", "code", ...inputs])).code).toBe(0);
    expect(readFileSync(out, "utf8")).toBe("--ttl|--|a b|");
    await free("code");
  });

  test("gives 128 and its number for a signal that ended the command", async () => {
    expect((await run(["signal", ...script("kill -9 $$")])).code).toBe(137);
  });

  test("holds the lock meanwhile and says so in the environment", async () => {
    const out = file("environment");
    const variables = "$MUFAKAT_LOCK $MUFAKAT_FENCING_TOKEN $MUFAKAT_LOCK_SESSION";
    const running = run(["a/b", ...script(`echo "${variables}" > '${out}.1'; mv '${out}.1' '${out}'; sleep 0.3`)]);
    const [lock, token, session = ""] = (await written("environment")).split(" ");
    const { body } = await node.client.inspect("a/b");
    expect([lock, token]).toEqual(["a/b", String(body.fencing_token)]);
    expect(body).toMatchObject({ status: "held", type: "exclusive", owners: [expect.stringMatching(/^session-\d+$/)] });
    expect((await node.client.keepalive(session)).status).toBe(200);
    expect((await running).code).toBe(0);
    expect((await node.client.keepalive(session)).status).toBe(404);
    await free("a/b");
  });

  test("shares the lock when told to", async () => {
    success(await node.client.acquire("shared", { owner: "a", lock_type: "shared" }));
    expect((await run(["shared", "--shared", "--wait", "0", ...script("exit 3")])).code).toBe(3);
    expect((await run(["shared", "--wait", "0", ...script("exit 3")])).code).toBe(74);
  });

  test("keeps its session beyond the TTL", async () => {
    const running = run(["kept", "--ttl", "1", ...script("sleep 1.6")]);
    await eventually(async () => (await node.client.inspect("kept")).body.status === "held", { what: "the lock" });
    const { code, stderr } = await running;
    expect([code, stderr]).toEqual([0, ""]);
  });
});

describe("a lock that is not free", () => {
  test("ends the run with 74 and the holder, or with the code that was asked for", async () => {
    success(await node.client.acquire("busy", { owner: "a" }));
    const { code, stderr } = await run(["busy", "--wait", "0", ...script("exit 3")]);
    expect(code).toBe(74);
    expect(stderr).toMatch(/^mufakat: busy is held by a \(exclusive for \d+ ms\)\.\n$/);
    const flags = ["busy", "--wait", "0", "--conflict-exit-code", "9"];
    expect((await run([...flags, ...script("exit 3")])).code).toBe(9);
    expect(node.group.state.counts).toMatchObject({ sessions: 0, waiters: 0 });
  });

  test("is waited for as long as was said, and no longer", async () => {
    success(await node.client.acquire("slow", { owner: "a" }));
    const startedAtMs = performance.now();
    expect((await run(["slow", "--wait", "0.2", ...script("exit 3")])).code).toBe(74);
    expect(performance.now() - startedAtMs).toBeWithin(200, 2_000);
  });

  test("is taken when it becomes free, with a larger token", async () => {
    const { fencing_token: before } = success(await node.client.acquire("next", { owner: "a" }));
    const running = run(["next", "--ttl", "1", ...script(`echo $MUFAKAT_FENCING_TOKEN > '${file("next")}'`)]);
    await eventually(async () => (await node.client.inspect("next")).body.waiters.length === 1, { what: "a waiter" });
    // Beyond the TTL: its session is kept while it waits, too.
    await Bun.sleep(1_200);
    success(await node.client.release("next", { owner: "a" }));
    expect((await running).code).toBe(0);
    expect(Number(await written("next"))).toBeGreaterThan(before);
  });

  test("is waited for in one place of the queue, however many requests that takes", async () => {
    success(await node.client.acquire("steps", { owner: "a" }));
    const taking = takeLock({
      client: new ClusterClient([node.url]),
      path: "/lock/steps",
      lockType: "exclusive",
      ttlMs: 10_000,
      graceMs: 1_000,
      deadlineMs: Number.POSITIVE_INFINITY,
      stepMs: 200,
      signal: new AbortController().signal,
    });
    await eventually(async () => (await node.client.inspect("steps")).body.queue.length === 1, { what: "a waiter" });
    const behind = node.client.acquire("steps", { owner: "behind", timeout: 20 });
    const first = async () => (await node.client.inspect("steps")).body.queue[0];
    await eventually(async () => ((await first())?.waiting_for_ms ?? 0) > 1_000, { what: "the place is kept" });
    expect((await first())?.owner).toMatch(/^session-/);
    success(await node.client.release("steps", { owner: "a" }));
    const taken = await taking;
    if (taken.type !== "granted") throw new Error(`should be granted, but ${taken.type}`);
    expect(await taken.keeper.close()).toBe(true);
    expect(success(await behind).fencing_token).toBeGreaterThan(taken.fencingToken);
  });
});

describe("a command that cannot be started", () => {
  test("is told apart as shells do, and the lock is released", async () => {
    for (const missing of [file("nowhere"), "no-such-command", ""]) {
      const sentence = `mufakat: cannot run "${missing}": there is no such command.\n`;
      expect(await run(["start", "--", missing])).toEqual({ code: 127, stdout: "", stderr: sentence });
    }
    writeFileSync(file("text"), "no program", { mode: 0o600 });
    writeFileSync(file("foreign"), "#!/no/such/interpreter\n", { mode: 0o700 });
    expect(await run(["start", "--", file("text")])).toMatchObject({
      code: 126,
      stderr: expect.stringContaining("it is no program, or may not be executed"),
    });
    expect(await run(["start", "--", directory.path])).toMatchObject({ code: 126 });
    expect(await run(["start", "--", file("foreign")])).toMatchObject({
      code: 126,
      stderr: expect.stringContaining("the interpreter that its first line names does not exist"),
    });
    expect(await run(["start", "--", "true", "x".repeat(3_000_000)])).toMatchObject({
      code: 126,
      stderr: expect.stringContaining("too long"),
    });
    await free("start");
    expect(node.group.state.counts.sessions).toBe(0);
  });

  test("is not one that is a script without a first line for the system: sh runs it, as from a shell", async () => {
    writeFileSync(file("plain"), `echo "$0 $1" > '${file("plain-out")}'\nexit 4\n`, { mode: 0o700 });
    expect((await run(["plain", "--", file("plain"), "a b"])).code).toBe(4);
    expect(await written("plain-out")).toBe(`${file("plain")} a b`);
  });
});

describe("a lock that is lost", () => {
  test("stops the whole of a script, with SIGKILL what does not listen, and gives 75", async () => {
    const pids = file("lost");
    const inner = `trap '' TERM; echo $MUFAKAT_LOCK_SESSION $$ > '${pids}.1'; mv '${pids}.1' '${pids}'; while :; do sleep 0.05; done`;
    const running = run(["lost", "--ttl", "2", "--grace", "0.2", ...script(`sh -c "$0"; exit 0`), inner]);
    const [session = "", pid = ""] = (await written("lost")).split(" ");
    expect(runs(pid)).toBe(true);
    success(await node.client.closeSession(session));
    const { code, stderr } = await running;
    expect([code, stderr]).toEqual([75, "mufakat: lost was lost: its session has ended; stopping the command.\n"]);
    await eventually(() => !runs(pid), { what: "the end of the inner process" });
  });

  test("for want of a node is given up before the cluster can have ended it", async () => {
    await using mortal = new LockNode();
    const out = file("cut");
    const running = run(["cut", "--ttl", "1", "--url", mortal.url, ...script(`: > '${out}'; exec sleep 30`)]);
    await eventually(() => existsSync(out), { what: "the command" });
    await mortal.stop();
    const stoppedAtMs = performance.now();
    const { code, stderr } = await running;
    expect(performance.now() - stoppedAtMs).toBeLessThan(1_000);
    expect([code, stderr]).toEqual([
      75,
      "mufakat: cut was lost: its session could not be renewed in time; stopping the command.\n",
    ]);
  });
});

describe("a stop signal", () => {
  test("ends a run that waits, which leaves the queue", async () => {
    success(await node.client.acquire("stop", { owner: "a" }));
    const signals = new TestSignals();
    const running = run(["stop", ...script("exit 3")], { signals });
    await eventually(async () => (await node.client.inspect("stop")).body.waiters.length === 1, { what: "a waiter" });
    signals.send("SIGTERM");
    expect(await running).toEqual({ code: 143, stdout: "", stderr: "" });
    expect(node.group.state.counts).toMatchObject({ sessions: 0, waiters: 0 });
  });

  test("is the command's while it runs", async () => {
    const signals = new TestSignals();
    const text = `trap 'exit 7' INT; : > '${file("traps")}'; while :; do sleep 0.02; done`;
    const running = run(["stop2", ...script(text)], { signals });
    await eventually(() => existsSync(file("traps")), { what: "the command" });
    signals.send("SIGINT");
    expect((await running).code).toBe(7);
    await free("stop2");
  });

  test("that was typed at a terminal is not passed on a second time", async () => {
    const signals = new TestSignals();
    const text = `trap 'exit 7' INT; trap 'exit 8' TERM; : > '${file("typed")}'; while :; do sleep 0.02; done`;
    const running = run(["stop3", ...script(text)], { signals, hasTerminal: true });
    await eventually(() => existsSync(file("typed")), { what: "the command" });
    signals.send("SIGINT");
    signals.send("SIGTERM");
    expect((await running).code).toBe(8);
  });
});

describe("a signal that was ignored from the start", () => {
  test("is told by the mask that Linux shows", () => {
    const status = "Name:\tmufakat\nSigIgn:\t0000000001001001\nSigCgt:\t0000000188004006\n";
    expect([1, 2, 13, 15].map((number) => isIgnored(status, number))).toEqual([true, false, true, false]);
    expect(isIgnored("", 1)).toBe(false);
  });

  test("is neither passed on nor ends a wait", async () => {
    const signals = new TestSignals();
    const text = `trap 'exit 8' TERM; : > '${file("nohup")}'; while :; do sleep 0.02; done`;
    const running = run(["nohup", ...script(text)], { signals, ignores: (signal) => signal === "SIGHUP" });
    await eventually(() => existsSync(file("nohup")), { what: "the command" });
    signals.send("SIGHUP");
    signals.send("SIGTERM");
    expect((await running).code).toBe(8);
  });
});

describe("what cannot be run", () => {
  test.each([
    [["x"], 'lock run needs a command behind "--"'],
    [["x", "--"], 'lock run needs a command behind "--"'],
    [["--", "sh", "x"], "NAME is missing"],
    [["a", "b", "--", "true"], '"b" is one argument too many'],
    [["--json", "x", "--", "true"], "there is no flag --json"],
    [["--ttl", "0.5", "x", "--", "true"], "--ttl must be a number of seconds from 1 to 86400"],
    [["--wait", "-1", "x", "--", "true"], "--wait must be a number of seconds"],
    [["--conflict-exit-code", "256", "x", "--", "true"], "--conflict-exit-code must be a number from 0 to 255"],
    [["--grace", "16", "x", "--", "true"], "--grace must be at most half of --ttl"],
    [["x", "ls", "-l"], 'lock run needs a command behind "--"'],
    [["x", "ls", "--ttl", "9"], 'lock run needs a command behind "--"'],
    [["..", "--", "true"], 'a lock cannot be named ".."'],
    [["", "--", "true"], "the name of a lock must be text of 1 to 512 bytes"],
    [["x".repeat(513), "--", "true"], "the name of a lock must be text of 1 to 512 bytes"],
  ])("%p is refused with one sentence", async (inputs, sentence) => {
    const { code, stderr } = await run(inputs);
    expect(code).toBe(64);
    expect(stderr).toContain(sentence);
    expect(stderr.trim().split("\n")).toHaveLength(1);
  });

  test("without any node, with 69", async () => {
    await using gone = new LockNode();
    await gone.stop();
    const { code, stderr } = await run(["x", "--wait", "0", "--url", gone.url, "--", "true"]);
    expect(code).toBe(69);
    expect(stderr).toMatch(/^mufakat: x was not acquired: http[^\n]*\n$/);
  });

  test("has its help without a command", async () => {
    expect(await run(["--help"])).toMatchObject({ code: 0, stdout: expect.stringContaining("-- COMMAND [ARG…]") });
  });
});
