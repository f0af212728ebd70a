import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lockDirectory } from "../../../src/io/directory-lock.ts";
import { LockMachine } from "../../../src/locks/lock-machine.ts";
import { recoverSurvivor, surveySurvivor } from "../../../src/server/succession/recover-survivor.ts";
import { readSurvivor } from "../../../src/server/succession/survivor.ts";
import { encodeConfiguration } from "../../../src/raft/configuration.ts";
import type { Entry } from "../../../src/raft/types.ts";
import type { LogRecord } from "../../../src/wal/records.ts";
import { folderDigest } from "../../support/folder-digest.ts";
import { commandEntries, exclusive, registration, writeNodeData } from "../../support/node-data.ts";
import { entries, hardState, logStart } from "../../support/wal.ts";

const folder = mkdtempSync(join(tmpdir(), "mufakat-recover-"));
const path = join(folder, "node2");
const kept = `${path}.before-recovery`;
const silent = (): void => {};
afterEach(() => {
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
});

const log: readonly Entry[] = commandEntries(1, 4, [registration, exclusive("x", "a"), exclusive("y", "b")]);

function stateAfter(list: readonly Entry[]): LockMachine {
  const machine = new LockMachine();
  for (const entry of list) machine.apply(entry, () => {});
  return machine;
}

describe("recovering from a survivor", () => {
  test("keeps every entry of its log, known as committed or not, and raises the tokens", async () => {
    await writeNodeData({ path, records: [hardState(0, 6, 1), entries(0, ...log)] });
    const before = folderDigest(path);
    const { identity, generation, point, keptAt, tokenFloor } = await recoverSurvivor(path, silent, 0);
    expect([generation, tokenFloor, keptAt]).toEqual([1, 2 ** 40, kept]);
    expect(point).toEqual({ index: 3, term: 4, leaseTimeMs: 30 });
    expect(identity).toMatchObject({ clusterName: "orders", nodeId: "node2", replica: 9 });
    expect([identity.clusterId === "c0", identity.incarnation === 12_345]).toEqual([false, false]);
    // What the old node had is there, byte for byte.
    expect(folderDigest(kept)).toEqual(before);
    const { machine } = readSurvivor(path, silent);
    const expected = stateAfter(log);
    expected.raiseGeneration(0);
    expect(machine.digest()).toBe(expected.digest());
  });

  test("begins with its newest snapshot where the log has forgotten what came before", async () => {
    const machine = stateAfter(log);
    const later = commandEntries(4, 5, [exclusive("z", "c")]);
    const records = [hardState(0, 5, 2), logStart(0, 3, 4, false), entries(0, ...later)];
    await writeNodeData({ path, records, snapshot: { machine, point: { index: 3, term: 4, leaseTimeMs: 30 } } });
    const { counts, point } = await recoverSurvivor(path, silent, 0);
    expect([counts.holds, point.index, point.term]).toEqual([3, 4, 5]);
  });

  test("says what there is before it is told to, and changes nothing", async () => {
    await writeNodeData({ path, records: [hardState(0, 6, 1), entries(0, ...log)] });
    const before = folderDigest(path);
    expect(surveySurvivor(path, silent)).toMatchObject({
      ...{ path, nodeId: "node2", clusterName: "orders", clusterId: "c0" },
      last: { index: 3, term: 4 },
      counts: { holds: 2 },
    });
    expect(folderDigest(path)).toEqual(before);
    expect(readdirSync(folder)).toEqual(["node2"]);
  });

  test("says that a node lacks what it had acknowledged, while its damaged log is not repaired", async () => {
    const damaged = {
      type: "hardState",
      group: 0,
      hardState: { term: 6, vote: 0, floor: { index: 9, term: 5 } },
    } as const;
    await writeNodeData({ path, records: [damaged, entries(0, ...log)] });
    expect(surveySurvivor(path, silent)).toMatchObject({ last: { index: 3 }, missing: { index: 9, term: 5 } });
    const { generation } = await recoverSurvivor(path, silent, 0);
    expect([generation, readSurvivor(path, silent).missing]).toEqual([1, undefined]);
  });

  test("twice makes two clusters, one after the other, and keeps all that was there", async () => {
    await writeNodeData({ path, records: [hardState(0, 6, 1), entries(0, ...log)] });
    const first = await recoverSurvivor(path, silent, 0);
    const second = await recoverSurvivor(path, silent, 0);
    expect([first.generation, second.generation]).toEqual([1, 2]);
    expect(second.keptAt).toBe(`${kept}-2`);
    expect(readSurvivor(kept, silent).identity.clusterId).toBe("c0");
    expect(readSurvivor(`${kept}-2`, silent).identity.clusterId).toBe(first.identity.clusterId);
  });
});

