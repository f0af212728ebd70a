import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { CliContext } from "../../../src/cli/context.ts";
import { limits } from "../../../src/kernel/limits.ts";
import { cli, TestSignals } from "../../support/cli-context.ts";
import { eventually } from "../../support/eventually.ts";
import { QueueNode } from "../../support/queue-node.ts";

let node: QueueNode;

beforeEach(() => {
  node = new QueueNode();
});

afterEach(async () => {
  await node[Symbol.asyncDispose]();
});

const run = (inputs: readonly string[], parts: Partial<CliContext> = {}) =>
  cli(["queue", ...inputs], { environment: { MUFAKAT_URL: node.url }, ...parts });
const queue = (...inputs: string[]) => run(inputs);
const input = (text: string): Partial<CliContext> => ({ input: () => new Blob([text]).stream() });

async function bodies(name: string): Promise<string[]> {
  const messages = await node.queues.browse(name, { state: "ready", after: undefined, limit: 10_000 });
  return messages.map(({ body }) => new TextDecoder().decode(body));
}

describe("queue publish", () => {
  test("sends what stands on the command line, byte for byte, and prints its id", async () => {
    const { code, stdout } = await queue("publish", "orders", '{ "n": 12345678901234567890 }', "--priority", "3");
    expect([code, stdout]).toEqual([0, "3-1\n"]);
    expect(await bodies("orders")).toEqual(['{ "n": 12345678901234567890 }']);
  });

  test("reads the message from standard input otherwise", async () => {
    const { code, stdout } = await run(["publish", "a/b", "--json"], input("[1,\n 2]\n"));
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ status: "produced", queue: "a/b", durability: "majority_disk" });
    expect(await bodies("a/b")).toEqual(["[1,\n 2]\n"]);
  });

  test("under a dedupe id of its own is once, however often it is run", async () => {
    await queue("publish", "x", "1", "--dedupe-id", "d");
    expect((await queue("publish", "x", "1", "--dedupe-id", "d")).stdout).toBe("3-1 was there already\n");
  });

  test("is repeated under the same dedupe id when the reply is lost", async () => {
    let lost = 0;
    node.intercept = (request) => {
      if (request.method !== "POST" || lost > 0) return undefined;
      lost += 1;
      // Carried out, and the reply never arrives.
      const id = new URL(request.url).searchParams.get("dedupe_id") ?? "";
      const message = {
        body: new TextEncoder().encode("1"),
        delayMs: 0,
        priority: 0,
        groupKey: undefined,
        expiresMs: 0,
      };
      return node.queues
        .publish("x", [{ ...message, dedupeId: id }])
        .then(() => Response.json({ detail: "", error: { code: "outcome_unknown", message: "?" } }, { status: 504 }));
    };
    expect(await queue("publish", "x", "1")).toMatchObject({ code: 0, stdout: "3-1 was there already\n" });
    expect(await bodies("x")).toEqual(["1"]);
  });

  test.each([
    [["publish", "x", "{oops"], 65, "not_json"],
    [["publish", "x"], 65, "not_json"],
    [["publish", "ack", "1"], 64, "usage"],
    [["publish", "..", "1"], 64, "usage"],
    [["publish", "x", "1", "--ndjson"], 64, "usage"],
    [["publish", "x", "1", "--priority", "11"], 1, "bad_request"],
    [["publish", "x", "1", "--delay", "-1"], 1, "bad_request"],
  ])("refuses %p", async (inputs, exit, error) => {
    const { code, stdout, stderr } = await queue(...inputs, "--json");
    expect([code, stdout]).toEqual([exit, ""]);
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: error } });
    expect(await bodies("x")).toEqual([]);
  });
});

