import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Prng } from "../../../src/kernel/prng.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { fileFor, flipBits, loseEverything, truncateFile } from "../../torture/damage.ts";

const files = ["wal/0001", "snapshots/0-7", "hard-state", "identity.json", "wal/empty"];

function fill(directory: string): string {
  for (const folder of ["wal", "snapshots"]) mkdirSync(join(directory, folder));
  for (const file of files)
    writeFileSync(join(directory, file), Buffer.concat([Buffer.alloc(100, 7), Buffer.alloc(50)]));
  writeFileSync(join(directory, "wal/empty"), Buffer.alloc(150));
  return directory;
}

describe("damage to the files of a node", () => {
  test("is done to its log, its snapshots and its promises, never to who it is or to what is empty", () => {
    using temporary = temporaryDirectory();
    const directory = fill(temporary.path);
    const prng = new Prng(1);
    const chosen = new Set(Array.from({ length: 100 }, () => fileFor(directory, prng)));
    expect(chosen).toEqual(new Set(["wal/0001", "snapshots/0-7", "hard-state"].map((file) => join(directory, file))));
  });

  test("flips one to three bits of what is used, and leaves the length", () => {
    using temporary = temporaryDirectory();
    const path = join(fill(temporary.path), "wal/0001");
    const before = readFileSync(path);
    flipBits(path, new Prng(2));
    const after = readFileSync(path);
    const changed = [...after].filter((byte, i) => byte !== before[i]).length;
    expect(after).toHaveLength(before.length);
    expect(changed).toBeGreaterThan(0);
    expect(changed).toBeLessThanOrEqual(3);
  });

  test("cuts a file within what is used", () => {
    using temporary = temporaryDirectory();
    const path = join(fill(temporary.path), "wal/0001");
    truncateFile(path, new Prng(3));
    expect(readFileSync(path).length).toBeLessThan(100);
  });

  test("that makes a node forget leaves only who it is", () => {
    using temporary = temporaryDirectory();
    const directory = fill(temporary.path);
    loseEverything(directory);
    expect(files.filter((file) => existsSync(join(directory, file)))).toEqual(["identity.json"]);
  });
});
