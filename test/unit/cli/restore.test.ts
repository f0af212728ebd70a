import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { progressBar } from "../../../src/cli/progress.ts";
import { LockMachine } from "../../../src/locks/lock-machine.ts";
import { backupFile } from "../../support/backup-file.ts";
import { cli } from "../../support/cli-context.ts";
import { commandEntries, exclusive, registration, threeNodes, writeNodeData } from "../../support/node-data.ts";
import { entries, hardState } from "../../support/wal.ts";
import { contentOf } from "../locks/snapshots.ts";

const folder = mkdtempSync(join(tmpdir(), "mufakat-restore-cli-"));
const data = join(folder, "data");
afterEach(() => {
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
});

const log = commandEntries(1, 4, [registration, exclusive("x", "a")]);

function writeBackup(damage = false): string {
  const machine = new LockMachine();
  for (const entry of log) machine.apply(entry, () => {});
  const bytes = backupFile([contentOf(machine)], { index: 2, term: 4, leaseTimeMs: 20, configuration: threeNodes });
  if (damage) bytes[9_000] = 255 - (bytes[9_000] ?? 0);
  const file = join(folder, "backup");
  writeFileSync(file, damage ? bytes.subarray(0, bytes.length - 1) : bytes);
  return file;
}

describe("mufakat restore", () => {
  test("says what came back, and what to type next", async () => {
    const { code, stdout, stderr } = await cli(["restore", writeBackup(), "--data", data, "--id", "n1"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^restored {2}1 lock, .* as of 2025-10-09T.*, entry 2 of term 4\n/);
    expect(stdout).toMatch(/\ntokens {4}generation \d+: every new one is larger than \d{13,16}, and no old one was\n/);
    expect(stdout).toContain(`  mufakat serve --id n1 --cluster orders --data ${data}\n`);
    expect(stdout).toMatch(/\n {2}mufakat serve --id node2 .*--join http:\/\/127\.0\.0\.1:8001\n$/);
  });

  test("gives a program the same as JSON", async () => {
    const flags = ["--data", data, "--cluster", "shop", "--json"];
    const { code, stdout } = await cli(["restore", writeBackup(), ...flags]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ cluster: "shop", node_id: "node1", data, holds: 1, version: "0.1.0" },
    });
  });

  test("exits 65 for a file that is damaged or none of ours, 78 for a directory that is not free", async () => {
    const damaged = await cli(["restore", writeBackup(true), "--data", data, "--json"]);
    expect([damaged.code, damaged.stdout]).toEqual([65, ""]);
    expect(JSON.parse(damaged.stderr)).toMatchObject({ error: { code: "damaged_backup" } });
    const letter = join(folder, "letter");
    writeFileSync(letter, "dear");
    const foreign = await cli(["restore", letter, "--data", data]);
    expect(foreign).toEqual({
      ...{ code: 65, stdout: "" },
      stderr: `mufakat: ${letter} is not a backup of mufakat; nothing was changed: name a file that "mufakat backup" wrote.\n`,
    });
    expect(readdirSync(folder).sort()).toEqual(["backup", "letter"]);
    const taken = await cli(["restore", writeBackup(), "--data", folder]);
    expect([taken.code, taken.stderr]).toEqual([78, expect.stringContaining("is not empty (it has ")]);
  });
});

describe("mufakat recover", () => {
  test("says what the node has and what may be lost, and does nothing before it is told to", async () => {
    await writeNodeData({ path: data, records: [hardState(0, 6, 1), entries(0, ...log)] });
    const asked = await cli(["recover", "--from-survivor", "--data", data]);
    expect([asked.code, asked.stderr]).toEqual([1, ""]);
    expect(asked.stdout).toContain("as of entry 2 of term 4");
    expect(asked.stdout).toContain("acknowledged and that had not reached this node are lost");
    expect(readdirSync(folder)).toEqual(["data"]);
    const done = await cli(["recover", "--from-survivor", "--accept-loss", "--data", data, "--json"]);
    expect([done.code, done.stderr]).toEqual([0, ""]);
    expect(JSON.parse(done.stdout)).toMatchObject({
      ...{ recovered: true, node_id: "node2", data, last_index: 2, old_data: `${data}.before-recovery` },
    });
  });

  test("is not begun by half of a command line, nor without data", async () => {
    expect(await cli(["recover", "--data", data])).toMatchObject({ code: 64, stdout: "" });
    expect(await cli(["recover", "--from-survivor", "--accept-loss", "--data", data])).toMatchObject({ code: 78 });
  });
});

describe("a bar of progress", () => {
  test("is for a terminal, and leaves nothing on it", () => {
    let shown = "";
    const terminal = { isTTY: true, columns: 80, write: (text: string) => void (shown += text) };
    const bar = progressBar(terminal, "bytes");
    bar.update("reading", 50_000_000, 100_000_000);
    expect(shown).toContain("50% 50.0 MB");
    bar.end();
    expect(shown.split("\n")).toHaveLength(1);
  });

  test("is not for a file or a pipe", () => {
    const bar = progressBar({ write: () => expect.unreachable() }, "bytes");
    bar.update("reading", 1, 2);
    bar.end();
  });
});
