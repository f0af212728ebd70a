import { describe, expect, test } from "bun:test";
import { Prng } from "../../../src/kernel/prng.ts";
import type { Entry } from "../../../src/raft/types.ts";
import { MemoryVolume } from "../../../src/sim/memory-volume.ts";
import { EntryLog } from "../../../src/wal/entry-log.ts";
import { LogCorruptError } from "../../../src/wal/errors.ts";
import { ExcerptReader } from "../../../src/wal/excerpt.ts";
import type { SegmentedLog } from "../../../src/wal/log.ts";
import { openLog } from "../../../src/wal/open-log.ts";
import { Recovery } from "../../../src/wal/recovery.ts";
import { segmentName } from "../../../src/wal/segment.ts";
import { countingIdentity, entries, entry, filler, flush, hardState, logStart } from "../../support/wal.ts";
import { open as openWith, readAll, truncate } from "../../support/wal.ts";
import format1 from "./format-1.json";

const SEGMENT_BYTES = 2048;
const open = (volume: MemoryVolume): SegmentedLog => openWith(volume, { segmentBytes: SEGMENT_BYTES });
const large = (index: number, term = 1): Entry => entry(index, term, filler(300, index));

/** A log of entries `from`…`to` of group 0, about five of them a segment. */
function fill(log: SegmentedLog, from: number, to: number): void {
  for (let index = from; index <= to; index++) flush(log, entries(0, large(index)));
}

function segments(volume: MemoryVolume): number[] {
  return volume
    .list()
    .map((name) => Number.parseInt(name, 10))
    .sort((a, b) => a - b);
}

describe("compaction", () => {
  test("deletes the segments that hold nothing behind the point, and the log opens at the oldest that is left", () => {
    const volume = new MemoryVolume();
    const log = open(volume);
    fill(log, 1, 40);
    expect(segments(volume)[0]).toBe(1);
    flush(log, logStart(0, 33));
    const [lowest = 0] = segments(volume);
    expect(lowest).toBeGreaterThan(4);

    const again = open(volume);
    expect(again.recovered.get(0)).toEqual({
      group: 0,
      hardState: { term: 0, vote: 0 },
      compacted: { index: 33, term: 1, leaseTimeMs: 330 },
      lastIndex: 40,
      termRuns: [{ firstIndex: 34, term: 1 }],
      leaseTimeMs: 400,
    });
    expect(readAll(again)).toEqual([34, 35, 36, 37, 38, 39, 40].map((index) => large(index)));
    expect(segments(volume)[0]).toBe(lowest);
    fill(again, 41, 50);
    expect(readAll(open(volume))).toHaveLength(17);
  });

  test("up to the last entry leaves an empty log that knows where it ends", () => {
    const volume = new MemoryVolume();
    const log = open(volume);
    fill(log, 1, 12);
    flush(log, logStart(0, 12));
    expect(open(volume).recovered.get(0)).toMatchObject({ lastIndex: 12, termRuns: [], leaseTimeMs: 120 });
    const again = open(volume);
    expect(() => flush(again, entries(0, large(14)))).toThrow("gap");
    fill(open(volume), 13, 14);
    expect(readAll(open(volume))).toEqual([large(13), large(14)]);
  });

  test("of a log that an installed snapshot contradicts makes all of it void", () => {
    const volume = new MemoryVolume();
    const log = open(volume);
    fill(log, 1, 30);
    flush(log, logStart(0, 20, 7, false), entries(0, large(21, 7)));
    expect(log.read(0, 21, 21, 1)).toEqual([large(21, 7)]);
    // Also in one flush, in which indexes come twice.
    const other = openWith(new MemoryVolume());
    flush(other, entries(0, entry(1, 1), entry(2, 1)), logStart(0, 1, 7, false), entries(0, entry(2, 7)));
    expect(other.read(0, 2, 2, 1)).toEqual([entry(2, 7)]);
    const again = open(volume);
    expect(again.recovered.get(0)?.compacted).toEqual({ index: 20, term: 7, leaseTimeMs: 200 });
    expect(readAll(again)).toEqual([large(21, 7)]);
    expect(segments(volume)).toHaveLength(3);
  });

  test("goes beyond the end of the log when a snapshot was installed that is ahead of it", () => {
    const volume = new MemoryVolume();
    const log = open(volume);
    fill(log, 1, 3);
    expect(() => flush(log, logStart(0, 1000))).toThrow("within");
    flush(open(volume), logStart(0, 1000, 5, false));
    const again = open(volume);
    expect(again.recovered.get(0)).toMatchObject({ lastIndex: 1000, leaseTimeMs: 10_000 });
    fill(again, 1001, 1002);
    expect(readAll(open(volume))).toHaveLength(2);
  });

  test("never goes back, and what is compacted is neither read nor truncated", () => {
    const log = open(new MemoryVolume());
    fill(log, 1, 9);
    flush(log, logStart(0, 5));
    expect(() => flush(log, logStart(0, 5))).toThrow("ever later");
    expect(() => flush(log, truncate(0, 5))).toThrow("never truncated");
    expect(() => log.read(0, 5, 6, 1)).toThrow("compacted");
    expect(log.read(0, 6, 6, 1)).toEqual([large(6)]);
  });

  test("keeps the vote and the end of a group that has been idle since the first segment (PROTOCOLS D6)", () => {
    const volume = new MemoryVolume();
    const log = open(volume);
    flush(log, hardState(7, 9, 2), entries(7, entry(1, 8), entry(2, 9)));
    flush(log, hardState(8, 4, 3));
    flush(log, logStart(7, 2, 9));
    for (let index = 1; index <= 200; index++) {
      flush(log, entries(0, large(index)));
      if (index % 10 === 0) flush(log, logStart(0, index - 5));
    }
    expect(segments(volume)[0]).toBeGreaterThan(20);
    const { recovered } = open(volume);
    expect(recovered.get(7)).toMatchObject({ hardState: { term: 9, vote: 2 }, lastIndex: 2 });
    expect(recovered.get(7)?.compacted).toEqual({ index: 2, term: 9, leaseTimeMs: 20 });
    expect(recovered.get(8)?.hardState).toEqual({ term: 4, vote: 3 });
  });

  test("deletes nothing before the frame that makes it superfluous is durable", () => {
    const volume = new MemoryVolume({ delayed: true });
    let opened: SegmentedLog | undefined;
    openLog(volume, { identity: countingIdentity(), segmentBytes: SEGMENT_BYTES }, (_, log) => (opened = log));
    while (volume.pump());
    const log = opened!;
    for (let index = 1; index <= 30; index++) {
      log.flush([entries(0, large(index))], () => {});
      while (volume.pump());
    }
    const before = segments(volume);
    log.flush([logStart(0, 28)], () => {});
    expect(segments(volume)).toEqual(before);
    const cut = volume.clone();
    cut.crashPower(() => 1);
    expect(readAll(open(cut))).toHaveLength(30);
    while (volume.pump());
    expect(segments(volume)[0]).toBeGreaterThan(4);
  });

  test("frees a full disk: what could not be made is made", () => {
    const volume = new MemoryVolume();
    const log = open(volume);
    volume.roomBytes = 4 * SEGMENT_BYTES;
    let last = 0;
    while (log.room.entryBytes >= 400) flush(log, entries(0, large(++last)));
    expect(log.room.refusal).toBeDefined();
    flush(log, logStart(0, last - 1));
    expect(log.room.refusal).toBeUndefined();
    fill(log, last + 1, last + 6);
    expect(readAll(open(volume))).toHaveLength(7);
  });

  test("is nothing that an older release would take for damage: it refuses the newer format", () => {
    const volume = new MemoryVolume();
    open(volume);
    // Where the format stands never changes.
    expect(volume.read(segmentName(1), 8, 1)).toEqual(Uint8Array.of(2));
  });
});

