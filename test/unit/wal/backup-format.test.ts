import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { BackupError } from "../../../src/kernel/backup-error.ts";
import { crc32c } from "../../../src/kernel/crc32c.ts";
import type { GroupId, Snapshot } from "../../../src/raft/types.ts";
import {
  BACKUP_END_BYTES,
  BACKUP_FORMAT,
  type BackupHead,
  MAX_BACKUP_FIELD_BYTES,
  backupBytes,
} from "../../../src/wal/backup-format.ts";
import { BackupReader } from "../../../src/wal/backup-reader.ts";
import { readU32, writeU32 } from "../../../src/wal/integers.ts";
import { SNAPSHOT_HEAD_BYTES } from "../../../src/wal/snapshot-header.ts";
import { backupFile, backupHead, joined, snapshotOf } from "../../support/backup-file.ts";

interface Read {
  head?: BackupHead;
  groups: { group: GroupId; snapshot: Snapshot; content: Uint8Array }[];
  ended: GroupId[];
}

/** @param cuts how many bytes come at a time, over and over; all at once where nothing is said */
function read(file: Uint8Array, cuts: readonly number[] = [file.length || 1]): Read {
  const found: Read = { groups: [], ended: [] };
  const reader = new BackupReader({
    head: (head) => void (found.head = head),
    group: (group, snapshot) => found.groups.push({ group, snapshot, content: new Uint8Array(0) }),
    content: (bytes) => {
      const last = found.groups.at(-1)!;
      last.content = joined([last.content, bytes]);
    },
    groupEnd: (group) => found.ended.push(group),
  });
  for (let at = 0, turn = 0; at < file.length; turn++) {
    const next = at + cuts[turn % cuts.length]!;
    reader.take(file.subarray(at, next));
    at = next;
  }
  reader.finish();
  return found;
}

function refusal(file: Uint8Array, cuts?: readonly number[]): BackupError {
  try {
    read(file, cuts);
  } catch (error) {
    if (error instanceof BackupError) return error;
    throw error;
  }
  throw new Error("the backup was taken");
}

const content = (size: number, seed = 1) => Uint8Array.from({ length: size }, (_, i) => (i * 31 + seed) % 251);
const contents = fc.array(fc.uint8Array({ minLength: 1, maxLength: 2_000 }), { minLength: 1, maxLength: 4 });
const cutting = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 8 });

function withWord(file: Uint8Array, at: number, value: number): Uint8Array {
  const changed = file.slice();
  writeU32(changed, at, value);
  return changed;
}

/** The CRC of the head is made right again. */
function resealed(file: Uint8Array): Uint8Array {
  const crcAt = 16 + readU32(file, 12);
  return withWord(file, crcAt, crc32c(file, 0, crcAt));
}

describe("a backup", () => {
  test("reads as it was written, however its bytes are cut", () => {
    fc.assert(
      fc.property(contents, cutting, (states, cuts) => {
        const found = read(backupFile(states), cuts);
        expect(found.head).toEqual({ ...backupHead, groups: states.length });
        expect(found.groups.map((each) => each.content)).toEqual(states);
        expect(found.groups.map((each) => each.snapshot)).toEqual(states.map((state) => snapshotOf(state)));
        expect(found.ended).toEqual(states.map((_, group) => group));
      }),
    );
  });

  test("has the size that was foretold", () => {
    const states = [content(1), content(70_000)];
    const head = { ...backupHead, groups: states.length };
    const snapshots = states.map((state) => snapshotOf(state));
    expect(backupBytes(head, snapshots)).toBe(backupFile(states).length);
  });

  test("that is cut short anywhere is refused", () => {
    const file = backupFile([content(300), content(40)]);
    for (let length = 0; length < file.length; length++) {
      const { code, message } = refusal(file.subarray(0, length));
      expect(code).toBe(length < 16 ? "not_a_backup" : "damaged_backup");
      if (length >= 16) expect(message).toContain(`cut short after ${length} bytes`);
    }
  });

  test("with one bit flipped anywhere is refused", () => {
    const file = backupFile([content(300), content(40)]);
    for (let bit = 0; bit < file.length * 8; bit++) {
      const flipped = file.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      refusal(flipped);
    }
  });

  test("with any bytes of it replaced is refused, or is the same", () => {
    const file = backupFile([content(500), content(40)]);
    const change = fc.record({ at: fc.nat(file.length - 1), bytes: fc.uint8Array({ minLength: 1, maxLength: 64 }) });
    fc.assert(
      fc.property(change, cutting, ({ at, bytes }, cuts) => {
        const changed = file.slice();
        changed.set(bytes.subarray(0, file.length - at), at);
        if (changed.every((byte, i) => byte === file[i])) read(changed, cuts);
        else refusal(changed, cuts);
      }),
    );
  });

  test("that goes on behind its end is refused", () => {
    const file = backupFile([content(10)]);
    expect(refusal(joined([file, new Uint8Array(1)])).message).toContain("goes on behind its end");
    expect(refusal(joined([file, file])).message).toContain("goes on behind its end");
  });

  test("whose state is damaged is refused at the end of that state, with where it lies", () => {
    const file = backupFile([content(10), content(5_000)]);
    const from = file.length - BACKUP_END_BYTES - 5_000;
    file[from + 4_000]! ^= 1;
    const { code, message } = refusal(file, [100]);
    expect(code).toBe("damaged_backup");
    expect(message).toContain(`in the state of group 1, somewhere in bytes ${from} to ${from + 4_999}`);
  });

  test("of a newer format is refused as that, and not as a damaged one", () => {
    const newer = resealed(withWord(backupFile([content(10)]), 8, BACKUP_FORMAT + 1));
    expect(refusal(newer)).toMatchObject({ code: "other_format" });
  });

  test("with a head that claims to be huge is refused before memory is taken for it", () => {
    const file = withWord(backupFile([content(10)]), 12, 0xffffffff);
    expect(refusal(file).message).toContain("damaged head");
    expect(refusal(withWord(file, 12, MAX_BACKUP_FIELD_BYTES + 1)).message).toContain("damaged head");
  });

  test("with a state that claims to be huge is refused for what is missing of it", () => {
    const whole = backupFile([content(10)], { totalBytes: Number.MAX_SAFE_INTEGER });
    expect(refusal(whole)).toMatchObject({ code: "damaged_backup" });
  });

  test("with a group twice, or an empty state, is refused", () => {
    const [one, empty] = [backupFile([content(10)]), backupFile([new Uint8Array(0)])];
    expect(refusal(empty).message).toContain("damaged head of a group");
    const group = one.subarray(one.length - BACKUP_END_BYTES - 10 - SNAPSHOT_HEAD_BYTES, one.length - BACKUP_END_BYTES);
    const two = backupFile([content(10), content(10)]);
    const start = two.length - BACKUP_END_BYTES - group.length;
    two.set(group, start);
    expect(refusal(two).message).toContain("damaged head of a group");
  });

  test("is not what other files are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => {
        expect(refusal(bytes)).toMatchObject({ code: "not_a_backup", message: "is not a backup of mufakat" });
      }),
    );
  });
});
