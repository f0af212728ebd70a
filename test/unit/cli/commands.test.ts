import { describe, expect, test } from "bun:test";
import { StartError } from "../../../src/kernel/start-error.ts";
import { version } from "../../../src/server/version.ts";
import { eventually } from "../../support/eventually.ts";
import { cli, FakeNode, TestSignals } from "../../support/cli-context.ts";

describe("the command line", () => {
  test("shows its commands when it is given none", async () => {
    const { code, stdout } = await cli([]);
    expect(code).toBe(0);
    for (const command of ["up", "serve", "status", "healthcheck", "version"]) expect(stdout).toContain(`  ${command}`);
  });

  test.each(["up", "serve", "status", "cluster", "healthcheck", "version"])("has help for %s", async (command) => {
    const { code, stdout } = await cli([command, "--help"]);
    expect(code).toBe(0);
    expect(stdout).toContain(`mufakat ${command}`);
  });

  test("hides the flag that only `up` uses", async () => {
    expect((await cli(["serve", "--help"])).stdout).not.toContain("supervised");
  });

  test("refuses an unknown command with one sentence and the nearest one", async () => {
    const { code, stderr } = await cli(["statsu"]);
    expect(code).toBe(64);
    expect(stderr).toBe(
      'mufakat: there is no command "statsu" (did you mean status?): "mufakat --help" lists the commands.\n',
    );
  });

  test("refuses an unknown flag with one sentence and the nearest one", async () => {
    const { code, stderr } = await cli(["serve", "--peer-lisen", "x"]);
    expect(code).toBe(64);
    expect(stderr).toBe(
      "mufakat: there is no flag --peer-lisen (did you mean --peer-listen?); --help lists what there is.\n",
    );
  });

  test("refuses an argument too many", async () => {
    const { code, stderr } = await cli(["version", "now"]);
    expect(code).toBe(64);
    expect(stderr).toContain('"now" is one argument too many');
  });

  test.each([
    [["up", "--nodes"], "--nodes needs a value; --help lists what there is."],
    [["up", "--nodes", "--port", "1"], "--nodes needs a value; --help lists what there is."],
    [["up", "--nodes", "3", "--nodes", "5"], "--nodes is given more than once; --help lists what there is."],
    [["up", "-n", "3"], "there is no flag -n; --help lists what there is."],
    [["serve", "--check=maybe"], '--check is a switch and takes no value such as "maybe"; --help lists what there is.'],
    [["sim", "--nodes", "2"], 'A simulated cluster has 1, 3, 5 or 7 nodes, not "2".'],
  ])("refuses %j", async (inputs, sentence) => {
    expect(await cli(inputs)).toMatchObject({ code: 64, stdout: "", stderr: `mufakat: ${sentence}\n` });
  });
});

describe("version", () => {
  test("is one line, or JSON", async () => {
    expect((await cli(["version"])).stdout).toContain(`mufakat ${version}`);
    expect(JSON.parse((await cli(["version", "--json"])).stdout)).toMatchObject({ version, bun: Bun.version });
  });
});

describe("serve --check", () => {
  const peers = "node1=127.0.0.1:9001,node2=127.0.0.1:9002,node3=127.0.0.1:9003";

  test("prints the peers and the quorum and starts nothing", async () => {
    const { code, stdout, stderr } = await cli(["serve", "--check", "--peers", peers]);
    expect(code).toBe(0);
    expect(stdout).toContain("node1 127.0.0.1:9001 (this node)");
    expect(stdout).toContain("node3 127.0.0.1:9003\n");
    expect(stdout).toContain("2 of 3: one node may fail");
    expect(stderr).toBe("");
  });

  test("prints JSON", async () => {
    const { stdout } = await cli([
      "serve",
      "--check",
      "--json",
      "--peers",
      peers,
      "--id",
      "node2",
      "--listen",
      "127.0.0.1:8002",
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ node_id: "node2", quorum: 2, members: { node3: "127.0.0.1:9003" } });
  });

  test("refuses what `serve` would refuse, with exit code 78", async () => {
    const { code, stdout, stderr } = await cli(["serve", "--check", "--listen", "0.0.0.0:8001"]);
    expect(code).toBe(78);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^mufakat: --listen [^\n]*\n$/);
  });
});

