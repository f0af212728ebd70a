import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nodeSettings } from "../../../src/cli/configuration/definitions.ts";
import { kebabCase } from "../../../src/cli/configuration/definitions.ts";
import { nearest } from "../../../src/cli/configuration/nearest.ts";
import { nodeConfiguration, type NodeFlags } from "../../../src/cli/configuration/node-configuration.ts";
import { nodeUrls } from "../../../src/cli/node-url.ts";
import { StartError } from "../../../src/kernel/start-error.ts";
import { cli } from "../../support/cli-context.ts";
import { projectRoot } from "../../support/source-files.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const directory = temporaryDirectory();
let files = 0;

afterAll(() => directory[Symbol.dispose]());

function fileOf(content: string | Uint8Array): string {
  const path = join(directory.path, `${++files}.toml`);
  writeFileSync(path, content);
  return path;
}

function configure(content: string, flags: NodeFlags = {}, environment: Record<string, string> = {}) {
  return nodeConfiguration({ ...flags, config: fileOf(content) }, environment).configuration;
}

/** The one sentence that a file is refused with, with FILE for its path. */
function refusal(content: string | Uint8Array, config = fileOf(content)): string {
  try {
    nodeConfiguration({ config }, {});
  } catch (error) {
    if (error instanceof StartError) return error.message.replaceAll(config, "FILE");
    throw error;
  }
  return "(not refused)";
}

describe("a configuration file", () => {
  test("sets what flags set", () => {
    const made = configure(`
      id = "node2"
      listen = "127.0.0.1:8102"
      peer-listen = "127.0.0.1:9102"
      advertise = "locks.example:80"
      cluster = "shop"
      data = "elsewhere"
      insecure = true
      heartbeat-ms = 20
      election-timeout-ms = 100
      log-level = "warn"
      [peers]
      node1 = "10.0.0.1:9101"
      node2 = "10.0.0.2:9102"
    `);
    expect(made).toEqual({
      nodeId: "node2",
      clusterName: "shop",
      listen: { host: "127.0.0.1", port: 8102 },
      peerListen: { host: "127.0.0.1", port: 9102 },
      advertise: { host: "locks.example", port: 80 },
      peerAddress: { host: "10.0.0.2", port: 9102 },
      members: new Map([
        ["node1", { host: "10.0.0.1", port: 9101 }],
        ["node2", { host: "10.0.0.2", port: 9102 }],
      ]),
      dataDirectory: "elsewhere",
      insecure: true,
      heartbeatIntervalMs: 20,
      electionTimeoutMs: 100,
    });
  });

  test("may be empty, begin with a byte order mark, and end its lines as Windows does", () => {
    expect(configure("")).toMatchObject({ nodeId: "node1" });
    expect(configure('\ufeffid = "a"\r\ncluster = "b"\r\n')).toMatchObject({ nodeId: "a", clusterName: "b" });
  });

  test("gives way to variables and those to flags, and wins over the older system's names", () => {
    const content = 'id = "file"\nlisten = "127.0.0.1:8003"\ncluster = "file"\n';
    const environment = { MUFAKAT_CLUSTER: "variable", MUFAKAT_ID: "variable", NODE_ID: "older", PORT: "8009" };
    expect(configure(content, { id: "flag" }, environment)).toMatchObject({
      nodeId: "flag",
      clusterName: "variable",
      listen: { port: 8003 },
    });
  });

  test("is named by --config, else by MUFAKAT_CONFIG, and never looked for", () => {
    const [one, two] = [fileOf('id = "one"'), fileOf('id = "two"')];
    const idOf = (flags: NodeFlags, environment: Record<string, string>) =>
      nodeConfiguration(flags, environment).configuration.nodeId;
    expect(idOf({}, { MUFAKAT_CONFIG: two })).toBe("two");
    expect(idOf({ config: one }, { MUFAKAT_CONFIG: two })).toBe("one");
    expect(idOf({}, { MUFAKAT_CONFIG: "" })).toBe("node1");
  });

  test("tells commands on the same machine where the node listens", () => {
    const here = (content: string, more: Record<string, string> = {}) =>
      nodeUrls(undefined, { MUFAKAT_CONFIG: fileOf(content), ...more });
    expect(here('listen = "0.0.0.0:8105"')).toEqual(["http://127.0.0.1:8105"]);
    expect(here('listen = "0.0.0.0:8105"', { PORT: "1" })).toEqual(["http://127.0.0.1:8105"]);
    expect(here('listen = "0.0.0.0:8105"', { MUFAKAT_LISTEN: "[::1]:2" })).toEqual(["http://[::1]:2"]);
    expect(here("port = 18001\nnodes = 5")).toEqual(["http://127.0.0.1:18001"]);
    expect(here("", { PORT: "8007" })).toEqual(["http://127.0.0.1:8007"]);
  });

  test("is shown by serve --check", async () => {
    const path = fileOf('cluster = "shop"');
    const { stdout } = await cli(["serve", "--check", "--config", path]);
    expect(stdout).toContain(`file      ${path}\n`);
    expect(stdout).toContain("cluster   shop\n");
    const asJson = await cli(["serve", "--check", "--json"], { environment: { MUFAKAT_CONFIG: path } });
    expect(JSON.parse(asJson.stdout)).toMatchObject({ cluster: "shop", configuration_file: path });
    expect(JSON.parse((await cli(["serve", "--check", "--json"])).stdout)).toMatchObject({ configuration_file: null });
  });

  test("is for `up`, too, with the settings of `up`", async () => {
    const port = await cli(["up", "--config", fileOf("port = 65000")]);
    expect(port).toMatchObject({ code: 78, stderr: expect.stringContaining("1 65000 leaves no room for 3 nodes") });
    const nodes = await cli(["up", "--config", fileOf("nodes = 8")]);
    expect(nodes.stderr).toMatch(/^mufakat: nodes in \S+\.toml:1 must be a whole number from 1 to 7, not "8"\.\n$/);
    const foreign = await cli(["up"], { environment: { MUFAKAT_CONFIG: fileOf('id = "a"') } });
    expect(foreign.stderr).toMatch(/^mufakat: id in \S+\.toml:1 is a setting of "serve", not of "up"\.\n$/);
  });
});

