import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { shortDuration } from "../../../src/cli/short-duration.ts";
import { cli } from "../../support/cli-context.ts";
import { LockNode } from "../../support/lock-node.ts";
import { success } from "../../support/node-client.ts";

let node: LockNode;

beforeAll(() => {
  node = new LockNode();
});

afterAll(async () => {
  await node.stop();
});

const mufakat = (...inputs: string[]) => cli(inputs, { environment: { MUFAKAT_URL: node.url } });

async function gone(): Promise<string> {
  await using stopped = new LockNode();
  return stopped.url;
}

describe("lock ls", () => {
  test("says so when there is nothing", async () => {
    expect(await mufakat("lock", "ls")).toEqual({ code: 0, stdout: "no lock is held\n", stderr: "" });
    expect(JSON.parse((await mufakat("lock", "ls", "--json")).stdout)).toEqual({ locks: [] });
  });

  test("shows holders, tokens, ages and the length of the queue, of a prefix if asked", async () => {
    const { client } = node;
    const { fencing_token: token } = success(await client.acquire("ls/a", { owner: "alice", ttl: 60 }));
    for (const owner of ["r1", "r2", "r3", "r4"]) success(await client.acquire("ls/b", { owner, lock_type: "shared" }));
    const waiting = client.acquire("ls/a", { owner: "bob", timeout: 30 });
    success(await client.acquire("other", { owner: "carol" }));
    const { stdout } = await mufakat("lock", "ls", "--prefix", "ls/");
    expect(stdout).toMatch(
      new RegExp(`ls/a .* exclusive .* ${token} .* alice .* \\d+ ms .* (1 m 0 s|59\\.\\d s) .* 1 `),
    );
    expect(stdout).toMatch(/ls\/b .* shared .* r1, r2, r3 and 1 more .* 0$/m);
    expect(stdout).not.toContain("other");
    const { locks } = JSON.parse((await mufakat("lock", "ls", "--json")).stdout) as { locks: object[] };
    expect(locks).toMatchObject([
      { lock_name: "ls/a", status: "held", fencing_token: token, queue: [{ owner: "bob" }] },
      { lock_name: "ls/b", owners: ["r1", "r2", "r3", "r4"], holders: { length: 4 } },
      { lock_name: "other" },
    ]);
    success(await client.release("ls/a", { owner: "alice" }));
    success(await waiting);
  });

  test("goes through all pages", async () => {
    const names = Array.from({ length: 1_100 }, (_, i) => `page/${String(i).padStart(4, "0")}`);
    await Promise.all(names.map((name) => node.client.acquire(name, { owner: "p" })));
    const { stdout } = await mufakat("lock", "ls", "--json", "--prefix", "page/");
    const { locks } = JSON.parse(stdout) as { locks: { lock_name: string }[] };
    expect(locks.map((lock) => lock.lock_name)).toEqual(names);
  });

  test("lets no name drive the terminal", async () => {
    success(await node.client.acquire("evil\x1b[2J", { owner: "\u202ex" }));
    const { stdout } = await mufakat("lock", "ls", "--prefix", "evil");
    expect(stdout).toContain("evil\ufffd[2J");
    for (const control of ["\x1b", "\u202e"]) expect(stdout).not.toContain(control);
  });

  test("exits 69 when no node answers", async () => {
    const { code, stdout, stderr } = await cli(["lock", "ls", "--url", "http://127.0.0.1:1"]);
    expect([code, stdout]).toEqual([69, ""]);
    expect(stderr).toMatch(/^mufakat: http:\/\/127\.0\.0\.1:1 does not answer[^\n]*\n$/);
  }, 20_000);

  test("asks the next of several nodes when one does not answer", async () => {
    const { code } = await cli(["lock", "ls", "--url", `${await gone()},${node.url}`]);
    expect(code).toBe(0);
  });
});

describe("lock release", () => {
  test("releases for an owner or for a session, only the grant with the token, and says who got it", async () => {
    const { client } = node;
    const { fencing_token: token } = success(await client.acquire("r", { owner: "a" }));
    const { session } = success(await client.openSession(30));
    const waiting = client.acquire("r", { session, timeout: 30 });
    const stale = await mufakat("lock", "release", "r", "--owner", "a", "--fencing-token", String(token + 9));
    expect(stale).toEqual({ code: 1, stdout: "", stderr: "mufakat: This fencing token is not the newest one.\n" });
    const released = await mufakat("lock", "release", "r", "--owner", "a", "--fencing-token", String(token));
    expect(released.code).toBe(0);
    expect(released.stdout).toMatch(/^r was released by a; it went to session-\d+\n$/);
    success(await waiting);
    const asJson = await mufakat("lock", "release", "r", "--session", session, "--json");
    expect(JSON.parse(asJson.stdout)).toMatchObject({ status: "released", lock_name: "r", granted_to: null });
    expect(await mufakat("lock", "release", "r", "--session", session)).toMatchObject({ code: 1, stdout: "" });
  });

  test.each([[[]], [["--owner", "a", "--session", "s"]], [["--owner", "a", "--fencing-token", "0"]]])(
    "with %p is refused",
    async (flags) => {
      const { code, stderr } = await mufakat("lock", "release", "r", ...flags);
      expect(code).toBe(64);
      expect(stderr.trim().split("\n")).toHaveLength(1);
    },
  );
});

describe("session ls", () => {
  test("shows names, times and counts, and no id", async () => {
    await using other = new LockNode();
    const environment = { MUFAKAT_URL: other.url };
    expect((await cli(["session", "ls"], { environment })).stdout).toBe("no session is open\n");
    const { session } = success(await other.client.openSession(30));
    success(await other.client.acquire("x", { session }));
    const { code, stdout } = await cli(["session", "ls"], { environment });
    expect(code).toBe(0);
    expect(stdout).toMatch(/session-1 .* 30\.0 s .* (30\.0|29\.\d) s .* 1 .* 0$/m);
    const json = (await cli(["session", "ls", "--json"], { environment })).stdout;
    expect(JSON.parse(json)).toEqual({
      sessions: [{ session: "session-1", ttl_ms: 30_000, expires_in_ms: expect.any(Number), holds: 1, waiters: 0 }],
    });
    expect(stdout + json).not.toContain(session);
  });
});

describe("a duration", () => {
  test.each([
    [0, "0 ms"],
    [999, "999 ms"],
    [1_000, "1.0 s"],
    [59_999, "59.9 s"],
    [60_000, "1 m 0 s"],
    [3_723_000, "1 h 2 m"],
    [90_000_000, "1 d 1 h"],
  ])("of %i ms is shown as %s", (ms, text) => {
    expect(shortDuration(ms)).toBe(text);
  });
});
