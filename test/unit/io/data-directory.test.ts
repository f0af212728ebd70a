import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DataDirectoryOptions, openDataDirectory, refuseDirectory } from "../../../src/io/data-directory.ts";
import type { Configuration } from "../../../src/raft/types.ts";
import { StartError } from "../../../src/kernel/start-error.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const MADE = { clusterId: "c1", clusterName: "shop", nodeId: "node1" };
const NODES = new Map(
  ["node1", "node2", "node3"].map((nodeId, i) => {
    return [i + 1, { nodeId, incarnation: 0, peerAddress: { host: "h", port: 9001 + i }, clientAddress: undefined }];
  }),
);
const FIRST: Configuration = { voters: [1, 2, 3], learners: [], facts: { nextReplica: 4, nodes: NODES } };
const fresh = () => ({ ...MADE, replica: 1, membership: FIRST, shards: 0 });
const IDENTITY = { ...MADE, fresh, identity: () => 4242 };

/** The sentence of the refusal. */
function refusal(path: string, options: Partial<DataDirectoryOptions> = {}): string {
  try {
    openDataDirectory(path, { ...IDENTITY, ...options }).close();
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    expect(error.message).toMatch(/^[^\n]+\.$/);
    return error.message;
  }
  throw new Error("it was not refused");
}

/** A directory that was opened once and closed. */
function opened(parent: string): string {
  const path = join(parent, "a", "data");
  openDataDirectory(path, IDENTITY).close();
  return path;
}

