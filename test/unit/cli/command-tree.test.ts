/** Walks over every command that there is: what holds for one must not be forgotten for the next. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { commands } from "../../../src/cli/application.ts";
import { kebabCase } from "../../../src/cli/configuration/definitions.ts";
import { exitCode } from "../../../src/cli/exit-code.ts";
import { cli } from "../../support/cli-context.ts";
import { LockNode } from "../../support/lock-node.ts";
import { success } from "../../support/node-client.ts";
import { projectRoot } from "../../support/source-files.ts";

/** Commands whose output is not theirs. */
const withoutJson = ["lock run"];

interface CommandInTree {
  /** `lock ls` */
  readonly name: string;
  /** Of flags that help shows: `--fencing-token`. */
  readonly flags: readonly string[];
}

type Target = ReturnType<typeof commands.getAllEntries>[number]["target"];

function commandsUnder(target: Target, path: readonly string[] = []): CommandInTree[] {
  if ("getAllEntries" in target) {
    return target.getAllEntries().flatMap((entry) => commandsUnder(entry.target, [...path, entry.name.original]));
  }
  const flags = Object.entries(target.parameters.flags ?? {}).filter(([, flag]) => !("hidden" in flag && flag.hidden));
  return [{ name: path.join(" "), flags: flags.map(([name]) => `--${kebabCase(name)}`) }];
}

const tree = commandsUnder(commands);
const documentation = readFileSync(join(projectRoot, "docs", "cli.md"), "utf8");

/** What docs/cli.md says of one command, to the next heading. */
function sectionOf(name: string): string {
  const from = documentation.indexOf(`\n## mufakat ${name}\n`);
  return from < 0 ? "" : (documentation.slice(from + 4).split("\n## ")[0] ?? "");
}

describe("every command", () => {
  test("is found by the walk", () => {
    expect(tree.map((command) => command.name)).toEqual([
      "up",
      "serve",
      "status",
      "lock run",
      "lock ls",
      "lock release",
      "session ls",
      "queue publish",
      "queue receive",
      "queue ack",
      "queue nack",
      "queue extend",
      "queue peek",
      "queue stats",
      "queue ls",
      "queue purge",
      "queue redrive",
      "queue settings",
      "queue pause",
      "queue resume",
      "queue schedule set",
      "queue schedule ls",
      "queue schedule rm",
      "cluster add",
      "cluster remove",
      "cluster replace",
      "cluster transfer",
      "ring show",
      "backup",
      "restore",
      "recover",
      "healthcheck",
      "sim",
      "version",
    ]);
  });

  test("has --json, but those whose output is their command's", () => {
    const without = tree.filter((command) => !command.flags.includes("--json")).map((command) => command.name);
    expect(without).toEqual(withoutJson);
  });

  test("has a section in docs/cli.md with exactly its flags, and a place in the table of all", () => {
    for (const { name, flags } of tree) {
      const section = sectionOf(name);
      const rows = section.split("\n").filter((line) => line.startsWith("| `--"));
      const documented = rows.flatMap((row) => (row.split(" | ")[0] ?? "").match(/--[a-z-]+/g) ?? []);
      expect({ name, flags: documented.toSorted() }).toEqual({ name, flags: flags.toSorted() });
      expect(documentation).toContain(`| [\`mufakat ${name}\`](#mufakat-${name.replaceAll(" ", "-")}) |`);
      expect(section).toMatch(/^Exit codes: /m);
    }
  });

  test("refuses an unknown flag with 64 and, under --json, one line of JSON", async () => {
    for (const { name } of tree) {
      const separator = name === "lock run" ? ["--", "true"] : [];
      const { code, stdout, stderr } = await cli([...name.split(" "), "--json", "--no-such-flag", ...separator]);
      const [line = ""] = stderr.split("\n");
      expect({ name, code, stdout, error: JSON.parse(line) as unknown }).toMatchObject({
        name,
        code: 64,
        stdout: "",
        error: { error: { code: "usage" } },
      });
    }
  });
});

describe("docs/cli.md", () => {
  test("has every exit code in its table, and no other", () => {
    const table = documentation.slice(documentation.indexOf("## Exit codes"), documentation.indexOf("## JSON"));
    const documented = [...table.matchAll(/^\| (\d+)( \+ n)? \|/gm)].map(([, code]) => Number(code));
    expect(documented).toEqual(Object.values(exitCode).toSorted((a, b) => a - b));
  });
});