describe("serve", () => {
  test("stops its node at a signal and exits 0", async () => {
    const node = new FakeNode();
    const signals = new TestSignals();
    const running = cli(["serve"], { startNode: node.start, signals });
    await eventually(() => signals.subscribed, { what: "a subscription to signals" });
    signals.send("SIGTERM");
    const { code, stdout } = await running;
    expect(code).toBe(0);
    expect(node.stops).toBe(1);
    expect(signals.subscribed).toBe(false);
    expect(
      stdout
        .split("\n")
        .filter(Boolean)
        .map((line) => (JSON.parse(line) as { msg: string }).msg),
    ).toEqual(["listening", "stopping", "stopped"]);
  });

  test("stops at the end of its input when it is supervised, and only then", async () => {
    const node = new FakeNode();
    const endOfInput = () => Promise.resolve();
    expect((await cli(["serve", "--supervised"], { startNode: node.start, endOfInput })).code).toBe(0);

    const signals = new TestSignals();
    const alone = cli(["serve"], { startNode: node.start, endOfInput, signals });
    expect(await Promise.race([alone.then(() => "ended"), Bun.sleep(50).then(() => "runs")])).toBe("runs");
    signals.send("SIGINT");
    await alone;
  });

  test("exits 1 with one sentence when its node fails", async () => {
    const node = new FakeNode();
    const running = cli(["serve"], { startNode: node.start });
    node.fail(new Error("the disk refused an fdatasync (EIO)"));
    const { code, stderr } = await running;
    expect(code).toBe(1);
    expect(stderr).toBe("mufakat: the node stopped because it could not go on: the disk refused an fdatasync (EIO)\n");
  });

  test("exits 78 when its node is refused by the others", async () => {
    const node = new FakeNode();
    const running = cli(["serve"], { startNode: node.start });
    node.fail(new StartError("this node was wiped."));
    expect(await running).toMatchObject({ code: 78, stderr: "mufakat: this node was wiped.\n" });
  });

  test("exits 78 with one sentence when the start cannot be", async () => {
    const startNode = () => Promise.reject(new StartError("the data directory is in use."));
    const { code, stderr } = await cli(["serve"], { startNode });
    expect(code).toBe(78);
    expect(stderr).toBe("mufakat: the data directory is in use.\n");
  });

  test("says what it was warned of, in its log", async () => {
    const node = new FakeNode();
    const inputs = ["serve", "--supervised", "--log-format", "text"];
    const { stdout } = await cli(inputs, {
      startNode: node.start,
      environment: { REDIS_HOST: "cache" },
      endOfInput: () => Promise.resolve(),
    });
    expect(stdout).toMatch(/^\d\d:\d\d:\d\d\.\d{3} warn {2}REDIS_HOST and REDIS_PORT are accepted/);
  });

  test("refuses a log format and a log level that do not exist", async () => {
    expect(await cli(["serve", "--log-format", "xml"])).toMatchObject({ code: 78, stdout: "" });
    expect((await cli(["serve"], { environment: { MUFAKAT_LOG_LEVEL: "loud" } })).stderr).toContain(
      "MUFAKAT_LOG_LEVEL must be one of",
    );
  });
});

describe("up", () => {
  test.each([
    [["--nodes", "0"], "--nodes must be a whole number from 1 to 7"],
    [["--nodes", "8"], "--nodes must be a whole number from 1 to 7"],
    [["--nodes", "three"], "--nodes must be a whole number from 1 to 7"],
    [["--port", "65000"], "leaves no room for 3 nodes"],
    [["--log-format", "xml"], "--log-format must be one of"],
  ])("refuses %p with one sentence", async (inputs, sentence) => {
    const { code, stderr } = await cli(["up", ...inputs]);
    expect(code).toBe(78);
    expect(stderr).toContain(sentence);
    expect(stderr.trim().split("\n")).toHaveLength(1);
  });
});