describe("a configuration file is refused for", () => {
  const cases: readonly [what: string, content: string, sentence: string | RegExp][] = [
    [
      "an unknown key, with the nearest",
      "\npeer-lisen = 1",
      "peer-lisen in FILE:2 is not a setting (did you mean peer-listen?).",
    ],
    ["a key in snake case", 'peer_listen = "x"', "peer_listen in FILE:1 is not a setting (did you mean peer-listen?)."],
    [
      "a key that resembles none",
      "xyzzy = 1",
      /^xyzzy in FILE:1 is not a setting: there are id, listen, .*, log-level\.$/,
    ],
    ["an unknown table", '[log]\nlevel = "info"', /^log in FILE:1 is not a setting: there are /],
    ["an array of tables", "[[nodes]]\na = 1", 'nodes in FILE:1 is a setting of "up", not of "serve".'],
    ["the name of an object's prototype", "__proto__ = 1", /^__proto__ in FILE:1 is not a setting/],
    ["a key of `up`", "port = 1", 'port in FILE:1 is a setting of "up", not of "serve".'],
    [
      "a key that stands twice",
      'id = "a"\ncluster = "x"\nid = "b"\n\n',
      "FILE:3 is not TOML: Cannot redefine key 'id'.",
    ],
    [
      "a table that stands twice",
      '[peers]\na = "x:1"\n[peers]\n',
      "FILE:3 is not TOML: Cannot redefine table 'peers'.",
    ],
    ["a value without quotes", 'id = "a"\n\nlisten = 127.0.0.1:1\ndata = "x"', /^FILE:3 is not TOML: /],
    ["a string that does not end", 'id = "a"\ndata = """\nx\ny\n', /^FILE:2 is not TOML: Unterminated string/],
    ["a number where text is", "listen = 8001", "listen in FILE:1 must be text in quotes, not a number."],
    ["a date where text is", "id = 2020-01-01", "id in FILE:1 must be text in quotes, not a date."],
    ["a list where text is", 'id = ["a"]', "id in FILE:1 must be text in quotes, not a list."],
    [
      "text where a number is",
      'heartbeat-ms = "50"',
      "heartbeat-ms in FILE:1 must be a number without quotes, not text.",
    ],
    [
      "text where a switch is",
      'insecure = "yes"',
      "insecure in FILE:1 must be true or false without quotes, not text.",
    ],
    ["a fraction", "heartbeat-ms = 5.5", 'heartbeat-ms in FILE:1 must be a whole number from 5 to 10000, not "5.5".'],
    [
      "a number out of range",
      "heartbeat-ms = -1",
      'heartbeat-ms in FILE:1 must be a whole number from 5 to 10000, not "-1".',
    ],
    ["no number", "heartbeat-ms = nan", 'heartbeat-ms in FILE:1 must be a whole number from 5 to 10000, not "NaN".'],
    ["a choice that is none", 'log-format = "xml"', 'log-format in FILE:1 must be one of json, text, not "xml".'],
    ["an address that is none", "listen = 'x'", /^listen in FILE:1 must be HOST:PORT, /],
    [
      "an address beyond loopback",
      'listen = "0.0.0.0:1"',
      /^listen in FILE:1 opens 0\.0\.0\.0:1 to other machines: .*--insecure/,
    ],
    ["peers as text", 'peers = "a=b:1"', /^peers in FILE:1 must be a table of ids with one address each/],
    [
      "a peer without an address",
      "[peers]\nnode1 = 1",
      /^peers in FILE:1 must be a table of ids with one address each/,
    ],
    ["two peers in one", '[peers]\nnode1 = "a:1,node2=b:1"', /^peers in FILE:1 must be a table/],
    ["two ids in one", '[peers]\n"node1=127.0.0.1:9001,x" = "a:1"', /^peers in FILE:1 must be a table/],
    ["a peer's address that is none", 'peers.node1 = "x"', /^peers in FILE:1 must be HOST:PORT/],
    ["peers without this node", '[peers]\nnode9 = "127.0.0.1:1"', /^peers in FILE:1 does not list this node node1/],
    [
      "times that do not fit",
      "heartbeat-ms = 200",
      /^--election-timeout-ms is 300 .* or lower heartbeat-ms in FILE:1, which is 200\.$/,
    ],
  ];

  test.each(cases)("%s", (_what, content, sentence) => {
    const said = refusal(content);
    if (typeof sentence === "string") expect(said).toBe(sentence);
    else expect(said).toMatch(sentence);
    expect(said).toEndWith(".");
    expect(said).not.toContain("\n");
  });

  test("being no text, too long, or not there", () => {
    expect(refusal(new Uint8Array([0x69, 0xff]))).toBe("--config names FILE, which is no text in UTF-8.");
    expect(refusal("#".repeat(65_536))).toBe("(not refused)");
    expect(refusal("#".repeat(65_537))).toBe(
      "--config names FILE, which is longer than a configuration can be, 65536 bytes.",
    );
    expect(refusal("", "/dev/zero")).toContain("longer than a configuration");
    expect(refusal("", join(directory.path, "none"))).toBe(
      "--config names FILE, which cannot be read: there is no such file.",
    );
    mkdirSync(join(directory.path, "folder"));
    expect(refusal("", join(directory.path, "folder"))).toBe(
      "--config names FILE, which cannot be read: it is a directory.",
    );
    expect(() => nodeConfiguration({}, { MUFAKAT_CONFIG: "/none" })).toThrow(
      "MUFAKAT_CONFIG names /none, which cannot be read",
    );
  });
});