describe("openDataDirectory", () => {
  test("makes a directory with its parents, and finds the same identity again", () => {
    using temporary = temporaryDirectory();
    const path = opened(temporary.path);
    const again = openDataDirectory(path, { ...IDENTITY, identity: () => 1 });
    expect(again.identity.incarnation).toBe(4242);
    expect(readdirSync(again.logDirectory)).toEqual([]);
    expect(readFileSync(join(path, "VERSION"), "utf8")).toBe("mufakat data 1\n");
    expect(JSON.parse(readFileSync(join(path, "identity.json"), "utf8"))).toMatchObject({
      cluster_id: "c1",
      cluster_name: "shop",
      node_id: "node1",
      incarnation: 4242,
      replica: 1,
    });
    expect(again.identity).toEqual({ ...MADE, incarnation: 4242, replica: 1, membership: FIRST, shards: 0 });
    again.close();
  });

  test("knows how many shards its cluster has, and none where an earlier release made it", () => {
    using temporary = temporaryDirectory();
    const path = opened(temporary.path);
    const file = join(path, "identity.json");
    const before = readFileSync(file, "utf8");
    expect(before).not.toContain("shards");
    const rewritten = (shards: unknown): void => writeFileSync(file, JSON.stringify({ ...JSON.parse(before), shards }));
    rewritten(8);
    const again = openDataDirectory(path, IDENTITY);
    expect(again.identity.shards).toBe(8);
    again.settle(1, FIRST);
    again.close();
    expect(JSON.parse(readFileSync(file, "utf8")).shards).toBe(8);
    for (const damaged of [-1, 1.5, "8", 65]) {
      rewritten(damaged);
      expect(refusal(path)).toContain("identity.json is damaged");
    }
  });

  test("keeps the incarnations of peers", () => {
    using temporary = temporaryDirectory();
    const path = opened(temporary.path);
    const first = openDataDirectory(path, IDENTITY);
    expect(first.knownIncarnation(2)).toBeUndefined();
    first.rememberIncarnation(2, 7);
    first.rememberIncarnation(3, Number.MAX_SAFE_INTEGER);
    first.rememberIncarnation(2, 8);
    first.close();
    const second = openDataDirectory(path, IDENTITY);
    expect(second.knownIncarnation(2)).toBe(8);
    expect(second.knownIncarnation(3)).toBe(Number.MAX_SAFE_INTEGER);
    expect(second.knownIncarnation(4)).toBeUndefined();
    second.close();
  });

  test("remembers whether any other node has what this one acknowledges, beside the incarnations", () => {
    using temporary = temporaryDirectory();
    const path = opened(temporary.path);
    const first = openDataDirectory(path, IDENTITY);
    expect(first.isAlone).toBe(false);
    first.rememberIncarnation(2, 7);
    first.rememberAlone(true);
    expect([first.isAlone, first.hasMet]).toEqual([true, true]);
    first.close();
    const second = openDataDirectory(path, IDENTITY);
    expect([second.isAlone, second.hasMet, second.knownIncarnation(2)]).toEqual([true, true, 7]);
    second.rememberAlone(false);
    second.close();
    const third = openDataDirectory(path, IDENTITY);
    expect([third.isAlone, third.knownIncarnation(2)]).toEqual([false, 7]);
    third.close();
  });

  test("reads those that an earlier release kept by the ids of nodes, and its identity", () => {
    using temporary = temporaryDirectory();
    const path = opened(temporary.path);
    const before = { cluster_id: "c1", cluster_name: "shop", node_id: "node1", incarnation: 4242 };
    writeFileSync(join(path, "identity.json"), JSON.stringify(before));
    writeFileSync(join(path, "peers.json"), JSON.stringify({ node2: 7, node3: 8 }));
    expect(refusal(path, { clusterId: "c2" })).toContain("with other members: start the same ones as then");
    const directory = openDataDirectory(path, IDENTITY);
    expect(directory.identity).toMatchObject({ replica: undefined, membership: undefined, shards: 0 });
    expect([2, 3].map((replica) => directory.knownIncarnation(replica))).toEqual([7, 8]);
    directory.rememberIncarnation(4, 9);
    directory.settle(1, FIRST);
    directory.close();
    const again = openDataDirectory(path, { ...IDENTITY, clusterId: "c2" });
    expect(again.identity).toMatchObject({ replica: 1, membership: FIRST });
    expect([2, 3, 4].map((replica) => again.knownIncarnation(replica))).toEqual([7, 8, 9]);
    again.close();
  });

  test("finishes a directory whose making was cut short", () => {
    using temporary = temporaryDirectory();
    const late = ["snapshots", "votes", "wal"];
    for (const remove of [late, [...late, "identity.json"], [...late, "identity.json", "VERSION"]]) {
      const path = opened(join(temporary.path, String(remove.length)));
      for (const name of remove) rmSync(join(path, name), { recursive: true });
      writeFileSync(join(path, `${remove.at(-1)}.tmp`), "half");
      openDataDirectory(path, IDENTITY).close();
      expect(readdirSync(path)).toContain("wal");
    }
  });

  test("takes a fresh volume with what its file system put there", () => {
    using temporary = temporaryDirectory();
    mkdirSync(join(temporary.path, "lost+found"));
    writeFileSync(join(temporary.path, ".gitignore"), "*");
    // And what a process that was killed at once left of its lock.
    writeFileSync(join(temporary.path, "lock-journal"), "");
    openDataDirectory(temporary.path, IDENTITY).close();
  });
});

