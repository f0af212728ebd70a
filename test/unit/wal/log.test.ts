import { describe, expect, test } from "bun:test";
import { Prng } from "../../../src/kernel/prng.ts";
import type { Entry } from "../../../src/raft/types.ts";
import { MemoryVolume } from "../../../src/sim/memory-volume.ts";
import { MARK_BYTES, readFrame } from "../../../src/wal/frame.ts";
import { openLog } from "../../../src/wal/open-log.ts";
import { type RecordVisitor, readRecords } from "../../../src/wal/record-codec.ts";
import { SEGMENT_HEAD_BYTES, decodeSegmentHead } from "../../../src/wal/segment.ts";
import {
  countingIdentity,
  entries,
  entry,
  filler,
  flush,
  hardState,
  open,
  readAll,
  truncate,
} from "../../support/wal.ts";

describe("the write-ahead log", () => {
  test("gives back after a restart what was flushed, by group", () => {
    const volume = new MemoryVolume();
    const log = open(volume);
    expect(log.recovered.size).toBe(0);
    flush(log, hardState(0, 3, 1), entries(0, entry(1, 2), entry(2, 3, new Uint8Array(0))));
    flush(log, entries(7, entry(1, 1, "of another group")), entries(0, entry(3, 3)));

    const again = open(volume);
    expect(again.recovered.get(0)).toEqual({
      group: 0,
      hardState: { term: 3, vote: 1 },
      lastIndex: 3,
      termRuns: [
        { firstIndex: 1, term: 2 },
        { firstIndex: 2, term: 3 },
      ],
      leaseTimeMs: 30,
    });
    expect(again.recovered.get(7)?.hardState).toEqual({ term: 0, vote: 0 });
    expect(readAll(again)).toEqual([entry(1, 2), entry(2, 3, new Uint8Array(0)), entry(3, 3)]);
    expect(readAll(again, 7)).toEqual([entry(1, 1, "of another group")]);
    expect(again.recovered.has(1)).toBe(false);
  });

  test("keeps the last hard state of each group", () => {
    const volume = new MemoryVolume();
    const log = open(volume);
    flush(log, hardState(0, 1, 2), hardState(5, 9, 3), hardState(0, 2, 0));
    flush(log, hardState(0, 4, 1));
    const { recovered } = open(volume);
    expect(recovered.get(0)?.hardState).toEqual({ term: 4, vote: 1 });
    expect(recovered.get(5)).toEqual({
      group: 5,
      hardState: { term: 9, vote: 3 },
      lastIndex: 0,
      termRuns: [],
      leaseTimeMs: 0,
    });
  });

  test("forgets truncated entries, within a flush and across flushes", () => {
    const volume = new MemoryVolume();
    const log = open(volume);
    flush(log, entries(0, entry(1, 1), entry(2, 1), entry(3, 2)), truncate(0, 3), entries(0, entry(3, 4, "second")));
    expect(log.read(0, 1, 3, 1000)).toEqual([entry(1, 1), entry(2, 1), entry(3, 4, "second")]);
    flush(log, truncate(0, 2));
    flush(log, entries(0, entry(2, 5, "third"), entry(3, 5, "third")));
    const kept = [entry(1, 1), entry(2, 5, "third"), entry(3, 5, "third")];
    expect(log.read(0, 1, 3, 1000)).toEqual(kept);

    const again = open(volume);
    expect(readAll(again)).toEqual(kept);
    expect(again.recovered.get(0)?.termRuns).toEqual([
      { firstIndex: 1, term: 1 },
      { firstIndex: 2, term: 5 },
    ]);
    flush(again, truncate(0, 1));
    const empty = open(volume).recovered.get(0);
    expect(empty?.lastIndex).toBe(0);
    expect(empty?.leaseTimeMs).toBe(0);
  });

  test("takes the lease time of the entry that is last after a truncation", () => {
    const volume = new MemoryVolume();
    const log = open(volume);
    flush(log, entries(0, entry(1, 1), entry(2, 1), entry(3, 1)));
    flush(log, truncate(0, 3));
    expect(open(volume).recovered.get(0)?.leaseTimeMs).toBe(20);
  });

  test("refuses entries with a gap before anything is written", () => {
    const volume = new MemoryVolume();
    const log = open(volume);
    const before = volume.writes;
    expect(() => flush(log, entries(0, entry(2, 1)))).toThrow("gap");
    expect(() => flush(log, truncate(0, 5))).toThrow("truncation");
    expect(volume.writes).toBe(before);
  });

  test("reads as many entries as fit in the bytes asked for, and at least one", () => {
    const log = open(new MemoryVolume(), { segmentBytes: 65536 });
    const list = [1, 2, 3, 4, 5].map((index) => entry(index, 1, filler(100)));
    for (const one of list) flush(log, entries(0, one));
    expect(log.read(0, 1, 5, 250)).toEqual(list.slice(0, 2));
    expect(log.read(0, 2, 5, 300)).toEqual(list.slice(1, 4));
    expect(log.read(0, 4, 5, 1)).toEqual(list.slice(3, 4));
    expect(log.read(0, 2, 3, 10_000)).toEqual(list.slice(1, 3));
    expect(() => log.read(0, 6, 6, 1)).toThrow("exist");
  });

  test("reads on cheaply: walking through the log frame by frame fetches each byte about once", () => {
    class CountingVolume extends MemoryVolume {
      bytesRead = 0;
      override read(name: string, offset: number, length: number): Uint8Array {
        this.bytesRead += length;
        return super.read(name, offset, length);
      }
    }
    const volume = new CountingVolume();
    const log = open(volume, { segmentBytes: 2 ** 20 });
    for (let index = 1; index <= 2000; index++) flush(log, entries(0, entry(index, 1, filler(100))));
    volume.bytesRead = 0;
    for (let index = 1; index <= 2000; index++) expect(log.read(0, index, index, 1)[0]?.index).toBe(index);
    expect(volume.bytesRead).toBeLessThan(log.flushedBytes * 1.5);
  });

  test("reads frames that were written after the chunk that it keeps was read", () => {
    const log = open(new MemoryVolume(), { segmentBytes: 65536 });
    for (let index = 1; index <= 50; index++) {
      flush(log, entries(0, entry(index, 1)));
      expect(log.read(0, index, index, 1)).toEqual([entry(index, 1)]);
    }
  });
});

