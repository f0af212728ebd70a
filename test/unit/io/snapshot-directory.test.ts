import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SnapshotDirectory } from "../../../src/io/snapshot-directory.ts";
import type { Snapshot } from "../../../src/raft/types.ts";
import { SnapshotStore, readSnapshot } from "../../../src/wal/snapshot-store.ts";
import { SnapshotWriter } from "../../../src/wal/snapshot-writer.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { filler } from "../../support/wal.ts";

function ended(work: (done: (error?: Error) => void) => void): Promise<Error | undefined> {
  return new Promise((resolve) => work(resolve));
}

function finished(writer: SnapshotWriter): Promise<Snapshot> {
  return new Promise((resolve, reject) =>
    writer.finish((error, snapshot) => (snapshot === undefined ? reject(error) : resolve(snapshot))),
  );
}

describe("SnapshotDirectory", () => {
  test("lets files grow, renames them over others, and removes them", async () => {
    using temporary = temporaryDirectory();
    const files = new SnapshotDirectory(temporary.path);
    files.create("a");
    files.write("a", 0, filler(10));
    files.write("a", 10, filler(5));
    expect(await ended((done) => files.sync("a", done))).toBeUndefined();
    expect(files.size("a")).toBe(15);
    expect(files.read("a", 8, 100)).toHaveLength(7);
    files.create("b");
    files.write("b", 0, filler(3, 9));
    expect(await ended((done) => files.rename("b", "a", done))).toBeUndefined();
    expect(files.list()).toEqual(["a"]);
    expect(files.read("a", 0, 10)).toEqual(filler(3, 9));
    expect(await ended((done) => files.remove("a", done))).toBeUndefined();
    expect(readdirSync(temporary.path)).toEqual([]);
    await files.close();
  });

  test("frees a name at once: what is made in its place is not removed with what had it", async () => {
    using temporary = temporaryDirectory();
    const files = new SnapshotDirectory(temporary.path);
    files.create("a");
    files.write("a", 0, filler(1_000_000));
    const removed = ended((done) => files.remove("a", done));
    files.create("a");
    files.write("a", 0, filler(4));
    expect(await removed).toBeUndefined();
    expect(await ended((done) => files.sync("a", done))).toBeUndefined();
    expect(files.read("a", 0, 100)).toEqual(filler(4));
    expect(readdirSync(temporary.path)).toEqual(["a"]);
    await files.close();
  });

  test("reports what fails, and deletes at the start what was being deleted", async () => {
    using temporary = temporaryDirectory();
    writeFileSync(join(temporary.path, "x.1.gone"), "half");
    const files = new SnapshotDirectory(temporary.path);
    expect(files.list()).toEqual([]);
    files.sweep();
    expect(existsSync(join(temporary.path, "x.1.gone"))).toBe(false);
    for (const name of ["sync", "remove"] as const) {
      expect(await ended((done) => files[name]("missing", done))).toBeInstanceOf(Error);
    }
    expect(await ended((done) => files.rename("missing", "other", done))).toBeInstanceOf(Error);
    await files.close();
  });

  test("keeps snapshots over restarts, and another thread's copy reads and writes them", async () => {
    using temporary = temporaryDirectory();
    const files = new SnapshotDirectory(temporary.path);
    const store = new SnapshotStore(files);
    const elsewhere = new SnapshotDirectory(temporary.path);
    const writer = new SnapshotWriter(elsewhere, 0, {
      index: 9,
      term: 2,
      leaseTimeMs: 5,
      configuration: { voters: [1], learners: [] },
    });
    for (let piece = 0; piece < 20; piece++) writer.write(filler(200_000, piece));
    const snapshot = await finished(writer);
    store.adopt(0, snapshot);
    expect(snapshot.totalBytes).toBe(4_000_000);
    expect(store.read(0, snapshot, 200_000, 10)).toEqual(filler(10, 1));
    expect(readSnapshot(elsewhere, 0, snapshot, 400_000, 10)).toEqual(filler(10, 2));
    await Promise.all([files.close(), elsewhere.close()]);

    const reopened = new SnapshotDirectory(temporary.path);
    const incoming = { ...snapshot, index: 10 };
    const durable = Promise.withResolvers<number>();
    const again = new SnapshotStore(reopened);
    again.stored = (_group, error, _snapshot, bytes) =>
      error === undefined ? durable.resolve(bytes) : durable.reject(error);
    expect(again.newest(0)).toEqual(snapshot);
    again.receive(0, incoming, 0, filler(200_000, 0));
    expect(await durable.promise).toBe(200_000);
    await reopened.close();
    const last = new SnapshotDirectory(temporary.path);
    const recovered = new SnapshotStore(last).recovered.get(0);
    expect(recovered).toEqual({ newest: snapshot, incoming: { snapshot: incoming, durableBytes: 200_000 } });
    await last.close();
  });
});