describe("a group that holds old segments back", () => {
  test("has its few live entries copied forward, and reads them there", () => {
    const volume = new MemoryVolume();
    const log = open(volume);
    flush(log, entries(3, entry(1, 1), entry(2, 1), entry(3, 2), entry(4, 2)), truncate(3, 4));
    flush(log, logStart(3, 1));
    for (let index = 1; index <= 200; index++) {
      flush(log, entries(0, large(index)));
      if (index % 10 === 0) flush(log, logStart(0, index - 5));
      if (index % 20 === 0) expect(log.read(3, 2, 3, 1e9)).toEqual([entry(2, 1), entry(3, 2)]);
    }
    expect(volume.list().length).toBeLessThan(12);
    const again = open(volume);
    expect(readAll(again, 3)).toEqual([entry(2, 1), entry(3, 2)]);
    flush(again, entries(3, entry(4, 3)));
    expect(readAll(open(volume), 3)).toHaveLength(3);
  });

  test("holds them for as long as it has too much to copy", () => {
    const volume = new MemoryVolume();
    const log = open(volume);
    for (let index = 1; index <= 8; index++) flush(log, entries(3, large(index)));
    for (let index = 1; index <= 200; index++) {
      flush(log, entries(0, large(index)));
      if (index % 10 === 0) flush(log, logStart(0, index - 5));
    }
    expect(segments(volume)[0]).toBe(1);
    flush(log, logStart(3, 7));
    flush(log, logStart(0, 200));
    fill(log, 201, 230);
    expect(segments(volume)[0]).toBeGreaterThan(20);
    expect(readAll(open(volume), 3)).toEqual([large(8)]);
  });
});

