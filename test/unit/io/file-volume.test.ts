import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FileReads } from "../../../src/io/file-reads.ts";
import { FileVolume } from "../../../src/io/file-volume.ts";
import { ExcerptReader } from "../../../src/wal/excerpt.ts";
import type { SegmentedLog } from "../../../src/wal/log.ts";
import { openLog } from "../../../src/wal/open-log.ts";
import { eventually } from "../../support/eventually.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { countingIdentity, entries, entry, filler, hardState, logStart, readAll } from "../../support/wal.ts";

function created(volume: FileVolume, name: string, size: number): Promise<Error | undefined> {
  return new Promise((resolve) => volume.create(name, size, resolve));
}

function openedLog(volume: FileVolume): Promise<SegmentedLog> {
  return new Promise((resolve, reject) => {
    const options = { identity: countingIdentity(), segmentBytes: 65536 };
    openLog(volume, options, (error, log) => (log === undefined ? reject(error) : resolve(log)));
  });
}

function flushed(log: SegmentedLog, ...records: Parameters<SegmentedLog["flush"]>[0]): Promise<void> {
  return new Promise((resolve, reject) => log.flush(records, (error) => (error ? reject(error) : resolve())));
}

describe("FileVolume", () => {
  test("creates a file of zeros that appears under its name when it is whole", async () => {
    using temporary = temporaryDirectory();
    const volume = new FileVolume(temporary.path);
    const done = created(volume, "a", 700_000);
    expect(volume.list()).toEqual([]);
    expect(await done).toBeUndefined();
    expect(volume.list()).toEqual(["a"]);
    expect(volume.size("a")).toBe(700_000);
    expect(volume.read("a", 0, 1_000_000).every((byte) => byte === 0)).toBe(true);
    await volume.close();
  });

  test("writes, syncs and reads at offsets", async () => {
    using temporary = temporaryDirectory();
    const durations: number[] = [];
    const volume = new FileVolume(temporary.path, { onSynced: (durationMs) => durations.push(durationMs) });
    await created(volume, "a", 1000);
    volume.write("a", 990, filler(10));
    let synced = 0;
    volume.sync("a", (error) => {
      expect(error).toBeUndefined();
      synced++;
    });
    expect(synced).toBe(1);
    expect(durations).toHaveLength(1);
    await volume.close();
    const again = new FileVolume(temporary.path);
    expect(again.read("a", 990, 100)).toEqual(filler(10));
    expect(again.read("a", 2000, 5)).toHaveLength(0);
    await again.close();
  });

  test("removes what a crash left unfinished", async () => {
    using temporary = temporaryDirectory();
    writeFileSync(join(temporary.path, "b.tmp"), "half");
    await new FileVolume(temporary.path).close();
    expect(existsSync(join(temporary.path, "b.tmp"))).toBe(false);
  });

  test("reports a create that fails, and leaves nothing behind", async () => {
    using temporary = temporaryDirectory();
    const volume = new FileVolume(temporary.path);
    expect(await created(volume, "missing/a", 100)).toBeInstanceOf(Error);
    expect(readdirSync(temporary.path)).toEqual([]);
    await volume.close();
  });

  test("refuses a file for which there is no room before it writes anything", async () => {
    using temporary = temporaryDirectory();
    const volume = new FileVolume(temporary.path);
    expect(await created(volume, "a", 2 ** 52)).toMatchObject({ code: "ENOSPC" });
    expect(readdirSync(temporary.path)).toEqual([]);
    // Want of room is no error of the disk: what is there can be written.
    await created(volume, "b", 100);
    const errors: unknown[] = [];
    volume.sync("b", (error) => errors.push(error));
    expect(errors).toEqual([undefined]);
    await volume.close();
  });

  test("passes an error of fdatasync on, and never tries again", async () => {
    using temporary = temporaryDirectory();
    const volume = new FileVolume(temporary.path);
    await created(volume, "a", 100);
    const errors: (Error | undefined)[] = [];
    volume.sync("missing", (error) => errors.push(error));
    volume.sync("a", (error) => errors.push(error));
    expect(errors).toHaveLength(2);
    expect(errors[0]).toBeInstanceOf(Error);
    expect(errors[1]).toBe(errors[0]);
    await volume.close();
  });

  test("removes a file, and reports one that is not there", async () => {
    using temporary = temporaryDirectory();
    const volume = new FileVolume(temporary.path);
    await created(volume, "a", 100);
    const remove = (): Promise<Error | undefined> => new Promise((resolve) => volume.remove("a", resolve));
    expect(await remove()).toBeUndefined();
    expect(readdirSync(temporary.path)).toEqual([]);
    expect(await remove()).toBeInstanceOf(Error);
    await volume.close();
  });

  test("stays small under a log that is compacted", async () => {
    using temporary = temporaryDirectory();
    const volume = new FileVolume(temporary.path);
    const log = await openedLog(volume);
    for (let index = 1; index <= 200; index++) {
      await flushed(log, entries(0, entry(index, 1, filler(8000, index))));
      if (index % 20 === 0) await flushed(log, logStart(0, index - 5));
    }
    await eventually(() => readdirSync(temporary.path).length < 12, { what: "old segments are deleted" });
    await volume.close();
    const again = new FileVolume(temporary.path);
    expect(readAll(await openedLog(again))).toHaveLength(5);
    await again.close();
  });

  test("lets another reader follow a pinned stretch of the log, though it is compacted meanwhile", async () => {
    using temporary = temporaryDirectory();
    const volume = new FileVolume(temporary.path);
    const log = await openedLog(volume);
    for (let index = 1; index <= 30; index++) await flushed(log, entries(0, entry(index, 1, filler(8000, index))));
    const pinned = log.pin(0, 3, 25);
    await flushed(log, logStart(0, 29));
    for (let index = 31; index <= 60; index++) await flushed(log, entries(0, entry(index, 1, filler(8000, index))));
    const elsewhere = new FileReads(temporary.path);
    const found = new ExcerptReader(elsewhere, structuredClone(pinned.excerpt)).read(0, 3, 25, 1e9);
    expect(found.map(({ index }) => index)).toEqual(Array.from({ length: 23 }, (_, i) => i + 3));
    expect(found[9]).toEqual(entry(12, 1, filler(8000, 12)));
    expect(elsewhere.read(pinned.excerpt.segments[0]!.name, 65_530, 100)).toHaveLength(6);
    elsewhere.close();
    // The last one holds an entry behind the compaction point, too.
    const names = pinned.excerpt.segments.slice(0, -1).map(({ name }) => name);
    expect(readdirSync(temporary.path)).toEqual(expect.arrayContaining(names));
    pinned.release();
    const isGone = (): boolean => !names.some((name) => readdirSync(temporary.path).includes(name));
    await eventually(isGone, { what: "released segments are deleted" });
    await volume.close();
  });

  test("makes and reads files when every descriptor of the process is taken", async () => {
    using temporary = temporaryDirectory();
    const script = join(import.meta.dir, "../../support/exhaust-descriptors.ts");
    const child = Bun.spawn(
      ["sh", "-c", 'ulimit -n 200 && exec "$@"', "sh", process.execPath, script, temporary.path],
      {
        stdout: "pipe",
        stderr: "inherit",
      },
    );
    expect(await new Response(child.stdout).text()).toBe("a b c d e\n");
  });

  test("carries a log over restarts and segments", async () => {
    using temporary = temporaryDirectory();
    let last = 0;
    for (let restart = 0; restart < 3; restart++) {
      const volume = new FileVolume(temporary.path);
      const log = await openedLog(volume);
      expect(readAll(log)).toHaveLength(last);
      expect(log.recovered.get(0)?.hardState.term).toBe(restart === 0 ? undefined : restart);
      await flushed(log, hardState(0, restart + 1, 1));
      for (let i = 0; i < 20; i++) await flushed(log, entries(0, entry(++last, 1, filler(8000, last))));
      await volume.close();
    }
    expect(readdirSync(temporary.path).length).toBeGreaterThan(6);
  });
});
