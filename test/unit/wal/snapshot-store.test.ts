import { describe, expect, test } from "bun:test";
import { crc32c } from "../../../src/kernel/crc32c.ts";
import { limits } from "../../../src/kernel/limits.ts";
import type { GroupLog } from "../../../src/raft/storage.ts";
import type { Snapshot } from "../../../src/raft/types.ts";
import { NO_ROOM } from "../../../src/sim/memory-volume.ts";
import { MemorySnapshotFiles } from "../../../src/sim/memory-snapshot-files.ts";
import { SnapshotDamagedError, SnapshotFormatError, SnapshotLostError, isNoRoom } from "../../../src/wal/errors.ts";
import { writeU32 } from "../../../src/wal/integers.ts";
import { SNAPSHOT_HEAD_BYTES } from "../../../src/wal/snapshot-header.ts";
import { SnapshotStore, readSnapshot } from "../../../src/wal/snapshot-store.ts";
import { SnapshotWriter } from "../../../src/wal/snapshot-writer.ts";
import { filler } from "../../support/wal.ts";

const content = (index: number): Uint8Array => filler(2000 + index, index);
const configuration = { voters: [1, 2, 3], learners: [4] };
const point = (index: number) => ({ index, term: 3, leaseTimeMs: index * 10, configuration });
const stored: [number, number | string][] = [];

function openStore(files: MemorySnapshotFiles): SnapshotStore {
  stored.length = 0;
  const store = new SnapshotStore(files);
  store.stored = (_, error, { index }, bytes) => stored.push([index, error?.message ?? bytes]);
  return store;
}

function factsOf(index: number): Snapshot {
  const bytes = content(index);
  return { ...point(index), totalBytes: bytes.length, digest: crc32c(bytes) };
}

/** Made by this node itself. Throws what the disk says. */
function make(files: MemorySnapshotFiles, store: SnapshotStore, index: number, needed = 0): Snapshot {
  const writer = new SnapshotWriter(files, 0, point(index));
  const bytes = content(index);
  for (let at = 0; at < bytes.length; at += 700) writer.write(bytes.subarray(at, at + 700));
  let outcome: Snapshot | Error | undefined;
  writer.finish((error, snapshot) => (outcome = error ?? snapshot));
  if (outcome === undefined || outcome instanceof Error) throw outcome ?? new Error("not at once");
  store.adopt(0, outcome);
  store.prune(0, (snapshot) => snapshot.index === needed);
  return outcome;
}

function whole(store: SnapshotStore, snapshot: Snapshot): Uint8Array | undefined {
  return store.read(0, snapshot, 0, snapshot.totalBytes);
}

