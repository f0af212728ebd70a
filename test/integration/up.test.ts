/** `up` as a process, over nodes that are no nodes (test/support/fake-main.ts): what it does with its children. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../support/eventually.ts";
import { isFree } from "../support/free-ports.ts";
import { projectRoot } from "../support/source-files.ts";

const DEADLINE_MS = 20_000;

class Up {
  /** Of both streams. */
  output = "";
  stdout = "";
  private readonly child: Bun.Subprocess<"ignore", "pipe", "pipe">;

  constructor(
    readonly port: number,
    cwd: string,
    environment: Record<string, string> = {},
    inputs: readonly string[] = [],
  ) {
    const main = join(projectRoot, "test/support/fake-main.ts");
    this.child = Bun.spawn([process.execPath, main, "up", "--port", String(port), ...inputs], {
      cwd,
      env: { ...process.env, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    void this.read(this.child.stdout, (text) => (this.stdout += text));
    void this.read(this.child.stderr);
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  ended(): Promise<number> {
    return this.child.exited;
  }

  async says(text: string): Promise<void> {
    await eventually(() => this.output.includes(text), {
      deadlineMs: DEADLINE_MS,
      what: () => `"${text}" in:\n${this.output}`,
    });
  }

  async childId(node: number): Promise<number | undefined> {
    try {
      const response = await fetch(`http://127.0.0.1:${this.port + node - 1}/pid`, {
        signal: AbortSignal.timeout(500),
      });
      return ((await response.json()) as { pid: number }).pid;
    } catch {
      return undefined;
    }
  }

  private async read(stream: ReadableStream<Uint8Array>, keep = (_text: string): unknown => ""): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      const text = decoder.decode(chunk, { stream: true });
      this.output += text;
      keep(text);
    }
  }
}

let folder: string;
let running: Up | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mufakat-up-"));
});

afterEach(async () => {
  running?.signal("SIGKILL");
  await running?.ended();
  running = undefined;
  rmSync(folder, { recursive: true, force: true });
});

function up(environment: Record<string, string> = {}, inputs: readonly string[] = []): Up {
  running = new Up(freePorts(), folder, environment, inputs);
  return running;
}

describe("up", () => {
  test("starts the nodes, says who leads and what to try, and stops at one Ctrl-C", async () => {
    const cluster = up({
      NODE_ID: "stray",
      PORT: "1",
      ALL_NODES: "http://stray:1",
      MUFAKAT_NODES: "3",
      MUFAKAT_PORT: "1",
    });
    await cluster.says("3 nodes, node1 leads in term 1.");
    expect(cluster.output).toContain(`curl -X POST 'localhost:${cluster.port + 1}/lock/orders?`);
    expect(cluster.output).toMatch(/^node2 \| \d\d:\d\d:\d\d\.\d{3} info {2}listening/m);
    expect(cluster.output).not.toContain("\x1b[");
    expect(cluster.output).not.toContain("is not a setting");
    cluster.signal("SIGINT");
    expect(await cluster.ended()).toBe(0);
    await cluster.says("all nodes have stopped");
    expect(cluster.output.match(/ info {2}stopped/g)).toHaveLength(3);
  });

  test("takes its settings from a file, and says in one line of JSON when it is ready", async () => {
    const file = join(folder, "up.toml");
    writeFileSync(file, 'nodes = 1\ndata = "here"\nlog-format = "json"\n');
    // A child that read the file of `up` would refuse it.
    const cluster = up({ MUFAKAT_CONFIG: file }, ["--json"]);
    await cluster.says('"msg":"listening"');
    await eventually(() => cluster.stdout.includes("\n"), { what: "a line on standard output" });
    const url = `http://127.0.0.1:${cluster.port}`;
    const ready = { leader: "node1", term: 1, data: "here", nodes: [{ node_id: "node1", url }] };
    cluster.signal("SIGTERM");
    expect(await cluster.ended()).toBe(0);
    await cluster.says("all nodes have stopped");
    expect(cluster.stdout).toBe(`${JSON.stringify(ready)}\n`);
  });

  test("starts a node again that was killed", async () => {
    const cluster = up();
    await cluster.says("leads in term");
    const before = await cluster.childId(2);
    process.kill(before!, "SIGKILL");
    await cluster.says("node2 was ended by SIGKILL; starting it again in 250 ms");
    await eventually(async () => ![undefined, before].includes(await cluster.childId(2)), { what: "a new node2" });
  });

  test("waits longer and longer with a node that keeps dying", async () => {
    const cluster = up({ FAKE_CRASH: "node3" });
    await cluster.says("node3 ended with exit code 3; starting it again in 250 ms");
    await cluster.says("node3 ended with exit code 3; starting it again in 1000 ms");
    await cluster.says("leads in term");
  });

  test("stops everything when a node refuses its first start, and says why last", async () => {
    const cluster = up({ FAKE_REFUSE: "node2" });
    expect(await cluster.ended()).toBe(78);
    await cluster.says("mufakat: node2 cannot start: change the moon first.\n");
    expect(cluster.output).not.toContain("starting it again");
    await eventually(async () => (await cluster.childId(1)) === undefined, { what: "the end of node1" });
  });

  test("takes its nodes along when it is killed with -9", async () => {
    const cluster = up();
    await cluster.says("leads in term");
    const children = await Promise.all([1, 2, 3].map((node) => cluster.childId(node)));
    cluster.signal("SIGKILL");
    await cluster.ended();
    await eventually(() => children.every((child) => !isAlive(child!)), { what: "the end of all nodes" });
  });

  test("ends a node that does not answer its first signal at the second", async () => {
    const cluster = up();
    await cluster.says("leads in term");
    const stuck = await cluster.childId(3);
    process.kill(stuck!, "SIGSTOP");
    cluster.signal("SIGINT");
    await cluster.says("once more ends them at once");
    cluster.signal("SIGINT");
    expect(await cluster.ended()).toBe(0);
    expect(isAlive(stuck!)).toBe(false);
  });

  test("names the port that is taken before it starts anything", async () => {
    const port = freePorts();
    const taken = Bun.listen({ hostname: "127.0.0.1", port: port + 1_002, socket: { data() {} } });
    running = new Up(port, folder);
    expect(await running.ended()).toBe(78);
    taken.stop(true);
    await running.says(`mufakat: port ${port + 1_002} is taken`);
    expect(running.output.trim().split("\n")).toHaveLength(1);
  });

  test("leaves JSON logs as they are and speaks beside them", async () => {
    const cluster = up({}, ["--log-format", "json", "--nodes", "1"]);
    await cluster.says("1 node, node1 leads");
    expect(cluster.output).toContain('"node":"node1","address"');
    expect(cluster.output).not.toContain("node1 | ");
  });
});

function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch {
    return false;
  }
}

/** The first of three ports that are free, as are those 1000 above. Below the range from which the system takes its own. */
function freePorts(): number {
  for (let attempt = 0; attempt < 100; attempt++) {
    const first = 20_000 + Math.floor(Math.random() * 5_000) * 2;
    if ([0, 1, 2, 1000, 1001, 1002].every((offset) => isFree(first + offset))) return first;
  }
  throw new Error("no free ports found");
}
