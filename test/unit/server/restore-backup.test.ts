import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDataDirectory } from "../../../src/io/data-directory.ts";
import { NewDataDirectory } from "../../../src/io/new-data-directory.ts";
import { BackupError } from "../../../src/kernel/backup-error.ts";
import { LockMachine } from "../../../src/locks/lock-machine.ts";
import { restoreBackup, type Restored } from "../../../src/server/succession/restore-backup.ts";
import { readSurvivor } from "../../../src/server/succession/survivor.ts";
import { backupFile } from "../../support/backup-file.ts";
import { folderDigest } from "../../support/folder-digest.ts";
import { commandEntries, exclusive, registration, threeNodes } from "../../support/node-data.ts";
import { contentOf, restoreInto } from "../locks/snapshots.ts";

const GENERATION_STEP = 2 ** 40;
const LAST_INDEX = 6;

const folder = mkdtempSync(join(tmpdir(), "mufakat-restore-"));
let made = 0;
afterEach(() => {
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
});

function machineWithLocks(): LockMachine {
  const machine = new LockMachine();
  const session = { kind: "session", id: "s" } as const;
  const commands = [
    registration,
    { type: "openSession", session: "s", ttlMs: 60_000 } as const,
    exclusive("x", "a"),
    exclusive("y", "b"),
    exclusive("x", "c", 60_000),
    { ...exclusive("z", ""), principal: session, ttlMs: 0 },
  ];
  for (const entry of commandEntries(1, 4, commands)) machine.apply(entry, () => {});
  return machine;
}

const place = { index: LAST_INDEX, term: 4, leaseTimeMs: 10 * LAST_INDEX, configuration: threeNodes };

function fileOf(bytes: Uint8Array): string {
  const file = join(folder, `backup-${++made}`);
  writeFileSync(file, bytes);
  return file;
}

function restored(bytes: Uint8Array, dataDirectory = join(folder, `data-${++made}`), wallMs = 0): Promise<Restored> {
  const options = { file: fileOf(bytes), dataDirectory, nodeId: "node1", clusterName: undefined, wallMs };
  return restoreBackup(options, () => {});
}

async function refusal(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("it was not refused");
}

/** What the only node of the new cluster starts with. */
const readBack = (path: string) => readSurvivor(path, () => {});

