import { describe, expect, test } from "bun:test";
import { Prng } from "../../../src/kernel/prng.ts";
import { MemoryVolume, SECTOR_BYTES } from "../../../src/sim/memory-volume.ts";
import { LogCorruptError } from "../../../src/wal/errors.ts";
import { MARK_BYTES, sealUnit } from "../../../src/wal/frame.ts";
import { SEGMENT_HEAD_BYTES, segmentName } from "../../../src/wal/segment.ts";
import type { SegmentedLog } from "../../../src/wal/log.ts";
import { openLog } from "../../../src/wal/open-log.ts";
import type { LogRecord } from "../../../src/wal/records.ts";
import { countingIdentity, entries, entry, filler, flush, hardState, open, readAll } from "../../support/wal.ts";

const FIRST = segmentName(1);

/** A log of three durable flushes; where the last one starts and ends. */
function threeFlushes(lastPayloadBytes: number) {
  const volume = new MemoryVolume();
  const log = open(volume, { segmentBytes: 65536 });
  flush(log, hardState(0, 1, 1), entries(0, entry(1, 1)));
  flush(log, entries(0, entry(2, 1)));
  const start = SEGMENT_HEAD_BYTES + log.flushedBytes;
  flush(log, entries(0, entry(3, 1, filler(lastPayloadBytes))));
  return { volume, start, end: SEGMENT_HEAD_BYTES + log.flushedBytes };
}

describe("a torn last flush", () => {
  test("is cut off, wherever it was cut", () => {
    const { volume, start, end } = threeFlushes(100);
    // The last byte of the frame that is not padding: from there on the flush is whole.
    const whole = volume.read(FIRST, start, end - start).findLastIndex((byte) => byte !== 0) + start + 1;
    for (let cut = start; cut <= end; cut++) {
      const torn = volume.clone();
      torn.damage(FIRST, cut, new Uint8Array(end - cut));
      expect(readAll(open(torn))).toHaveLength(cut < whole ? 2 : 3);
    }
  });

  test("is cut off when its first page is lost and its third is there", () => {
    const { volume, start } = threeFlushes(3 * 4096);
    volume.damage(FIRST, start, new Uint8Array(4096));
    expect(volume.read(FIRST, start + 8192, 4096).some((byte) => byte !== 0)).toBe(true);
    expect(readAll(open(volume))).toHaveLength(2);
    flush(open(volume), entries(0, entry(3, 2, "anew")));
    expect(readAll(open(volume)).at(-1)).toEqual(entry(3, 2, "anew"));
  });

  test("leaves nothing behind: its place is durably zero", () => {
    const { volume, start, end } = threeFlushes(3 * 4096);
    volume.damage(FIRST, start + 100, new Uint8Array(50));
    open(volume);
    volume.crashPower(() => 1);
    // But the mark that the torn unit started with: it belongs to the flush before.
    const rest = volume.read(FIRST, start + MARK_BYTES, end - start);
    expect(rest.every((byte) => byte === 0)).toBe(true);
  });

  test("in a fresh segment is cut off, and the segment is used again", () => {
    const volume = new MemoryVolume();
    const log = open(volume, { segmentBytes: 2048 });
    flush(log, entries(0, entry(1, 1, filler(1000))));
    flush(log, entries(0, entry(2, 1, filler(1000))));
    volume.damage(segmentName(2), SEGMENT_HEAD_BYTES + 40, new Uint8Array(8));
    const again = open(volume, { segmentBytes: 2048 });
    expect(readAll(again)).toEqual([entry(1, 1, filler(1000))]);
    flush(again, entries(0, entry(2, 2, filler(1100))));
    expect(readAll(open(volume)).at(-1)).toEqual(entry(2, 2, filler(1100)));
  });

  test.each([
    ["cut off when a payload imitates a later flush without knowing the salt", 78, 1],
    ["refused when the salt is right, so the imitation is a good one", 77, "refused"],
  ])("is %s", (_, salt, expected) => {
    const at = SEGMENT_HEAD_BYTES + 96;
    const volume = imitating(salt, at + 96);
    volume.damage(FIRST, at, new Uint8Array(80));
    if (expected === "refused") expect(() => open(volume)).toThrow(LogCorruptError);
    else expect(readAll(open(volume))).toHaveLength(1);
  });
});

