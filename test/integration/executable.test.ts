/** The built executable, as a user would meet it: `npm run build` makes it, `npm test` before this suite. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { plants } from "../faults/plants.ts";
import { eventually } from "../support/eventually.ts";
import { projectRoot } from "../support/source-files.ts";

const executable = join(projectRoot, "dist/mufakat");
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mufakat-executable-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function run(...inputs: readonly string[]): { code: number; stdout: string; stderr: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync([executable, ...inputs], { cwd: folder, env: environment() });
  return { code: exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

/** Ours, less what would configure a node. */
function environment(): Record<string, string | undefined> {
  const foreign = /^(MUFAKAT_|PORT$|NODE_ID$|ALL_NODES$|REDIS_)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)));
}

describe("the executable", () => {
  test("says its version, the commit that it was built from, and Bun's version", () => {
    const { code, stdout } = run("version", "--json");
    expect(code).toBe(0);
    const said = JSON.parse(stdout) as { commit: string | null };
    expect(said).toMatchObject({ version: packageJson.version, bun: packageJson.devDependencies.bun });
    const inGit = existsSync(join(projectRoot, ".git"));
    expect(said.commit).toEqual(inGit ? expect.stringMatching(/^[0-9a-f]{12}$/) : null);
  });

  test("shows help and refuses an unknown command", () => {
    expect(run("--help")).toMatchObject({ code: 0, stderr: "" });
    expect(run("serv")).toMatchObject({ code: 64, stdout: "" });
  });

  test("refuses an unknown flag in the words that the sources use, though its classes have lost their names", () => {
    expect(run("serve", "--peer-lisen", "x").stderr).toBe(
      "mufakat: there is no flag --peer-lisen (did you mean --peer-listen?); --help lists what there is.\n",
    );
  });

  test("has no planted fault in it, by any name, and no flag for one", () => {
    const program = readFileSync(executable);
    expect(program.includes("lock_held")).toBe(true);
    expect(Object.keys(plants).filter((name) => program.includes(name))).toEqual([]);
    expect(run("sim", "--plant", "lying-disk").code).toBe(64);
  });

  test("checks a configuration without touching anything", () => {
    const { code, stdout } = run("serve", "--check", "--peers", "node1=127.0.0.1:9001");
    expect(code).toBe(0);
    expect(stdout).toContain("1 of 1: no node may fail");
    expect(existsSync(join(folder, ".mufakat"))).toBe(false);
  });

  test("refuses a bad start with one sentence and exit code 78", () => {
    const { code, stdout, stderr } = run("serve", "--listen", "0.0.0.0:8001");
    expect({ code, stdout }).toEqual({ code: 78, stdout: "" });
    expect(stderr).toMatch(/^mufakat: [^\n]+\.\n$/);
  });

  test("runs nothing and reads nothing that lies in the folder where it is started", async () => {
    const trap = join(folder, "trapped");
    writeFileSync(
      join(folder, "trap.ts"),
      `require("node:fs").writeFileSync(${JSON.stringify(trap)}, ""); process.exit(99);`,
    );
    writeFileSync(join(folder, "bunfig.toml"), 'preload = ["./trap.ts"]\n[run]\npreload = ["./trap.ts"]\n');
    for (const name of [".env", ".env.production", ".env.local"]) {
      writeFileSync(join(folder, name), "MUFAKAT_LISTEN=0.0.0.0:1\nMUFAKAT_ID=stray\nPORT=1\n");
    }
    writeFileSync(join(folder, "package.json"), "{ this is not JSON");
    writeFileSync(join(folder, "tsconfig.json"), "neither is this");

    expect(run("serve", "--check")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("clients   127.0.0.1:8001"),
    });

    const inputs = ["serve", "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--log-format", "json"];
    const node = Bun.spawn([executable, ...inputs], {
      cwd: folder,
      env: environment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    try {
      const listening = await firstLine(node.stdout, '"listening"');
      const { address, node: id } = JSON.parse(listening) as { address: string; node: string };
      expect(id).toBe("node1");
      await eventually(
        async () => ((await (await fetch(`http://${address}/`)).json()) as { role: string }).role === "leader",
        { what: "a node that leads itself" },
      );
    } finally {
      node.kill("SIGTERM");
    }
    expect(await node.exited).toBe(0);
    expect(existsSync(trap)).toBe(false);
  });

  test("is a trap that Bun itself would fall into", () => {
    const trap = join(folder, "trapped");
    writeFileSync(join(folder, "trap.ts"), `require("node:fs").writeFileSync(${JSON.stringify(trap)}, "");`);
    writeFileSync(join(folder, "bunfig.toml"), 'preload = ["./trap.ts"]\n');
    writeFileSync(join(folder, "empty.ts"), "");
    Bun.spawnSync([process.execPath, "empty.ts"], { cwd: folder });
    expect(existsSync(trap)).toBe(true);
  });

  test("runs a whole cluster of itself", async () => {
    const port = 24_000 + Math.floor(Math.random() * 900);
    const cluster = Bun.spawn([executable, "up", "--nodes", "3", "--port", String(port)], {
      cwd: folder,
      env: environment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    try {
      await firstLine(cluster.stdout, "leads in term");
      expect(run("status", "--url", `http://127.0.0.1:${port + 2}`)).toMatchObject({
        code: 0,
        stdout: expect.stringContaining("3 of 3 nodes answer, leader node"),
      });
      expect(run("healthcheck", "--url", `http://127.0.0.1:${port}`)).toMatchObject({ code: 0 });
    } finally {
      cluster.kill("SIGINT");
    }
    expect(await cluster.exited).toBe(0);
    expect(existsSync(join(folder, ".mufakat/node3"))).toBe(true);
  });
});

/** The first line that holds `text`; what follows goes on being read, so that the process never waits for us. */
async function firstLine(stream: ReadableStream<Uint8Array>, text: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const read = async (): Promise<void> => {
    let seen = "";
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      seen += decoder.decode(chunk, { stream: true });
      const line = seen.split("\n").find((candidate) => candidate.includes(text));
      if (line !== undefined) resolve(line);
    }
    reject(new Error(`"${text}" never came, but:\n${seen}`));
  };
  void read();
  return await promise;
}
