import { describe, expect, test } from "bun:test";
import { MemoryVolume } from "../../../src/sim/memory-volume.ts";
import { crc32c } from "../../../src/kernel/crc32c.ts";
import { LogCorruptError, LogFormatError } from "../../../src/wal/errors.ts";
import { MARK_BYTES } from "../../../src/wal/frame.ts";
import { writeU32 } from "../../../src/wal/integers.ts";
import { SEGMENT_HEAD_BYTES, segmentName } from "../../../src/wal/segment.ts";
import { entries, entry, filler, flush, hardState, open, readAll } from "../../support/wal.ts";

const FIRST = segmentName(1);

/** A log in one small segment, and where each unit starts. */
function smallLog(flushes: number) {
  const volume = new MemoryVolume();
  const log = open(volume, { segmentBytes: 2048 });
  const starts: number[] = [];
  for (let index = 1; index <= flushes; index++) {
    starts.push(SEGMENT_HEAD_BYTES + log.flushedBytes);
    flush(log, hardState(0, index, 1), entries(0, entry(index, index)));
  }
  return { volume, starts, end: SEGMENT_HEAD_BYTES + log.flushedBytes };
}

/** How many entries an opening finds, or the refusal. */
function outcome(volume: MemoryVolume): number | "refused" {
  try {
    return readAll(open(volume, { segmentBytes: 2048 })).length;
  } catch (error) {
    if (error instanceof LogCorruptError || error instanceof LogFormatError) return "refused";
    throw error;
  }
}

describe("corruption", () => {
  test("in the middle is refused in one sentence with file, offset and advice", () => {
    const { volume, starts } = smallLog(4);
    volume.flipBit(FIRST, ((starts[1] ?? 0) + MARK_BYTES + 40) * 8);
    expect(() => open(volume, { directory: "/data/node1/wal" })).toThrow(
      new LogCorruptError(
        `/data/node1/wal/${FIRST}`,
        starts[1] ?? 0,
        `a flush is unreadable that was durable, as offset ${starts[2]} shows`,
      ),
    );
    try {
      open(volume);
    } catch (error) {
      expect(error).toBeInstanceOf(LogCorruptError);
      expect(String(error)).toMatch(
        /^LogCorruptError: The log is damaged in .*: restore the data directory from a backup or replace the node\.$/,
      );
    }
  });

  test("of the last flush is refused when its mark shows that it was durable", () => {
    const { volume, starts } = smallLog(3);
    open(volume, { segmentBytes: 2048 }); // writes the mark
    volume.flipBit(FIRST, ((starts[2] ?? 0) + MARK_BYTES + 40) * 8);
    expect(outcome(volume)).toBe("refused");
  });

  test("of a flush that is gone altogether is refused", () => {
    const { volume, starts, end } = smallLog(4);
    const hole = volume.clone();
    hole.damage(FIRST, starts[1] ?? 0, new Uint8Array((starts[2] ?? 0) - (starts[1] ?? 0)));
    expect(outcome(hole)).toBe("refused");
    expect(outcome(volume)).toBe(4);
    expect(end).toBeLessThan(2048);
  });

  test("at the end of one segment is refused because of the next", () => {
    const volume = new MemoryVolume();
    const log = open(volume, { segmentBytes: 2048 });
    flush(log, entries(0, entry(1, 1, filler(600))));
    const last = SEGMENT_HEAD_BYTES + log.flushedBytes;
    flush(log, entries(0, entry(2, 1, filler(600))));
    flush(log, entries(0, entry(3, 1, filler(600))));
    expect(outcome(volume.clone())).toBe(3);
    volume.damage(FIRST, last, new Uint8Array(2048 - last));
    expect(() => open(volume)).toThrow(`${FIRST} at offset ${last}`);
  });

  test("that put an older version of a flush in its place is refused", () => {
    const { volume, starts, end } = smallLog(3);
    const other = new MemoryVolume();
    const log = open(other, { segmentBytes: 2048 });
    for (let index = 1; index <= 3; index++) flush(log, hardState(0, index, 2), entries(0, entry(index, index)));
    // Same salt, place, sequence and length; only the contents and so the CRC differ.
    const from = starts[1] ?? 0;
    volume.damage(FIRST, from + MARK_BYTES, other.read(FIRST, from + MARK_BYTES, (starts[2] ?? 0) - from - MARK_BYTES));
    expect(outcome(volume)).toBe("refused");
    expect(end).toBeGreaterThan(from);
  });

  test("of any single bit is refused, or touches at most a last flush without a mark", () => {
    const { volume, starts, end } = smallLog(4);
    const last = starts[3] ?? 0;
    const seen = { refused: 0, cut: 0, harmless: 0 };
    for (let bit = 0; bit < end * 8; bit++) {
      const at = bit >>> 3;
      const rotten = volume.clone();
      rotten.flipBit(FIRST, bit);
      const found = outcome(rotten);
      const inFrame = starts.slice(0, 3).some((start, i) => at >= start + MARK_BYTES && at < (starts[i + 1] ?? 0));
      if (at < SEGMENT_HEAD_BYTES || inFrame) expect([at, found]).toEqual([at, "refused"]);
      else if (at >= last + MARK_BYTES) expect([at, found]).toEqual([at, 3]);
      else expect([at, found]).toEqual([at, 4]);
      seen[found === "refused" ? "refused" : found === 3 ? "cut" : "harmless"]++;
    }
    expect(Math.min(seen.refused, seen.cut, seen.harmless)).toBeGreaterThan(200);
  });

  test("found while reading back is a typed error", () => {
    const volume = new MemoryVolume();
    const log = open(volume);
    flush(log, entries(0, entry(1, 1, filler(200))));
    volume.flipBit(FIRST, (SEGMENT_HEAD_BYTES + 150) * 8);
    expect(() => log.read(0, 1, 1, 1)).toThrow(LogCorruptError);
  });
});

describe("files", () => {
  test("a missing segment is refused", () => {
    const volume = new MemoryVolume();
    const log = open(volume, { segmentBytes: 2048 });
    for (let index = 1; index <= 9; index++) flush(log, entries(0, entry(index, 1, filler(600))));
    for (const name of volume.list().sort().slice(0, -1)) {
      const damaged = volume.clone();
      damaged.lose(name);
      expect(() => open(damaged)).toThrow(`${name} at offset 0 (the file is missing)`);
    }
  });

  test("a segment under another's name is refused", () => {
    const { volume } = smallLog(2);
    volume.damage(FIRST, 0, volume.read(segmentName(2), 0, SEGMENT_HEAD_BYTES));
    expect(() => open(volume)).toThrow("belongs to another place");
  });

  test("a newer format is refused in one sentence", () => {
    const { volume } = smallLog(2);
    const head = volume.read(FIRST, 0, SEGMENT_HEAD_BYTES);
    writeU32(head, 8, 3);
    writeU32(head, SEGMENT_HEAD_BYTES - 4, crc32c(head, 0, SEGMENT_HEAD_BYTES - 4));
    volume.damage(FIRST, 0, head);
    expect(() => open(volume)).toThrow(
      `The log file ${FIRST} has format 3 and this release reads formats up to 2: start the newer release.`,
    );
  });

  test("that are no segments are left alone", () => {
    const { volume } = smallLog(2);
    volume.create("notes.txt", 10, () => {});
    volume.create("0000000009.wal.tmp", 10, () => {});
    expect(outcome(volume)).toBe(2);
  });
});