describe("a snapshot", () => {
  test("that was made is read back in pieces, also by the next process", () => {
    const files = new MemorySnapshotFiles();
    const made = make(files, openStore(files), 7);
    expect(made).toEqual(factsOf(7));
    files.crashPower(() => 1);
    const store = openStore(files);
    expect(store.recovered.get(0)).toEqual({ newest: made, incoming: undefined });
    expect(whole(store, made)).toEqual(content(7));
    expect(store.read(0, made, 1000, 10)).toEqual(content(7).subarray(1000, 1010));
    expect(store.read(0, factsOf(8), 0, 1)).toBeUndefined();
    expect(() => store.read(0, made, 2000, 8)).toThrow("only what is there");
  });

  test("is none before its file is durable under its name (PROTOCOLS D8)", () => {
    for (let steps = 0; steps < 2; steps++) {
      for (let seed = 0; seed < 8; seed++) {
        const files = new MemorySnapshotFiles({ delayed: true });
        const writer = new SnapshotWriter(files, 0, point(5));
        writer.write(content(5));
        let done = false;
        writer.finish(() => (done = true));
        for (let i = 0; i < steps; i++) files.pump();
        expect(done).toBe(false);
        let bit = 0;
        files.crashPower(() => ((seed >> (bit++ % 3)) & 1) / 2);
        const store = openStore(files);
        const newest = store.newest(0);
        if (newest !== undefined) expect(whole(store, newest)).toEqual(content(5));
        if (steps === 0) expect(newest).toBeUndefined();
        // Nothing else is left of it.
        while (files.pump());
        expect(files.list()).toHaveLength(newest === undefined ? 0 : 1);
      }
    }
  });

  test("is kept with the one before it, and as long as somebody needs it or reads it", () => {
    const files = new MemorySnapshotFiles();
    const store = openStore(files);
    const made = [1, 2, 3].map((index) => make(files, store, index));
    expect(files.list()).toHaveLength(2);
    expect(store.read(0, made[0]!, 0, 1)).toBeUndefined();
    expect(store.compactableIndex(0)).toBe(2);
    const release = store.pin(0, made[1]!);
    const fourth = make(files, store, 4);
    make(files, store, 5, 3);
    expect(files.list()).toHaveLength(4);
    expect(readSnapshot(files, 0, made[1]!, 0, 5)).toEqual(content(2).subarray(0, 5));
    store.prune(0, ({ index }) => index === 3);
    release();
    store.prune(0, ({ index }) => index === 3);
    expect(files.list()).toHaveLength(3);
    expect(whole(store, fourth)).toEqual(content(4));
    store.prune(0, () => false);
    expect(files.list()).toHaveLength(2);
  });

  test("lets nothing be compacted before there is another one to fall back on", () => {
    const files = new MemorySnapshotFiles();
    const store = openStore(files);
    expect(store.compactableIndex(0)).toBe(0);
    make(files, store, 10);
    expect(store.compactableIndex(0)).toBe(0);
    make(files, store, 20);
    expect(store.compactableIndex(0)).toBe(10);
    expect(openStore(files).compactableIndex(0)).toBe(10);
  });

  test("of which there is an older one that was slower leaves the newest what it is", () => {
    const files = new MemorySnapshotFiles();
    const store = openStore(files);
    const newest = make(files, store, 9);
    make(files, store, 8);
    make(files, store, 9);
    expect(store.newest(0)).toEqual(newest);
    expect(store.compactableIndex(0)).toBe(8);
  });

  test("belongs to its group", () => {
    const files = new MemorySnapshotFiles();
    const store = openStore(files);
    const made = make(files, store, 9);
    expect(store.newest(1)).toBeUndefined();
    expect(store.read(1, made, 0, 1)).toBeUndefined();
  });

  test("is written in small pieces, and is not empty", () => {
    const writer = new SnapshotWriter(new MemorySnapshotFiles(), 0, point(1));
    expect(() => writer.write(new Uint8Array(limits.maxSnapshotChunkBytes + 1))).toThrow("small");
    expect(() => writer.finish(() => {})).toThrow("empty");
  });

  test("for which there is no room costs nothing that is there", () => {
    const files = new MemorySnapshotFiles();
    const store = openStore(files);
    const made = make(files, store, 1);
    files.roomBytes = 1500;
    let failure: unknown;
    try {
      make(files, store, 2);
    } catch (error) {
      failure = error;
    }
    expect(failure instanceof Error && isNoRoom(failure)).toBe(true);
    expect(files.list()).toHaveLength(1);
    expect(files.roomBytes).toBe(1500);
    expect(store.newest(0)).toEqual(made);
    files.roomBytes = 1e9;
    make(files, store, 2);
  });

  test("that comes in and finds no room goes on, with the piece that found none, when there is some", () => {
    const files = new MemorySnapshotFiles();
    const store = openStore(files);
    const facts = factsOf(4);
    const bytes = content(4);
    files.roomBytes = SNAPSHOT_HEAD_BYTES + 1200;
    for (const at of [0, 500, 1000, 1500]) store.receive(0, facts, at, bytes.subarray(at, at + 500));
    const { message } = NO_ROOM;
    expect(stored).toEqual([500, 1000, message, message].map((bytes) => [4, bytes === message ? message : bytes]));
    files.roomBytes = 1e9;
    for (const at of [1000, 1500]) store.receive(0, facts, at, bytes.subarray(at, at === 1500 ? undefined : 1500));
    expect(stored.at(-1)).toEqual([4, facts.totalBytes]);
    expect(store.isIntact(0, facts)).toBe(true);
    expect(store.readIncoming(0, facts, 1990, 10)).toEqual(bytes.subarray(1990, 2000));
  });

  test("that comes in and cannot be begun for want of room is begun again later", () => {
    const files = new MemorySnapshotFiles();
    const store = openStore(files);
    files.roomBytes = 100;
    store.receive(0, factsOf(4), 0, content(4));
    files.roomBytes = 1e9;
    store.receive(0, factsOf(4), 0, content(4));
    expect(stored).toEqual([
      [4, NO_ROOM.message],
      [4, 2004],
    ]);
  });

  test("that comes in and finds no room when it is synced is dropped: what is there of it nobody knows", () => {
    const files = new MemorySnapshotFiles();
    const store = openStore(files);
    store.receive(0, factsOf(4), 0, content(4).subarray(0, 500));
    files.failNextSync(NO_ROOM);
    store.receive(0, factsOf(4), 500, content(4).subarray(500, 1000));
    expect(stored.at(-1)).toEqual([4, NO_ROOM.message]);
    expect(files.list()).toEqual([]);
    // What was on its way to it in the same turn goes with it.
    store.receive(0, factsOf(4), 1000, content(4).subarray(1000, 1500));
    expect(stored).toHaveLength(2);
    store.receive(0, factsOf(4), 0, content(4));
    expect(stored.at(-1)).toEqual([4, 2004]);
  });

  test("that could not be synced is none", () => {
    const files = new MemorySnapshotFiles();
    const store = openStore(files);
    files.failNextSync(new Error("EIO"));
    expect(() => make(files, store, 1)).toThrow("EIO");
    expect(files.list()).toEqual([]);
  });

  test("of which a piece could not be synced is none, though the rest could be", () => {
    for (const delayed of [false, true]) {
      const files = new MemorySnapshotFiles({ delayed });
      files.failNextSync(new Error("EIO"));
      const writer = new SnapshotWriter(files, 0, point(5));
      const piece = filler(limits.maxSnapshotChunkBytes, 5);
      for (let bytes = 0; bytes < 3 * 1024 * 1024; bytes += piece.length) writer.write(piece);
      let outcome: unknown;
      writer.finish((error, snapshot) => (outcome = error ?? snapshot));
      for (let i = 0; i < 10 && outcome === undefined; i++) files.pump();
      expect(outcome).toEqual(new Error("EIO"));
      expect(files.list().filter((name) => name.endsWith(".snapshot"))).toEqual([]);
    }
  });
});