describe("deploy/mufakat.example.toml", () => {
  const path = join(projectRoot, "deploy", "mufakat.example.toml");
  const text = readFileSync(path, "utf8");

  test("can be used as it is", () => {
    const { configuration } = nodeConfiguration({ config: path }, {});
    expect(configuration).toMatchObject({ nodeId: "node1", members: { size: 3 } });
  });

  test("lists every key of `serve`, and with all of them is the same", () => {
    // What is commented out stands directly behind its "#"; prose has a space there.
    const complete = text.replaceAll(/^#(?=[a-z])/gm, "");
    const keys = Object.keys(Bun.TOML.parse(complete)).toSorted();
    expect(keys).toEqual(Object.keys(nodeSettings).map(kebabCase).toSorted());
    const withDefaults = nodeConfiguration({ config: path }, {}).configuration;
    expect(configure(complete)).toEqual({ ...withDefaults, clusterName: "mufakat", join: "http://127.0.0.1:8001" });
  });
});

describe("the nearest of several words", () => {
  const words = ["listen", "peer-listen", "peers", "id", "heartbeat-ms"];

  test.each([
    ["lisetn", "listen"],
    ["peerListen", "peer-listen"],
    ["PEER_LISTEN", "peer-listen"],
    ["peer", "peers"],
    ["heartbeat", "heartbeat-ms"],
    ["ids", "id"],
  ])("to %s is %s", (text, word) => {
    expect(nearest(text, words)).toBe(word);
  });

  test.each(["xyzzy", "", "log", "heart"])("to %j is none", (text) => {
    expect(nearest(text, words)).toBeUndefined();
  });
});