describe("segments", () => {
  test("follow each other without a loss, and a larger flush gets one of its own size", () => {
    const volume = new MemoryVolume();
    const log = open(volume, { segmentBytes: 2048 });
    const list: Entry[] = [];
    for (let index = 1; index <= 60; index++) {
      const one = entry(index, 1, filler(index === 30 ? 9000 : 90, index));
      list.push(one);
      flush(log, entries(0, one));
    }
    expect(volume.list().length).toBeGreaterThan(5);
    expect(volume.list().filter((name) => volume.size(name) > 9000)).toHaveLength(1);
    expect(log.read(0, 1, 60, 1e9)).toEqual(list);
    for (let restart = 0; restart < 3; restart++) expect(readAll(open(volume, { segmentBytes: 2048 }))).toEqual(list);
  });

  test("each begin with every group's hard state", () => {
    const volume = new MemoryVolume();
    const log = open(volume, { segmentBytes: 2048 });
    flush(log, hardState(0, 3, 1), hardState(4, 8, 2));
    flush(log, hardState(4, 9, 0));
    for (let index = 1; index <= 60; index++) flush(log, entries(0, entry(index, 3, filler(90))));
    // Behind the newest with a flush two stand blank.
    const names = volume.list().sort().slice(1, -2);
    expect(names.length).toBeGreaterThan(2);
    for (const name of names) {
      const found = new Map<number, unknown>();
      const visitor: RecordVisitor = {
        hardState: (group, state) => void found.set(group, state),
        truncate: () => {},
        logStart: () => {},
        oldestSegment: () => {},
        extent: () => {},
        entries: () => {},
      };
      const bytes = volume.read(name, 0, volume.size(name));
      const head = decodeSegmentHead(bytes)!;
      const segment = { ...head, name, bytes: bytes.length };
      const frame = readFrame(bytes, SEGMENT_HEAD_BYTES + MARK_BYTES, 0, segment)!;
      readRecords(bytes, frame.bodyStart, frame.bodyEnd, visitor);
      expect([...found]).toEqual([
        [0, { term: 3, vote: 1 }],
        [4, { term: 9, vote: 0 }],
      ]);
    }
  });

  test("that come late hold the flush back, in order, until they are there", () => {
    const volume = new MemoryVolume({ delayed: true });
    let log: ReturnType<typeof open> | undefined;
    openLog(volume, { identity: countingIdentity(), segmentBytes: 2048 }, (error, opened) => {
      if (error) throw error;
      log = opened;
    });
    while (log === undefined) expect(volume.pump()).toBe(true);
    const creates: (() => void)[] = [];
    const create = volume.create.bind(volume);
    volume.create = (...args) => void creates.push(() => create(...args));
    let durable = 0;
    let late = 0;
    // The next segment was asked for when the log opened: it is used up first.
    for (let index = 1; index <= 10; index++) {
      log.flush([entries(0, entry(index, 1, filler(600)))], (error) => {
        expect(error).toBeUndefined();
        durable++;
      });
      while (durable < index && volume.pump());
      if (durable === index) continue;
      expect(() => log?.flush([], () => {})).toThrow("previous");
      expect(creates).toHaveLength(1);
      late++;
      creates.pop()?.();
      while (durable < index) expect(volume.pump()).toBe(true);
    }
    expect(late).toBeGreaterThan(2);
    expect(log.read(0, 1, 10, 1e9).map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    volume.crashPower(() => 0);
    expect(readAll(open(volume.clone()))).toHaveLength(10);
  });
});

describe("errors of the disk", () => {
  test("a failed fsync is reported once, and then nothing more is taken", () => {
    const volume = new MemoryVolume();
    const log = open(volume);
    volume.failNextSync(new Error("EIO"));
    const reports: unknown[] = [];
    log.flush([hardState(0, 1, 1)], (error) => reports.push(error?.message));
    expect(reports).toEqual(["EIO"]);
    expect(() => log.flush([hardState(0, 2, 2)], () => reports.push("again"))).toThrow("error of the disk");
    expect(reports).toHaveLength(1);
  });

  test("a segment's head that could not be synced is fatal at the next flush", () => {
    const volume = new MemoryVolume({ delayed: true });
    let log: ReturnType<typeof open> | undefined;
    openLog(volume, { identity: countingIdentity() }, (_, opened) => (log = opened));
    while (log === undefined) volume.pump();
    volume.pump(); // the second segment is made, its head written
    volume.failNextSync(new Error("EIO"));
    while (volume.pump());
    const reports: unknown[] = [];
    log.flush([hardState(0, 1, 1)], (error) => reports.push(error?.message));
    expect(reports).toEqual(["EIO"]);
  });

  test("openLog reports a disk that refuses the first segment", () => {
    const volume = new MemoryVolume();
    volume.failNextCreate(new Error("EACCES"));
    expect(() => open(volume)).toThrow("EACCES");
  });
});

describe("a full disk", () => {
  const noRoom = new Error("ENOSPC");

  /** The next segment cannot be made; entries have gone as far as they may. */
  function filled(volume: MemoryVolume): { log: ReturnType<typeof open>; last: number } {
    const log = open(volume, { segmentBytes: 2048 });
    volume.roomBytes = 0;
    let last = 0;
    while (log.room.entryBytes >= 300) flush(log, entries(0, entry(++last, 1, filler(200))));
    return { log, last };
  }

  test("is noticed when a segment cannot be made ahead of need: what was promised still fits", () => {
    const { log, last } = filled(new MemoryVolume());
    expect(last).toBeGreaterThan(5);
    expect(log.room.refusal).toMatchObject({ code: "ENOSPC" });
    flush(log, entries(0, entry(last + 1, 1, filler(Math.max(0, log.room.entryBytes - 64)))));
    expect(log.read(0, 1, last + 1, 1e9)).toHaveLength(last + 1);
  });

  test("keeps terms, votes, truncations and what opens a term writable, in the segment that was reserved for them", () => {
    const volume = new MemoryVolume();
    const { log, last } = filled(volume);
    for (let term = 2; term < 12; term++) flush(log, hardState(0, term, 1));
    flush(log, truncate(0, last));
    flush(log, entries(0, { ...entry(last, 12, new Uint8Array(0)), kind: "noop" }));
    expect(log.room.entryBytes).toBe(0);
    volume.roomBytes = 2048;
    const { hardState: kept, lastIndex, termRuns } = open(volume, { segmentBytes: 2048 }).recovered.get(0)!;
    expect(kept).toEqual({ term: 11, vote: 1 });
    expect({ lastIndex, term: termRuns.at(-1)?.term }).toEqual({ lastIndex: last, term: 12 });
  });

  test("lets no entry into the reserve: a flush that was not promised waits, and is written when there is room", () => {
    const volume = new MemoryVolume();
    const { log, last } = filled(volume);
    const ends: unknown[] = [];
    log.flush([entries(0, entry(last + 1, 1, filler(600)))], (error) => ends.push(error ?? "durable"));
    log.room.retry();
    expect(ends).toEqual([]);
    volume.roomBytes = Number.POSITIVE_INFINITY;
    log.room.retry();
    expect(ends).toEqual(["durable"]);
    expect(log.room.refusal).toBeUndefined();
    expect(readAll(open(volume, { segmentBytes: 2048 }))).toHaveLength(last + 1);
  });

  test("is asked for room when somebody says so, not at every flush", () => {
    const volume = new MemoryVolume();
    const { log, last } = filled(volume);
    let tries = 0;
    volume.create = (_name, _size, done) => {
      tries++;
      done(noRoom);
    };
    for (let term = 2; term < 6; term++) flush(log, hardState(0, term, 1));
    expect(tries).toBe(0);
    log.room.retry();
    expect(tries).toBe(1);
    expect(last).toBeGreaterThan(0);
  });

  test("does not keep a log with a reserve from opening, and its reserve is no more than it was", () => {
    const volume = new MemoryVolume();
    const { last } = filled(volume);
    const again = open(volume, { segmentBytes: 2048 });
    expect(readAll(again)).toHaveLength(last);
    expect(again.room.refusal).toMatchObject({ code: "ENOSPC" });
    expect(again.room.entryBytes).toBeLessThan(300);
    flush(again, hardState(0, 2, 1));
  });

  test("has room again for both blank segments before it counts as having any", () => {
    const volume = new MemoryVolume();
    const { log } = filled(volume);
    for (let term = 2; term < 12; term++) flush(log, hardState(0, term, 1));
    volume.roomBytes = 2048;
    log.room.retry();
    // The reserve is there again, and nothing beyond it.
    expect(log.room.refusal).toBeDefined();
    expect(log.room.entryBytes).toBeGreaterThan(200);
    volume.roomBytes = 2048;
    log.room.retry();
    expect(log.room.refusal).toBeUndefined();
  });

  test("keeps a log from opening that has nowhere left to write a vote", () => {
    const volume = new MemoryVolume();
    const { log } = filled(volume);
    for (let term = 2; log.room.entryBytes > 0; term++) flush(log, hardState(0, term, 1));
    for (let term = 1000; term < 1015; term++) flush(log, hardState(0, term, 1));
    expect(() => open(volume, { segmentBytes: 2048 })).toThrow("no room");
  });
});

test("any history of appends and truncations reads back as a plain list would", () => {
  for (let seed = 0; seed < 40; seed++) {
    const random = new Prng(seed);
    const volume = new MemoryVolume();
    const options = { segmentBytes: 512 * (8 + random.int(200)) };
    let log = open(volume, options);
    const model: Entry[][] = [[], []];
    for (let step = 0; step < 200; step++) {
      const group = random.int(2);
      const list = model[group] ?? [];
      const records = [];
      for (let part = random.int(3); part >= 0; part--) {
        if (random.int(5) === 0) {
          const fromIndex = 1 + random.int(list.length + 1);
          list.length = fromIndex - 1;
          records.push(truncate(group, fromIndex));
        }
        const fresh: Entry[] = [];
        for (let i = random.int(4); i >= 0; i--)
          fresh.push(entry(list.length + fresh.length + 1, 1 + step, filler(random.int(300), step)));
        list.push(...fresh);
        records.push(entries(group, ...fresh));
      }
      flush(log, ...records);
      if (random.int(40) === 0) log = open(volume, options);
      if (list.length === 0) continue;
      const from = 1 + random.int(list.length);
      const to = from + random.int(list.length - from + 1);
      expect(log.read(group, from, to, 1e9)).toEqual(list.slice(from - 1, to));
    }
    const again = open(volume, options);
    expect([readAll(again, 0), readAll(again, 1)]).toEqual(model);
  }
});