describe("a damaged snapshot", () => {
  function two(): { files: MemorySnapshotFiles; names: string[] } {
    const files = new MemorySnapshotFiles();
    const store = openStore(files);
    make(files, store, 100);
    make(files, store, 200);
    return { files, names: files.list().sort() };
  }
  const log = (index: number): Map<number, GroupLog> => {
    const compacted = point(index);
    const hardState = { term: 3, vote: 0 };
    const found = { group: 0, hardState, compacted, lastIndex: 300, termRuns: [], leaseTimeMs: 0 };
    return new Map([[0, found]]);
  };

  test("is not used, whichever bit of it is wrong: the one before it takes its place", () => {
    for (let at = 0; at < SNAPSHOT_HEAD_BYTES + 2200; at += 61) {
      const { files, names } = two();
      const byte = files.read(names[1]!, at, 1)[0]!;
      files.damage(names[1]!, at, Uint8Array.of(byte ^ (1 << (at % 8))));
      const store = openStore(files);
      expect([at, store.newest(0)?.index]).toEqual([at, 100]);
      store.requireFor(log(100));
    }
  });

  test("that the log needs is named in one sentence, and so is one that is missing", () => {
    const { files, names } = two();
    files.damage(names[1]!, SNAPSHOT_HEAD_BYTES + 88, Uint8Array.of(0));
    expect(() => openStore(files).requireFor(log(101))).toThrow(new SnapshotLostError(0, 101, [names[1]!]));
    for (const name of names) files.remove(name, () => {});
    expect(() => openStore(files).requireFor(log(1))).toThrow(
      "The snapshot of group 0 that holds its entries up to 1 is missing and the log does not reach back to an earlier one: restore the data directory from a backup or replace the node.",
    );
  });

  test("is deleted when there are two good ones again", () => {
    const { files, names } = two();
    files.damage(names[1]!, SNAPSHOT_HEAD_BYTES + 88, Uint8Array.of(0));
    const store = openStore(files);
    expect(store.compactableIndex(0)).toBe(0);
    expect(files.list()).toContain(names[1]!);
    make(files, store, 210);
    expect(files.list()).not.toContain(names[1]!);
    expect(store.compactableIndex(0)).toBe(100);
  });

  test("that is made again, with the same name, is not deleted as the damaged one", () => {
    const { files, names } = two();
    files.damage(names[1]!, SNAPSHOT_HEAD_BYTES + 88, Uint8Array.of(0));
    const store = openStore(files);
    const again = make(files, store, 200);
    expect(files.list()).toContain(names[1]!);
    expect(whole(store, again)).toEqual(content(200));
  });

  test("is what a file under another's name is", () => {
    const { files, names } = two();
    files.rename(names[0]!, names[0]!.replace("100", "900"), () => {});
    expect(openStore(files).newest(0)?.index).toBe(200);
  });

  test("is none that a newer release wrote: that is refused", () => {
    const { files, names } = two();
    const head = files.read(names[1]!, 0, SNAPSHOT_HEAD_BYTES);
    writeU32(head, 8, 2);
    writeU32(head, 508, crc32c(head, 0, 508));
    files.damage(names[1]!, 0, head);
    expect(() => openStore(files)).toThrow(new SnapshotFormatError(names[1]!));
  });
});

