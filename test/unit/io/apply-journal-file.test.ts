import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ApplyJournalFile, MARK_FILE, SUSPECTS_FILE } from "../../../src/io/apply-journal-file.ts";
import { openDataDirectory } from "../../../src/io/data-directory.ts";
import { projectRoot } from "../../support/source-files.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

function open(path: string, program = "1.0.0"): ApplyJournalFile {
  return new ApplyJournalFile(path, {
    program,
    onError: (error) => {
      throw error;
    },
  });
}

/** A process that marks entries as under way, and is gone without another word. */
function dieApplying(path: string, from: number, to: number, program?: string): void {
  open(path, program).begin(0, from, to);
}

describe("the apply journal", () => {
  test("knows what was being applied when the process died, and how often", () => {
    using temporary = temporaryDirectory();
    const { path } = temporary;
    expect(open(path).suspect(0)).toBeUndefined();
    dieApplying(path, 2 ** 40, 2 ** 40 + 255);
    dieApplying(path, 2 ** 40 + 7, 2 ** 40 + 7);
    const journal = open(path);
    expect(journal.suspect(0)).toEqual({ from: 2 ** 40 + 7, to: 2 ** 40 + 7, deaths: 2, error: undefined });
    expect(journal.suspect(1)).toBeUndefined();
  });

  test("knows it of a process that was killed with -9", async () => {
    using temporary = temporaryDirectory();
    const module = join(projectRoot, "src/io/apply-journal-file.ts");
    const script = `
      import { ApplyJournalFile } from ${JSON.stringify(module)};
      const journal = new ApplyJournalFile(${JSON.stringify(temporary.path)}, { program: "1.0.0", onError() {} });
      journal.begin(0, 1, 5);
      journal.begin(0, 6, 9);
      process.kill(process.pid, "SIGKILL");
    `;
    const child = Bun.spawn([process.execPath, "-e", script], { stdio: ["ignore", "inherit", "inherit"] });
    await child.exited;
    expect(child.signalCode).toBe("SIGKILL");
    expect(open(temporary.path).suspect(0)).toEqual({ from: 6, to: 9, deaths: 1, error: undefined });
  });

  test("keeps groups apart: each has suspects of its own, and loses none with another's", () => {
    using temporary = temporaryDirectory();
    const { path } = temporary;
    for (const group of [0, 3, 3]) open(path).begin(group, 40, 40);
    const journal = open(path);
    journal.begin(8, 1, 5);
    journal.threw(8, 2, "Error: x");
    journal.cleared(0);
    const next = open(path);
    expect([0, 3, 8].map((group) => next.suspect(group)?.deaths)).toEqual([undefined, 2, 1]);
    expect(next.suspect(8)).toMatchObject({ from: 2, to: 2, error: "Error: x" });
  });

  test("counts no death of a process that had nothing under way", () => {
    using temporary = temporaryDirectory();
    for (let i = 0; i < 5; i++) {
      const journal = open(temporary.path);
      journal.begin(0, 1, 9);
      journal.end();
    }
    expect(open(temporary.path).suspect(0)).toBeUndefined();
    expect(existsSync(join(temporary.path, SUSPECTS_FILE))).toBe(false);
  });

  test("counts a throw once, with what was thrown, and has it on disk", () => {
    using temporary = temporaryDirectory();
    const journal = open(temporary.path);
    journal.begin(0, 40, 50);
    expect(journal.threw(0, 44, "Error: x")).toEqual({ from: 44, to: 44, deaths: 1, error: "Error: x" });
    expect(JSON.parse(readFileSync(join(temporary.path, SUSPECTS_FILE), "utf8"))).toEqual({
      program: "1.0.0",
      suspects: [{ group: 0, from: 44, to: 44, deaths: 1, error: "Error: x" }],
    });
    dieApplying(temporary.path, 44, 44);
    expect(open(temporary.path).suspect(0)).toEqual({ from: 44, to: 44, deaths: 2, error: "Error: x" });
  });

  test("forgets what was applied after all, and what a person removes", () => {
    using temporary = temporaryDirectory();
    const journal = open(temporary.path);
    journal.threw(0, 44, "Error: x");
    journal.cleared(0);
    expect(journal.suspect(0)).toBeUndefined();
    expect(existsSync(join(temporary.path, SUSPECTS_FILE))).toBe(false);
    expect(open(temporary.path).suspect(0)).toBeUndefined();
  });

  test("holds nothing against another version, nor against this one for a machine that went down", () => {
    using temporary = temporaryDirectory();
    const { path } = temporary;
    dieApplying(path, 1, 9);
    open(path).begin(0, 3, 3);
    expect(open(path, "1.0.1").suspect(0)).toBeUndefined();
    // The old version died last: its mark is not the new one's either.
    dieApplying(path, 3, 3);
    expect(open(path, "1.0.1").suspect(0)).toBeUndefined();

    dieApplying(path, 3, 3, "1.0.2");
    const file = join(path, MARK_FILE);
    const mark = readFileSync(file);
    const boot = mark.indexOf('"boot":"') + '"boot":"'.length;
    mark[boot] = (mark[boot] ?? 0) ^ 1;
    writeFileSync(file, mark);
    expect(open(path, "1.0.2").suspect(0)).toBeUndefined();
  });

  test.each([
    ["empty", "", "{"],
    ["cut short", "MARK\x01", '{"program":"1.0.0","suspects":7}'],
    [
      "of other bytes",
      "x".repeat(5_000),
      '{"program":"1.0.0","suspects":[null,{"group":0,"from":-1,"to":2,"deaths":3}]}',
    ],
  ])("takes files that are %s for none", (_what, mark, suspects) => {
    using temporary = temporaryDirectory();
    writeFileSync(join(temporary.path, MARK_FILE), mark, "latin1");
    writeFileSync(join(temporary.path, SUSPECTS_FILE), suspects);
    expect(open(temporary.path).suspect(0)).toBeUndefined();
    dieApplying(temporary.path, 3, 4);
    expect(open(temporary.path).suspect(0)).toMatchObject({ from: 3, to: 4, deaths: 1 });
  });

  test("takes one page, whatever is applied, and lies in the data directory as one of its own files", () => {
    using temporary = temporaryDirectory();
    const made = { clusterId: "c", clusterName: "c", nodeId: "n" };
    const fresh = () => ({ ...made, replica: 1, membership: undefined, shards: 0 });
    const identity = { ...made, fresh, identity: () => 1 };
    openDataDirectory(temporary.path, identity).close();
    const journal = open(temporary.path);
    for (let index = 1; index < 500; index++) journal.begin(0, index, index);
    journal.threw(0, 500, "x");
    expect(statSync(join(temporary.path, MARK_FILE)).size).toBe(4096);
    openDataDirectory(temporary.path, identity).close();
  });

  test("that cannot be written says so once, and ends nothing", () => {
    using temporary = temporaryDirectory();
    const errors: unknown[] = [];
    const journal = new ApplyJournalFile(temporary.path, { program: "1", onError: (error) => errors.push(error) });
    journal.close();
    for (let index = 1; index < 9; index++) journal.begin(0, index, index);
    journal.end();
    expect(journal.threw(0, 9, "x").deaths).toBe(1);
    expect(errors).toHaveLength(1);
  });
});