test("the log stays bounded under endless load, over restarts and power cuts", () => {
  const random = new Prng(1);
  const volume = new MemoryVolume();
  let log = open(volume);
  flush(log, hardState(1, 3, 2), entries(1, entry(1, 3), entry(2, 3)));
  let most = 0;
  for (let index = 1; index <= 4000; index++) {
    flush(log, entries(0, large(index)));
    if (index % 20 === 0) flush(log, logStart(0, index - 10));
    if (index % 97 === 0) {
      volume.crashPower(() => random.next());
      log = open(volume);
      expect(log.recovered.get(1)).toMatchObject({ hardState: { term: 3, vote: 2 }, lastIndex: 2 });
      expect(readAll(log).at(-1)).toEqual(large(index));
    }
    most = Math.max(most, volume.list().length);
  }
  // Thirty live entries of 340 bytes fill six segments; two stand ready; an idle group holds four back.
  expect(most).toBeLessThan(14);
  expect(segments(volume)[0]).toBeGreaterThan(700);
});

describe("an excerpt", () => {
  test("is read while the log goes on, truncates behind it and compacts over it", () => {
    const volume = new MemoryVolume();
    const log = open(volume);
    for (let term = 1; term <= 3; term++) {
      flush(log, entries(0, large(1, term), large(2, term)));
      flush(log, truncate(0, 1));
    }
    fill(log, 1, 40);
    const pinned = log.pin(0, 3, 37);
    // As a message to another thread carries it.
    const excerpt = structuredClone(pinned.excerpt);
    flush(log, truncate(0, 39), entries(0, large(39, 2)));
    flush(log, logStart(0, 39, 2));
    fill(log, 40, 60);
    const reader = new ExcerptReader(volume, excerpt);
    const found = reader.read(0, 3, 37, 1e9);
    expect(found).toEqual(Array.from({ length: 35 }, (_, i) => large(i + 3)));
    expect(reader.read(0, 20, 37, 650)).toEqual([large(20), large(21)]);
    expect(() => reader.read(0, 2, 3, 1)).toThrow("excerpt");
    expect(() => reader.read(0, 37, 38, 1)).toThrow("excerpt");

    expect(segments(volume)).toContain(excerpt.segments[0]!.number);
    pinned.release();
    expect(segments(volume)[0]).toBeGreaterThan(excerpt.segments.at(-1)!.number);
  });

  test("of what is not there is refused", () => {
    const log = open(new MemoryVolume());
    fill(log, 1, 9);
    flush(log, logStart(0, 5));
    expect(() => log.pin(0, 5, 9)).toThrow("compacted");
    expect(() => log.pin(0, 6, 10)).toThrow("durable");
    expect(log.pin(0, 6, 9).excerpt).toMatchObject({ from: 6, to: 9 });
  });

  test("is pinned by each of its readers on their own", () => {
    const volume = new MemoryVolume();
    const log = open(volume);
    fill(log, 1, 40);
    const pins = [log.pin(0, 20, 30), log.pin(0, 10, 30)];
    flush(log, logStart(0, 40));
    pins[1]!.release();
    expect(new ExcerptReader(volume, pins[0]!.excerpt).read(0, 20, 20, 1)).toEqual([large(20)]);
    expect(segments(volume)[0]).toBe(pins[0]!.excerpt.segments[0]!.number);
    pins[0]!.release();
    expect(segments(volume)[0]).toBeGreaterThan(7);
  });
});

describe("after a compaction", () => {
  function compacted(): MemoryVolume {
    const volume = new MemoryVolume();
    const log = open(volume);
    fill(log, 1, 40);
    flush(log, logStart(0, 20));
    return volume;
  }

  test("every segment that is left is needed: a log that lacks one is refused", () => {
    const volume = compacted();
    // The two that stand blank at the end were never written to.
    for (const number of segments(volume).slice(0, -2)) {
      const damaged = volume.clone();
      damaged.lose(segmentName(number));
      expect(() => open(damaged)).toThrow(new LogCorruptError(segmentName(number), 0, "the file is missing"));
    }
  });

  test("entries that no frame holds are missed, whatever the segments say", () => {
    const recovery = new Recovery(new EntryLog(new MemoryVolume(), String), (name) => name);
    recovery.oldestSegment(4);
    recovery.extent(0, { index: 5, term: 1, leaseTimeMs: 0 }, 20);
    expect(() => recovery.finish()).toThrow(
      new LogCorruptError(segmentName(4), 0, "entries 6 to 20 of group 0 are missing"),
    );
  });

  test("a segment that is zeros behind its head is missed as well", () => {
    const volume = compacted();
    const [lowest = 0] = segments(volume);
    volume.damage(segmentName(lowest), 512, new Uint8Array(SEGMENT_BYTES - 512));
    expect(() => open(volume)).toThrow(LogCorruptError);
  });

  test("segments that a power cut brought back are deleted by the next start, with and without a gap behind them", () => {
    for (const back of [[1], [1, 3], [2, 3], [1, 2, 3]]) {
      const volume = new MemoryVolume();
      const log = open(volume);
      fill(log, 1, 40);
      const kept = new Map(back.map((n) => [segmentName(n), volume.read(segmentName(n), 0, SEGMENT_BYTES)]));
      flush(log, logStart(0, 22));
      const left = segments(volume);
      expect(left[0]).toBeGreaterThan(4);
      for (const [name, bytes] of kept) {
        volume.create(name, SEGMENT_BYTES, () => {});
        volume.damage(name, 0, bytes);
      }
      expect(readAll(open(volume))).toHaveLength(18);
      expect(segments(volume)).toEqual(left);
    }
  });
});