describe("queue publish --ndjson", () => {
  const publish = (text: string, ...more: string[]) => run(["publish", "x", "--ndjson", ...more], input(text));

  test("sends each line in order, byte for byte, and passes over blank ones", async () => {
    const { code, stdout } = await publish('{"a": 1.0}\r\n\n2\n "three" \n[4]');
    expect([code, stdout]).toEqual([0, "published 4 messages to x\n"]);
    expect(await bodies("x")).toEqual(['{"a": 1.0}', "2", '"three"', "[4]"]);
  });

  test("sends as many at once as one request may have, by number and by bytes", async () => {
    const counts: number[] = [];
    node.intercept = (request) => {
      if (request.method !== "POST") return undefined;
      void request
        .clone()
        .json()
        .then((body: { messages: unknown[] }) => counts.push(body.messages.length));
      return undefined;
    };
    const short = Array.from({ length: 2_500 }, (_, i) => i).join("\n");
    await publish(`${short}\n${`"${"x".repeat(400_000)}"\n`.repeat(5)}`, "--json");
    expect(counts).toEqual([1_000, 1_000, 502, 2, 1]);
    expect((await bodies("x")).slice(0, 2_500).join("\n")).toBe(short);
    expect((await node.queues.statistics("x")).ready).toBe(2_505);
  });

  test("can be run again as a whole after a failure half-way, and doubles nothing", async () => {
    const lines = Array.from({ length: 1_500 }, (_, i) => `${i}\n`).join("");
    const failed = await publish(`${lines}oops\n`);
    expect(failed.code).toBe(65);
    expect(failed.stderr).toMatch(/^mufakat: 1000 messages were published, then line 1501 is not JSON\. .*--dedupe-id/);
    const prefix = /--dedupe-id (\S+),/.exec(failed.stderr)![1]!;
    const again = await publish(lines, "--dedupe-id", prefix);
    expect(again.stdout).toBe("published 1500 messages to x, of which 1000 were there already\n");
    expect(await bodies("x")).toHaveLength(1_500);
  });

  test("shows how far it is on a terminal, and nowhere else", async () => {
    let shown = "";
    const stderr = { isTTY: true, write: (text: string) => void (shown += text), cursorTo() {}, clearLine() {} };
    const process = { stdout: { write: () => {} }, stderr };
    const { runCli } = await import("../../../src/cli/application.ts");
    const { cliContext } = await import("../../support/cli-context.ts");
    const parts = { ...input("1\n2\n"), inputBytes: 4, environment: { MUFAKAT_URL: node.url } };
    expect(await runCli(["queue", "publish", "x", "--ndjson"], cliContext(process, parts))).toBe(0);
    expect(shown).toContain("publishing");
    expect((await publish("3\n")).stderr).toBe("");
  });

  test("names the line that is too long for any message", async () => {
    const { code, stderr } = await publish(`1\n"${"x".repeat(limits.maxBodyBytes)}"\n`);
    expect([code, stderr]).toEqual([1, "mufakat: line 2 is longer than a message can be.\n"]);
  });
});