/** A log with salt 77 whose second entry's payload holds, at `offset` of the segment, a unit sealed with `salt`. */
function imitating(salt: number, offset: number): MemoryVolume {
  const payload = filler(400);
  for (;;) {
    const volume = new MemoryVolume();
    const log = open(volume, { identity: () => 77, segmentBytes: 65536 });
    flush(log, entries(0, entry(1, 1)));
    flush(log, entries(0, entry(2, 1, payload)));
    const file = volume.read(FIRST, 0, 4096);
    const start = Buffer.from(file).indexOf(payload);
    const unit = payload.subarray(offset - start, offset - start + 96);
    if (file[offset] === 0x4d && file[offset + 1] === 0x41) return volume;
    sealUnit(unit, { number: 1, name: FIRST, bytes: 65536, salt }, offset, 3, { sequence: 2, crc: 5 });
  }
}

describe("the preparation of a segment", () => {
  test("may be cut short at any byte of the head", () => {
    for (const name of [segmentName(1), segmentName(2)]) {
      const volume = new MemoryVolume();
      const log = open(volume);
      if (name !== FIRST) flush(log, entries(0, entry(1, 1)));
      for (let cut = 0; cut < SEGMENT_HEAD_BYTES; cut += 4) {
        const torn = volume.clone();
        torn.damage(name, cut, new Uint8Array(SEGMENT_HEAD_BYTES - cut));
        const again = open(torn);
        const lastIndex = again.recovered.get(0)?.lastIndex ?? 0;
        flush(again, entries(0, entry(lastIndex + 1, 1, filler(8000))));
        expect(readAll(open(torn))).toHaveLength(lastIndex + 1);
      }
    }
  });
});

describe("opening (D5)", () => {
  test("makes durable what only the page cache held: killed before fdatasync, then the power fails", () => {
    const { volume } = threeFlushes(100);
    flushWithoutSync(open(volume), volume, entries(0, entry(4, 1)));
    const lost = volume.clone();
    lost.crashPower(() => 1);
    expect(readAll(open(lost))).toHaveLength(3);

    volume.crashProcess(() => 1);
    expect(readAll(open(volume))).toHaveLength(4);
    volume.crashPower(() => 1);
    expect(readAll(open(volume))).toHaveLength(4);
  });

  test("writes the last flush again after an fsync error, because its pages count as clean", () => {
    const { volume } = threeFlushes(2000);
    const log = open(volume);
    volume.failNextSync(new Error("EIO"));
    log.flush([entries(0, entry(4, 1, filler(2000)))], () => {});
    volume.crashProcess(() => 1);
    expect(readAll(open(volume))).toHaveLength(4);
    volume.crashPower(() => 1);
    expect(readAll(open(volume))).toHaveLength(4);
  });

  test("writes the head of an unused segment again, because its sync may have failed", () => {
    const volume = new MemoryVolume();
    volume.failNextSync(new Error("EIO"));
    expect(() => open(volume)).toThrow("EIO");
    volume.crashProcess(() => 1);
    flush(open(volume), entries(0, entry(1, 1)));
    volume.crashPower(() => 1);
    expect(readAll(open(volume))).toHaveLength(1);
  });

  test("writes a mark only when its flush is durable", () => {
    const { volume } = threeFlushes(2000);
    flushWithoutSync(open(volume), volume, entries(0, entry(4, 1, filler(2000))));
    const opening = volume.clone({ delayed: true });
    openLog(opening, { identity: countingIdentity() }, () => {});
    // The power fails while the last flush is being synced; whatever the cache holds, nothing calls it durable.
    for (let seed = 0; seed < 100; seed++) {
      const random = new Prng(seed);
      const cut = opening.clone();
      cut.crashPower(() => random.next());
      expect([3, 4]).toContain(readAll(open(cut)).length);
    }
  });
});

/** Into the page cache, and no further. */
function flushWithoutSync(log: SegmentedLog, volume: MemoryVolume, ...records: LogRecord[]): void {
  volume.sync = () => {};
  log.flush(records, () => {});
  volume.sync = MemoryVolume.prototype.sync.bind(volume);
}

test("a flush torn in any way by a power cut is there as a whole or not at all", () => {
  for (let seed = 0; seed < 300; seed++) {
    const random = new Prng(seed);
    const volume = new MemoryVolume();
    const log = open(volume, { segmentBytes: 16384 });
    flush(log, entries(0, entry(1, 1, filler(random.int(2000)))));
    flushWithoutSync(log, volume, entries(0, entry(2, 1, filler(random.int(8 * SECTOR_BYTES)))));
    volume.crashPower(() => random.next());
    const found = readAll(open(volume, { segmentBytes: 16384 }));
    expect([1, 2]).toContain(found.length);
  }
});