describe("restoring a backup", () => {
  test("makes a cluster of one node with another id, a replica that nobody had, and all of the state", async () => {
    const machine = machineWithLocks();
    const { path, identity, counts, generation } = await restored(backupFile([contentOf(machine)], place));
    expect(identity).toMatchObject({ clusterName: "orders", nodeId: "node1", replica: 9 });
    expect(identity.clusterId).toMatch(/^[0-9a-f]{32}$/);
    expect(identity.clusterId).not.toBe("0123456789abcdef0123456789abcdef");
    expect([counts, generation]).toEqual([machine.counts, 1]);
    const survivor = readBack(path);
    expect(survivor.identity).toEqual(identity);
    expect(survivor.last).toEqual({ index: LAST_INDEX, term: 4, leaseTimeMs: 60 });
    expect([survivor.configuration.voters, survivor.configuration.facts?.nextReplica]).toEqual([[9], 10]);
    for (const lock of ["x", "y", "z"]) expect(survivor.machine.view(lock)).toEqual(machine.view(lock));
    machine.raiseGeneration(0);
    expect(survivor.machine.digest()).toBe(machine.digest());
  });

  test("makes every new token larger than any that the old cluster ever gave out", async () => {
    const machine = machineWithLocks();
    const { path, tokenFloor } = await restored(backupFile([contentOf(machine)], place));
    // What happened after the backup: the old cluster gave out more.
    const old = restoreInto(new LockMachine(), contentOf(machine));
    const grants: number[] = [];
    for (const entry of commandEntries(
      LAST_INDEX + 1,
      4,
      Array.from({ length: 50 }, (_, i) => exclusive(`n${i}`, "a")),
    )) {
      old.apply(entry, ({ result }) => result?.type === "granted" && grants.push(result.fencingToken));
    }
    const { machine: begun } = readBack(path);
    let first = 0;
    for (const entry of commandEntries(LAST_INDEX + 1, 5, [exclusive("new", "b")])) {
      begun.apply(entry, ({ result }) => void (first = result?.type === "granted" ? result.fencingToken : 0));
    }
    expect(grants).toHaveLength(50);
    expect(first).toBeGreaterThan(Math.max(...grants));
    expect(first).toBe(GENERATION_STEP + 1);
    expect([first > tokenFloor, Math.max(...grants) <= tokenFloor]).toEqual([true, true]);
  });

  test("twice, of the same backup, gives larger tokens the second time than the first cluster ever gave out", async () => {
    const file = backupFile([contentOf(machineWithLocks())], place);
    const day = Date.UTC(2026, 10, 27);
    const first = await restored(file, undefined, day + 3_600_000);
    const second = await restored(file, undefined, day + 7_200_000);
    const nextDay = await restored(file, undefined, day + 86_400_000);
    expect([first, second, nextDay].map(({ generation }) => generation)).toEqual([330, 330, 331]);
    // An hour at 500 grants a second lies between the first two.
    expect(second.tokenFloor - first.tokenFloor).toBeGreaterThan(3_600 * 500);
    expect(nextDay.tokenFloor - second.tokenFloor).toBeGreaterThan(GENERATION_STEP / 2);
  });

  test("raises the tokens each time, and says so when they cannot be raised any more", async () => {
    const machine = machineWithLocks();
    machine.raiseGeneration(0);
    const second = await restored(backupFile([contentOf(machine)], place));
    expect(second.generation).toBe(2);
    while (machine.raiseGeneration(0) === undefined);
    const error = await refusal(restored(backupFile([contentOf(machine)], place)));
    expect(error.message).toContain("as often as its tokens allow");
  });

  test("leaves a directory that a node opens, and not another one's", async () => {
    const { path, identity } = await restored(backupFile([contentOf(machineWithLocks())], place));
    const options = { nodeId: "node1", clusterName: "orders", clusterId: "any", identity: () => 1 };
    const open = (nodeId: string) =>
      openDataDirectory(path, { ...options, nodeId, fresh: () => ({ ...identity, nodeId }) });
    expect(() => open("node2")).toThrow('belongs to node "node1"');
    const directory = open("node1");
    expect(directory.identity).toEqual(identity);
    directory.close();
  });
});

describe("restoring a backup of several groups", () => {
  const locks = (): LockMachine => new LockMachine();
  const options = () => ({ dataDirectory: join(folder, `data-${++made}`), nodeId: "node1", clusterName: undefined });

  test("brings each of them as it was, raises tokens in the control group alone, and keeps how many there are", async () => {
    const machine = machineWithLocks();
    const shard = new LockMachine();
    for (const entry of commandEntries(1, 4, [registration, exclusive("s", "a")])) shard.apply(entry, () => {});
    const file = fileOf(backupFile([contentOf(machine), contentOf(shard), contentOf(new LockMachine())], place));
    const { path, identity } = await restoreBackup({ ...options(), file, wallMs: 0, machineFor: locks }, () => {});
    expect([identity.shards, identity.replica]).toEqual([2, 9]);
    const survivor = readSurvivor(path, () => {}, locks);
    expect(survivor.identity).toEqual(identity);
    machine.raiseGeneration(0);
    const digests = [survivor, ...survivor.shards].map((group) => group.machine.digest());
    expect(digests).toEqual([machine, shard, new LockMachine()].map((each) => each.digest()));
    for (const { last, configuration } of survivor.shards) {
      expect(last).toEqual({ index: LAST_INDEX, term: 4, leaseTimeMs: 60 });
      // Who the nodes are the control group says.
      expect(configuration).toEqual({ voters: [9], learners: [] });
    }
  });

  test("reads to the end before it refuses one that this release does not know, and tells it from damage", async () => {
    const contents = [machineWithLocks(), new LockMachine()].map(contentOf);
    const file = backupFile(contents, place);
    const machineFor = () => undefined;
    const unknown = await refusal(restoreBackup({ ...options(), file: fileOf(file), machineFor }, () => {}));
    expect(unknown).toMatchObject({ code: "other_format" });
    expect(unknown.message).toContain("a group 1): restore it with release 0.1.0");
    file[file.length - 100] = (file[file.length - 100] ?? 0) ^ 1;
    const damaged = await refusal(restoreBackup({ ...options(), file: fileOf(file) }, () => {}));
    expect(damaged).toMatchObject({ code: "damaged_backup" });
  });
});