describe("recovering a node of several groups", () => {
  const locks = (): LockMachine => new LockMachine();
  const shardLog = commandEntries(1, 8, [registration, exclusive("s", "a")]);
  const moved: LogRecord = {
    type: "entries",
    group: 2,
    entries: [
      {
        ...{ index: 1, term: 3, kind: "configuration", leaseTimeMs: 0 },
        payload: encodeConfiguration({ voters: [1, 3], learners: [] }),
      },
    ],
  };
  const write = (): Promise<void> =>
    writeNodeData({
      ...{ path, shards: 3 },
      records: [hardState(0, 6, 1), entries(0, ...log), hardState(1, 8, 2), entries(1, ...shardLog), moved],
    });

  test("says of each what there is: another survivor may have more of one, or one may be elsewhere", async () => {
    await write();
    expect(surveySurvivor(path, silent, locks).shards).toEqual([
      { group: 1, last: { index: 2, term: 8, leaseTimeMs: 20 }, missing: undefined, isMember: true },
      { group: 2, last: { index: 1, term: 3, leaseTimeMs: 0 }, missing: undefined, isMember: false },
      // One of the first three, that never heard of it.
      { group: 3, last: { index: 0, term: 0, leaseTimeMs: 0 }, missing: undefined, isMember: true },
    ]);
  });

  test("keeps every one, raises tokens in the control group alone, and has one replica of each", async () => {
    await write();
    const { identity, generation } = await recoverSurvivor(path, silent, 0, locks);
    expect([generation, identity.shards, identity.replica]).toEqual([1, 3, 9]);
    const { shards } = readSurvivor(path, silent, locks);
    expect(shards.map(({ last }) => last.index)).toEqual([2, 1, 0]);
    expect(shards[0]?.machine.digest()).toBe(stateAfter(shardLog).digest());
    for (const { configuration } of shards) expect(configuration.voters).toEqual([9]);
  });

  test("is refused by a release that does not know one", async () => {
    await write();
    expect(() => surveySurvivor(path, silent, () => undefined)).toThrow("This release knows no group 1");
  });
});

describe("a recovery that was cut short", () => {
  test("while the new directory was made, is begun anew", async () => {
    await writeNodeData({ path, records: [hardState(0, 6, 1), entries(0, ...log)] });
    await writeNodeData({ path: `${path}.recovered`, records: [] });
    renameSync(join(`${path}.recovered`, "VERSION"), join(`${path}.recovered`, "unfinished"));
    const { generation } = await recoverSurvivor(path, silent, 0);
    expect(generation).toBe(1);
    expect(readdirSync(folder).sort()).toEqual(["node2", "node2.before-recovery"]);
  });

  test("before the mark of the new directory was whole, is begun anew", async () => {
    await writeNodeData({ path, records: [hardState(0, 6, 1), entries(0, ...log)] });
    mkdirSync(`${path}.recovered`);
    writeFileSync(join(`${path}.recovered`, "unfinished.tmp"), "");
    const { generation } = await recoverSurvivor(path, silent, 0);
    expect(generation).toBe(1);
    expect(readdirSync(folder).sort()).toEqual(["node2", "node2.before-recovery"]);
  });

  test.each(["between the two renames", "before the new directory was let loose"])("%s, is finished", async (when) => {
    await writeNodeData({ path, records: [hardState(0, 6, 1), entries(0, ...log)] });
    const { identity } = await recoverSurvivor(path, silent, 0);
    renameSync(join(path, "VERSION"), join(path, "unfinished"));
    if (when === "between the two renames") renameSync(path, `${path}.recovered`);
    expect(() => surveySurvivor(path, silent)).toThrow("was cut short there: run that again");
    const finished = await recoverSurvivor(path, silent, 0);
    expect(finished).toMatchObject({ identity, generation: 1, keptAt: undefined });
    expect(readdirSync(folder).sort()).toEqual(["node2", "node2.before-recovery"]);
    expect(readdirSync(path)).toContain("VERSION");
  });
});