describe("a snapshot that comes in", () => {
  const incoming = factsOf(50);
  const piece = (offset: number, end: number): [number, Uint8Array] => [offset, content(50).slice(offset, end)];

  test("tells what of it is durable, several pieces at once, and becomes one of this node's own", () => {
    const files = new MemorySnapshotFiles({ delayed: true });
    const store = openStore(files);
    for (const [from, to] of [
      [0, 500],
      [500, 1000],
      [1000, 1500],
    ] as const)
      store.receive(0, incoming, ...piece(from, to));
    expect(stored).toEqual([]);
    while (files.pump());
    expect(stored).toEqual([
      [50, 500],
      [50, 1500],
    ]);
    store.receive(0, incoming, ...piece(1500, 2050));
    while (files.pump());
    let done = 0;
    store.complete(0, incoming, (error) => {
      expect(error).toBeUndefined();
      done++;
    });
    expect(store.newest(0)).toBeUndefined();
    while (files.pump());
    expect(done).toBe(1);
    expect(whole(store, incoming)).toEqual(content(50));
    expect(openStore(files).newest(0)).toEqual(incoming);
  });

  test("goes on after a restart where it was durable", () => {
    const files = new MemorySnapshotFiles({ delayed: true });
    const store = openStore(files);
    store.receive(0, incoming, ...piece(0, 1200));
    while (files.pump());
    store.receive(0, incoming, ...piece(1200, 1400));
    files.crashProcess();
    const again = openStore(files);
    expect(again.recovered.get(0)).toEqual({ newest: undefined, incoming: { snapshot: incoming, durableBytes: 1200 } });
    again.receive(0, incoming, ...piece(1200, 2050));
    while (files.pump());
    let failure: Error | undefined;
    again.complete(0, incoming, (error) => (failure = error));
    while (files.pump());
    expect(failure).toBeUndefined();
    expect(whole(again, incoming)).toEqual(content(50));
  });

  test("is dropped when its bytes are not what the sender said, and may come again", () => {
    const files = new MemorySnapshotFiles();
    const store = openStore(files);
    store.receive(0, incoming, 0, filler(2050, 51));
    let failure: Error | undefined;
    store.complete(0, incoming, (error) => (failure = error));
    expect(failure).toBeInstanceOf(SnapshotDamagedError);
    expect(files.list()).toEqual([]);
    expect(store.newest(0)).toBeUndefined();
    store.receive(0, incoming, ...piece(0, 2050));
    store.complete(0, incoming, (error) => (failure = error));
    expect(failure).toBeUndefined();
    expect(store.newest(0)).toEqual(incoming);
  });

  test("gives way to another that begins, and to itself from the start", () => {
    const files = new MemorySnapshotFiles({ delayed: true });
    const store = openStore(files);
    store.receive(0, factsOf(40), 0, content(40).slice(0, 100));
    store.receive(0, incoming, ...piece(0, 300));
    store.receive(0, incoming, ...piece(0, 200));
    while (files.pump());
    expect(stored).toEqual([[50, 200]]);
    expect(files.list()).toHaveLength(1);
    expect(() => store.receive(0, incoming, ...piece(300, 400))).toThrow("in order");
  });

  test("waits for room, and takes the piece that did not fit when it comes again", () => {
    const files = new MemorySnapshotFiles();
    const store = openStore(files);
    store.receive(0, incoming, ...piece(0, 500));
    files.roomBytes = 0;
    store.receive(0, incoming, ...piece(500, 1000));
    store.receive(0, incoming, ...piece(1000, 1500));
    expect(stored.map(([, what]) => what)).toEqual([
      500,
      expect.stringContaining("room"),
      expect.stringContaining("room"),
    ]);
    files.roomBytes = 1e9;
    store.receive(0, incoming, ...piece(500, 2050));
    store.complete(0, incoming, (error) => expect(error).toBeUndefined());
    expect(whole(store, incoming)).toEqual(content(50));
  });

  test("is of no use when the node has a newer one at its start", () => {
    const files = new MemorySnapshotFiles();
    const store = openStore(files);
    store.receive(0, incoming, ...piece(0, 500));
    make(files, store, 60);
    expect(openStore(files).recovered.get(0)?.incoming).toBeUndefined();
    expect(files.list()).toHaveLength(1);
  });
});