describe("a restoration is refused, and changes nothing", () => {
  test("when any part of the file is damaged", async () => {
    const file = backupFile([contentOf(machineWithLocks())], place);
    const dataDirectory = join(folder, "never");
    for (let at = 0; at < file.length; at += at < 600 ? 7 : 701) {
      const damaged = file.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 0x10;
      const error = await refusal(restored(damaged, dataDirectory));
      expect(error).toBeInstanceOf(BackupError);
      expect((error as BackupError).code).toBe(at < 8 ? "not_a_backup" : "damaged_backup");
    }
    expect(readdirSync(folder)).not.toContain("never");
  });

  test("when the file is cut short, or goes on behind its end, or is no backup at all", async () => {
    const file = backupFile([contentOf(machineWithLocks())], place);
    for (const length of [16, 60, 500, 8_192, file.length - 20, file.length - 1]) {
      expect((await refusal(restored(file.slice(0, length)))).message).toContain("is cut short");
    }
    expect((await refusal(restored(new Uint8Array([...file, 0])))).message).toContain("goes on behind its end");
    for (const bytes of [new Uint8Array(0), new TextEncoder().encode("a letter to somebody else")]) {
      expect((await refusal(restored(bytes))).message).toBe("is not a backup of mufakat");
    }
  });

  test("when its state is of another version: that is told apart from damage, and the version named", async () => {
    const content = contentOf(machineWithLocks());
    content[8] = 99;
    const error = await refusal(restored(backupFile([content], place)));
    expect(error).toMatchObject({ code: "other_format" });
    expect(error.message).toMatch(/in format 99.*: restore it with release 0\.1\.0$/);
    const twoGroups = await refusal(restored(backupFile([contentOf(machineWithLocks()), content], place)));
    expect(twoGroups).toMatchObject({ code: "other_format" });
  });

  test("when there is no such file", async () => {
    const options = { dataDirectory: join(folder, "never"), nodeId: "node1", clusterName: undefined };
    const error = await refusal(restoreBackup({ ...options, file: join(folder, "nothing") }, () => {}));
    expect(error.message).toContain("there is no such file");
  });

  test("over anything that is there: a node's data, somebody's files", async () => {
    const file = backupFile([contentOf(machineWithLocks())], place);
    const { path } = await restored(file);
    const before = folderDigest(path);
    const error = await refusal(restored(file, path));
    expect(error.message).toContain('holds the data of node "node1" of cluster "orders"');
    expect(folderDigest(path)).toEqual(before);
    const home = join(folder, "home");
    mkdirSync(home);
    writeFileSync(join(home, "letter.txt"), "dear");
    expect((await refusal(restored(file, home))).message).toContain("it has letter.txt");
    expect(readdirSync(home)).toEqual(["letter.txt"]);
  });

  test("where no directory can be, or another process is making one", async () => {
    const file = backupFile([contentOf(machineWithLocks())], place);
    writeFileSync(join(folder, "file"), "");
    for (const path of [join(folder, "file"), join(folder, "file", "below")]) {
      expect((await refusal(restored(file, path))).message).toContain("is not a directory");
    }
    const path = join(folder, "busy");
    const busy = new NewDataDirectory(path);
    expect((await refusal(restored(file, path))).message).toContain("is in use by another process");
    busy.close();
    await restored(file, path);
  });

  test.each([
    ["and none that was cut short is started: it is begun anew", "unfinished", "mufakat data 1\n"],
    ["nor one that was cut short before its mark was whole", "unfinished.tmp", ""],
  ])("%s", async (_, mark, content) => {
    const file = backupFile([contentOf(machineWithLocks())], place);
    const path = join(folder, "half");
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, mark), content);
    if (mark === "unfinished") {
      mkdirSync(join(path, "snapshots"));
      writeFileSync(join(path, "snapshots", "0-0000000000000006-4-1.snapshot"), "half");
    }
    const options = { nodeId: "node1", clusterName: "orders", clusterId: "any", identity: () => 1 };
    expect(() =>
      openDataDirectory(path, {
        ...options,
        fresh: () => ({ ...options, replica: 1, membership: threeNodes, shards: 0 }),
      }),
    ).toThrow("was cut short there: run that again");
    await restored(file, path);
    expect(readdirSync(join(path, "snapshots"))).toHaveLength(1);
    expect(readBack(path).machine.generation).toBe(1);
  });
});