describe("a recovery is refused, and changes nothing", () => {
  const refused = async (sentence: string): Promise<void> => {
    const before = folderDigest(folder);
    await expect(recoverSurvivor(path, silent, 0)).rejects.toThrow(sentence);
    expect(() => surveySurvivor(path, silent)).toThrow(sentence);
    expect(folderDigest(folder)).toEqual(before);
  };

  test("when there is no data of a node, or half of it", async () => {
    await refused("There is no data of a node in");
    await writeNodeData({ path, records: [] });
    rmSync(join(path, "VERSION"));
    await refused("There is no data of a node in");
    writeFileSync(join(path, "unfinished"), "mufakat data 1\n");
    rmSync(join(path, "identity.json"));
    await refused("was cut short there: run that again");
  });

  test("when the node runs", async () => {
    await writeNodeData({ path, records: [hardState(0, 6, 1), entries(0, ...log)] });
    const lock = lockDirectory(path);
    await expect(recoverSurvivor(path, silent, 0)).rejects.toThrow("is in use by another process");
    lock.release();
  });

  test("when its log is damaged, its snapshot is lost, or its data is of a newer format", async () => {
    const records = [hardState(0, 6, 1), logStart(0, 3, 4, false)];
    const point = { index: 3, term: 4, leaseTimeMs: 30 };
    await writeNodeData({ path, records, snapshot: { machine: stateAfter(log), point } });
    const [snapshot = ""] = readdirSync(join(path, "snapshots"));
    writeFileSync(join(path, "snapshots", snapshot), "rot");
    await refused("is damaged");
    rmSync(join(path, "snapshots", snapshot));
    await refused("is missing");
    writeFileSync(join(path, "VERSION"), "mufakat data 2\n");
    await refused("start the newer release");
  });

  test.each([false, true])("when there is nothing in its log, whether a snapshot is there: %p", async (hasSnapshot) => {
    const point = { index: 3, term: 4, leaseTimeMs: 30 };
    const forgotten = [hardState(0, 6, 1), logStart(0, 3, 4, false)];
    if (hasSnapshot) await writeNodeData({ path, records: forgotten, snapshot: { machine: stateAfter(log), point } });
    else await writeNodeData({ path, records: [hardState(0, 6, 1), entries(0, ...log)] });
    const segments = join(path, "wal");
    for (const name of readdirSync(segments)) rmSync(join(segments, name));
    const sentence = `There is nothing in ${segments}: recover from another node that survived, or restore a backup.`;
    await refused(sentence);
    rmSync(segments, { recursive: true });
    await refused(sentence);
  });

  test("when somebody's files are where the new directory is made", async () => {
    await writeNodeData({ path, records: [hardState(0, 6, 1), entries(0, ...log)] });
    await writeNodeData({ path: `${path}.recovered`, records: [] });
    await expect(recoverSurvivor(path, silent, 0)).rejects.toThrow("holds the data of node");
    expect(readdirSync(folder).sort()).toEqual(["node2", "node2.recovered"]);
  });
});