describe("queue receive", () => {
  test("prints the message on one line, as it was published, and how to ack it", async () => {
    await run(["publish", "x"], input('{"a":\n1.0}'));
    const { code, stdout, stderr } = await queue("receive", "x");
    expect([code, stdout]).toEqual([0, '{"a": 1.0}\n']);
    expect(stderr).toMatch(/^3-1, attempt 1: mufakat queue ack [\w-]+\n$/);
    const token = /ack ([\w-]+)/.exec(stderr)![1]!;
    expect(await queue("ack", token)).toMatchObject({ code: 0, stdout: "acknowledged\n" });
    expect((await queue("ack", token, "--json")).stderr).toContain("stale_attempt");
  });

  test("prints lines of JSON with --json, and acks with --ack", async () => {
    for (const message of ["1", '"zwei"', "3"]) await queue("publish", "x", message);
    const { stdout, stderr } = await queue("receive", "x", "--json", "--ack", "--max", "2", "--visibility", "5");
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
    expect(lines).toMatchObject([
      { id: "3-1", attempt: 1, data: 1, visibility_ms: 5_000 },
      { id: "3-2", data: "zwei" },
    ]);
    expect(stderr).toBe("");
    expect(await node.queues.statistics("x")).toMatchObject({ acked: 2, ready: 1, inFlight: 0 });
  });

  test("exits 1 when there is nothing", async () => {
    expect(await queue("receive", "x")).toEqual({ code: 1, stdout: "", stderr: "mufakat: nothing to receive\n" });
  });

  test("waits as long as it is told to", async () => {
    const receiving = queue("receive", "x", "--wait", "30");
    await eventually(async () => (await node.queues.statistics("x")).receivers === 1, { what: "receivers is 1" });
    await queue("publish", "x", "7");
    expect(await receiving).toMatchObject({ code: 0, stdout: "7\n" });
  });

  test("says when what was printed could not be acked any more", async () => {
    await queue("publish", "x", "1");
    const outputTaken = async () => {
      node.queues.advance(60_000);
      return true;
    };
    const { code, stdout, stderr } = await run(["receive", "x", "--ack"], { outputTaken });
    expect([code, stdout]).toEqual([1, "1\n"]);
    expect(stderr).toContain("may come again");
  });

  test("--follow keeps receiving until a signal, and then takes nothing more", async () => {
    const signals = new TestSignals();
    for (const message of ["1", "2"]) await queue("publish", "x", message);
    const following = run(["receive", "x", "--follow", "--ack"], { signals });
    await eventually(async () => (await node.queues.statistics("x")).acked === 2, { what: "acked is 2" });
    await queue("publish", "x", "3");
    await eventually(async () => (await node.queues.statistics("x")).acked === 3, { what: "acked is 3" });
    await eventually(async () => (await node.queues.statistics("x")).receivers === 1, { what: "receivers is 1" });
    signals.send("SIGINT");
    expect(await following).toEqual({ code: 0, stdout: "1\n2\n3\n", stderr: "" });
    await eventually(async () => (await node.queues.statistics("x")).receivers === 0, { what: "receivers is 0" });
    await queue("publish", "x", "4");
    expect(await bodies("x")).toEqual(["4"]);
  });

  test("gives back what nobody reads any more, uncounted, and acks nothing of it", async () => {
    for (const message of ["1", "2"]) await queue("publish", "x", message);
    const { code } = await run(["receive", "x", "--follow", "--ack", "--max", "5"], { outputTaken: async () => false });
    expect(code).toBe(1);
    expect(await bodies("x")).toEqual(["1", "2"]);
    expect(await node.queues.statistics("x")).toMatchObject({ acked: 0, returned: 2, nacked: 0 });
  });

  test.each([["0"], ["1001"], ["x"]])("refuses --max %s", async (max) => {
    expect((await queue("receive", "x", "--max", max)).code).toBe(64);
  });
});

describe("queue nack and extend", () => {
  async function token(): Promise<string> {
    await queue("publish", "x", "1");
    const { stdout } = await queue("receive", "x", "--json");
    return (JSON.parse(stdout) as { ack_token: string }).ack_token;
  }

  test("give back, give back uncounted, and keep out for longer", async () => {
    const [first, second, third] = [await token(), await token(), await token()];
    expect((await queue("nack", first, "--delay", "5")).stdout).toBe("returned\n");
    expect((await queue("nack", second, "--unstarted")).stdout).toBe("returned\n");
    expect((await queue("extend", third, "--visibility", "60")).stdout).toBe("extended\n");
    expect(await node.queues.statistics("x")).toMatchObject({ delayed: 1, ready: 1, inFlight: 1, nacked: 1 });
  });

  test("say which of several tokens was not good", async () => {
    const good = await token();
    await queue("ack", good);
    const { code, stderr } = await queue("nack", await token(), good);
    expect([code, stderr]).toEqual([
      1,
      "mufakat: not every token was good: returned, stale_attempt, in the order of the command line.\n",
    ]);
    expect((await queue("ack", "nonsense")).stderr).toContain("ack_tokens.0");
  });
});