describe("a log that a release without compaction wrote", () => {
  function old(): MemoryVolume {
    const volume = new MemoryVolume();
    for (const [name, { bytes, start }] of Object.entries(format1)) {
      volume.create(name, bytes, () => {});
      volume.damage(name, 0, Bun.gunzipSync(Buffer.from(start, "base64")));
    }
    return volume;
  }
  const kept = [...Array.from({ length: 10 }, (_, i) => entry(i + 1, 3, filler(300, i + 1)))];
  const all = [...kept, entry(11, 5, "after a truncation")];

  test("opens as it was", () => {
    const log = open(old());
    expect(readAll(log)).toEqual(all);
    expect(readAll(log, 4)).toEqual([entry(1, 8), entry(2, 8)]);
    expect(log.recovered.get(0)).toMatchObject({ hardState: { term: 5, vote: 2 }, lastIndex: 11 });
    expect(log.recovered.get(4)?.hardState).toEqual({ term: 8, vote: 2 });
  });

  test("goes on, and keeps all of its segments until none of them is needed", () => {
    const volume = old();
    const log = open(volume);
    const oldNames = Object.keys(format1);
    flush(log, logStart(0, 9, 3));
    fill(log, 12, 14);
    expect(readAll(open(volume))).toHaveLength(5);
    expect(segments(volume)[0]).toBe(1);
    fill(log, 15, 40);
    flush(log, logStart(0, 35));
    flush(log, logStart(4, 2, 8));
    expect(segments(volume)[0]).toBeGreaterThan(oldNames.length - 2);
    expect(readAll(open(volume))).toEqual([36, 37, 38, 39, 40].map((index) => large(index)));
  });
});

test("a crash after any step of writing, compacting and deleting leaves what was acknowledged", () => {
  const random = new Prng(7);
  /** Runs the same history until `steps` completions have come. @returns what was acknowledged last */
  function run(volume: MemoryVolume, steps: number): { start: number; last: number; vote: number; ended: boolean } {
    let log: SegmentedLog | undefined;
    openLog(volume, { identity: countingIdentity(), segmentBytes: SEGMENT_BYTES }, (_, opened) => (log = opened));
    let left = steps;
    const step = (): boolean => left-- > 0 && volume.pump();
    while (log === undefined) if (!step()) return { start: 0, last: 0, vote: 0, ended: false };
    const state = { start: 0, last: 0, vote: 0 };
    for (let index = 1; index <= 24; index++) {
      const compacts = index % 6 === 0;
      let durable = false;
      const records = [entries(0, large(index)), ...(index === 3 ? [hardState(5, 1, 4)] : [])];
      if (compacts) records.push(logStart(0, index - 1));
      log.flush(records, () => (durable = true));
      while (!durable) if (!step()) return { ...state, ended: false };
      state.last = index;
      if (compacts) state.start = index - 1;
      if (index === 3) state.vote = 4;
    }
    while (step());
    return { ...state, ended: left >= 0 };
  }
  let steps = 0;
  for (let ended = false; !ended; steps++) {
    for (let power = 0; power < 6; power++) {
      const volume = new MemoryVolume({ delayed: true });
      const acknowledged = run(volume, steps);
      ({ ended } = acknowledged);
      if (power === 0) volume.crashProcess(() => random.next());
      else volume.crashPower(() => random.next());
      const log = open(volume.clone());
      const found = log.recovered.get(0);
      const start = found?.compacted?.index ?? 0;
      const last = found?.lastIndex ?? 0;
      expect(start >= acknowledged.start && start <= last).toBe(true);
      expect(last === acknowledged.last || last === acknowledged.last + 1).toBe(true);
      expect(readAll(log)).toEqual(Array.from({ length: last - start }, (_, i) => large(start + i + 1)));
      if (acknowledged.vote > 0) expect(log.recovered.get(5)?.hardState).toEqual({ term: 1, vote: 4 });
    }
  }
  expect(steps).toBeGreaterThan(50);
});