describe("an error under --json", () => {
  let node: LockNode;

  beforeAll(() => {
    node = new LockNode();
  });

  afterAll(() => node.stop());

  async function errorOf(inputs: readonly string[], parts: Parameters<typeof cli>[1] = {}) {
    const { code, stdout, stderr } = await cli([...inputs, "--json"], parts);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^\{[^\n]*\}\n$/);
    return { exit: code, ...(JSON.parse(stderr) as { error: object }).error };
  }

  test("of a node has the node's code and details", async () => {
    success(await node.client.acquire("r", { owner: "a" }));
    const environment = { MUFAKAT_URL: node.url };
    expect(await errorOf(["lock", "release", "r", "--owner", "b"], { environment })).toMatchObject({
      exit: 1,
      code: "not_owner",
      message: "The lock is held by somebody else.",
    });
    expect(await errorOf(["lock", "release", "q", "--owner", "b"], { environment })).toMatchObject({
      exit: 1,
      code: "not_held",
    });
    const token = ["--fencing-token", "9999"];
    expect(await errorOf(["lock", "release", "r", "--owner", "a", ...token], { environment })).toMatchObject({
      exit: 1,
      code: "stale_token",
    });
  });

  test("of our own has a code of our own", async () => {
    const nowhere = ["--url", "http://127.0.0.1:1"];
    expect(await errorOf(["status", ...nowhere])).toMatchObject({ exit: 69, code: "unreachable" });
    expect(await errorOf(["session", "ls", ...nowhere])).toMatchObject({ exit: 69, code: "unreachable" });
    expect(await errorOf(["cluster", "transfer", ...nowhere])).toMatchObject({ exit: 69, code: "unreachable" });
    expect(await errorOf(["lock", "ls", "--url", "x"])).toMatchObject({ exit: 78, code: "configuration" });
    expect(await errorOf(["serve", "--listen", "x"])).toMatchObject({ exit: 78, code: "configuration" });
    expect(await errorOf(["up", "--nodes", "x"])).toMatchObject({ exit: 78, code: "configuration" });
    expect(await errorOf(["lock", "release", "r"])).toMatchObject({ exit: 64, code: "usage" });
    expect(await errorOf(["no-such-command"])).toMatchObject({ exit: 64, code: "usage" });
    const startNode = () => Promise.reject(new Error("a defect"));
    expect(await errorOf(["serve"], { startNode })).toMatchObject({
      exit: 70,
      code: "unexpected",
      message: expect.stringContaining("a defect"),
    });
  });

  test("of a node without a leader has its code, and the exit code of a cluster that cannot be reached", async () => {
    const body = { detail: "x", error: { code: "no_leader", message: "No leader." } };
    const member = {
      node_id: "n",
      replica: 1,
      role: "voter",
      address: null,
      peer_address: "127.0.0.1:1",
      connected: true,
      is_leader: false,
      disk: "ok",
      match_index: null,
    };
    const cluster = {
      cluster_name: "c",
      cluster_id: "c",
      node_id: "n",
      incarnation: "i",
      version: "0",
      members: [member],
      groups: [],
      lease_time_ms: 0,
      as_of_index: 0,
    };
    await using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request) =>
        new URL(request.url).pathname === "/cluster" ? Response.json(cluster) : Response.json(body, { status: 503 }),
    });
    expect(await errorOf(["lock", "ls", "--url", `http://127.0.0.1:${server.port}`])).toMatchObject({
      exit: 69,
      code: "no_leader",
      message: expect.stringContaining("No leader."),
    });
  });

  test("is asked for in front of --, not behind it", async () => {
    const { stderr } = await cli(["lock", "release", "--", "--json"]);
    expect(stderr).toStartWith("mufakat: ");
  });
});

describe("the result under --json", () => {
  test("of healthcheck says what is wrong on standard output", async () => {
    await using node = new LockNode();
    const alive = await cli(["healthcheck", "--json", "--url", node.url]);
    expect(alive.code).toBe(0);
    expect(JSON.parse(alive.stdout)).toEqual({ url: node.url, alive: true, reason: null });
    const gone = await cli(["healthcheck", "--json", "--url", "http://127.0.0.1:1"]);
    expect(gone.code).toBe(1);
    expect(JSON.parse(gone.stdout)).toMatchObject({ alive: false, reason: expect.stringContaining("does not answer") });
  });

  test("of sim is a line for each run", async () => {
    const runs = await cli(["sim", "--json", "--seeds", "2", "--events", "50", "--nodes", "1"]);
    expect(runs.code).toBe(0);
    const lines = runs.stdout.trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { seed: 0, nodes: 1, hash: expect.any(String), virtual_ms: expect.any(Number), ends: {}, failure: null },
      { seed: 1, nodes: 1, failure: null },
    ]);
  });
});