describe("looking at and running queues", () => {
  test("peek shows messages in a table, and as lines of JSON", async () => {
    expect((await queue("peek", "x")).stdout).toBe("no message is ready\n");
    await queue("publish", "x", '{"a": 1.0}');
    await queue("publish", "x", `"${"y".repeat(200)}\\u001b[2J"`, "--delay", "60");
    expect((await queue("peek", "x")).stdout).toMatch(/^id .*\n3-1 .* \{"a": 1\.0\}\n$/);
    expect((await queue("peek", "x", "--state", "delayed")).stdout).toMatch(/1 m 0 s .* "y{79}…\n$/);
    const { stdout } = await queue("peek", "x", "--json");
    expect(stdout).toContain('"data":{"a": 1.0}');
    expect(JSON.parse(stdout)).toMatchObject({ id: "3-1", failures: 0 });
  });

  test("stats and ls count", async () => {
    expect((await queue("ls")).stdout).toBe("no queue holds anything\n");
    await queue("publish", "b", "1");
    await queue("publish", "a/1", "1");
    await queue("pause", "b");
    expect((await queue("stats", "b")).stdout).toMatch(/^queue +b\npaused +true\nready +1\n/);
    expect(JSON.parse((await queue("stats", "b", "--json")).stdout)).toMatchObject({ ready: 1, published: 1 });
    expect((await queue("ls")).stdout).toMatch(/^queue .*\na\/1 +1 .*\nb +1 .* paused\n$/);
    expect(JSON.parse((await queue("ls", "--prefix", "a", "--json")).stdout)).toMatchObject({
      queues: [{ queue: "a/1" }],
    });
  });

  test("purge, redrive, pause and resume do as they say", async () => {
    await queue("settings", "x", "--max-deliveries", "1");
    await queue("publish", "x", "1");
    await queue("receive", "x");
    node.queues.advance(60_000);
    await queue("publish", "x", "2");
    expect((await queue("redrive", "x")).stdout).toBe("1 dead letters of x are ready again\n");
    expect((await queue("pause", "x")).stdout).toBe("x is paused\n");
    expect((await queue("receive", "x")).code).toBe(1);
    expect((await queue("resume", "x")).stdout).toBe("x goes on\n");
    expect((await queue("purge", "x")).stdout).toBe("dropped 2 messages of x\n");
    expect(JSON.parse((await queue("purge", "x", "--dead", "--json")).stdout)).toMatchObject({ purged: 0 });
  });

  test("settings are shown, and changed where a flag says so", async () => {
    expect((await queue("settings", "x")).stdout).toMatch(/^visibility_ms +30000\nmax_deliveries +5\n/);
    const { stdout } = await queue("settings", "x", "--visibility", "1.5", "--max-in-flight", "7", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ visibility_ms: 1_500, max_in_flight: 7, max_deliveries: 5 });
    expect(await queue("settings", "x", "--backoff", "soon")).toMatchObject({ code: 1 });
  });

  test("schedules are set, listed and removed", async () => {
    expect((await queue("schedule", "ls", "x")).stdout).toBe("x has no schedule\n");
    const set = await queue(
      "schedule",
      "set",
      "x",
      "daily",
      '{"n": 1.0}',
      "--cron",
      "0 7 * * *",
      "--zone",
      "Asia/Jakarta",
    );
    expect(set.stdout).toMatch(/^daily publishes to x, next at \d{4}-\d\d-\d\dT00:00:00\.000Z\n$/);
    expect((await queue("schedule", "ls", "x")).stdout).toMatch(/daily +0 7 \* \* \* +Asia\/Jakarta/);
    const wrong = await queue("schedule", "set", "x", "bad", "1", "--cron", "61 * * * *");
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining("61")]);
    expect((await queue("schedule", "rm", "x", "daily")).stdout).toBe("daily was removed\n");
    expect((await queue("schedule", "rm", "x", "daily")).code).toBe(1);
  });
});