describe("openDataDirectory refuses in one sentence", () => {
  test("a directory in use by another process, with its pid, and takes it when that one was killed", async () => {
    using temporary = temporaryDirectory();
    const script = join(import.meta.dir, "../../support/hold-data-directory.ts");
    const holder = Bun.spawn([process.execPath, script, temporary.path, "shop", "node1"], { stdout: "pipe" });
    try {
      const { value } = await holder.stdout.getReader().read();
      expect(new TextDecoder().decode(value)).toBe("open\n");
      expect(refusal(temporary.path)).toBe(
        `The data directory ${temporary.path} is in use by another process (pid ${holder.pid}): stop it or choose another --data.`,
      );
    } finally {
      holder.kill("SIGKILL");
      await holder.exited;
    }
    openDataDirectory(temporary.path, IDENTITY).close();
  });

  test("a directory in use by this process", () => {
    using temporary = temporaryDirectory();
    const first = openDataDirectory(temporary.path, IDENTITY);
    expect(refusal(temporary.path)).toContain(`in use by another process (pid ${process.pid})`);
    first.close();
    openDataDirectory(temporary.path, IDENTITY).close();
  });

  test("a directory of another cluster or another node", () => {
    using temporary = temporaryDirectory();
    const path = opened(temporary.path);
    expect(refusal(path, { clusterName: "bank", clusterId: "c2" })).toContain(
      'belongs to cluster "shop", not to "bank"',
    );
    expect(refusal(path, { nodeId: "node2" })).toContain('belongs to node "node1", not to "node2"');
    openDataDirectory(path, IDENTITY).close();
  });

  test("a newer format, and changes nothing", () => {
    using temporary = temporaryDirectory();
    const path = opened(temporary.path);
    writeFileSync(join(path, "VERSION"), "mufakat data 2\n");
    expect(refusal(path)).toContain("has format 2 and this release knows formats up to 1: start the newer release");
    expect(readFileSync(join(path, "VERSION"), "utf8")).toBe("mufakat data 2\n");
  });

  test.each([
    ["VERSION", "something else"],
    ["VERSION", ""],
    ["identity.json", "{"],
    ["identity.json", '{"cluster_id":"c1","cluster_name":"shop","node_id":"node1","incarnation":0}'],
    ["peers.json", "[]"],
    ["peers.json", '{"node2":"7"}'],
    ["peers.json", ""],
  ])("a damaged %s: %s", (name, text) => {
    using temporary = temporaryDirectory();
    const path = opened(temporary.path);
    writeFileSync(join(path, name), text);
    expect(refusal(path)).toBe(
      `The file ${join(path, name)} is damaged: restore the data directory from a backup or replace the node.`,
    );
  });

  test.each(["VERSION", "identity.json"])("a directory with a log whose %s is missing", (name) => {
    using temporary = temporaryDirectory();
    const path = opened(temporary.path);
    rmSync(join(path, name));
    expect(refusal(path)).toContain(`${name} is missing`);
  });

  test("a directory of someone else, and leaves no file there", () => {
    using temporary = temporaryDirectory();
    writeFileSync(join(temporary.path, "thesis.txt"), "");
    expect(refusal(temporary.path)).toContain("not empty (it has thesis.txt)");
    expect(readdirSync(temporary.path)).toEqual(["thesis.txt"]);
  });

  test("a path that is a file, or below one", () => {
    using temporary = temporaryDirectory();
    const file = join(temporary.path, "file");
    writeFileSync(file, "");
    expect(refusal(file)).toContain("is not a directory");
    expect(refusal(join(file, "data"))).toContain("is not a directory");
  });

  // Root may write anywhere.
  test.skipIf(process.getuid?.() === 0)("a directory without permission", () => {
    using temporary = temporaryDirectory();
    chmodSync(temporary.path, 0o500);
    expect(refusal(join(temporary.path, "data"))).toContain("may not be written by this user");
    expect(refusal(temporary.path)).toContain("may not be written by this user");
    chmodSync(temporary.path, 0o700);
  });
});

describe("refuseDirectory", () => {
  const refused = (code: string): unknown =>
    refuseDirectory("/data", Object.assign(new Error(`${code}: what the system says`), { code }));

  test.each([
    ["ENOSPC", "The disk of the data directory /data is full: make room or choose another --data."],
    ["SQLITE_FULL", "The disk of the data directory /data is full: make room or choose another --data."],
    [
      "EROFS",
      "The data directory /data is on a file system that is read-only: mount it writable or choose another --data.",
    ],
    ["EACCES", "The data directory /data may not be written by this user: change its owner or choose another --data."],
    ["EIO", "The data directory /data cannot be used (EIO): choose another --data."],
  ])("makes one sentence of %s", (code, sentence) => {
    expect(refused(code)).toEqual(new StartError(sentence));
  });

  test("leaves alone what is no error of the system's", () => {
    const defect = new Error("a defect");
    expect(refuseDirectory("/data", defect)).toBe(defect);
  });
});
