import { describe, expect, test } from "bun:test";
import { crc32c } from "../../../src/kernel/crc32c.ts";
import type { HardState } from "../../../src/raft/types.ts";
import { MemoryVolume } from "../../../src/sim/memory-volume.ts";
import { HARD_STATE_FILE, HARD_STATE_SLOT_BYTES, HardStateCopy } from "../../../src/wal/hard-state-copy.ts";
import { writeU32 } from "../../../src/wal/integers.ts";
import { SEGMENT_HEAD_BYTES, segmentName } from "../../../src/wal/segment.ts";
import { entries, entry, filler, flush, hardState, open } from "../../support/wal.ts";

const BITS = HARD_STATE_SLOT_BYTES * 8;

function write(copy: HardStateCopy, flushed: number, ...states: [number, HardState][]): void {
  let outcome: Error | "durable" | undefined;
  copy.write(new Map(states), flushed, (error) => {
    outcome = error ?? "durable";
  });
  expect(outcome).toBe("durable");
}

/** Terms 1 to `writes`, one a write. */
function written(writes: number): MemoryVolume {
  const volume = new MemoryVolume();
  const copy = HardStateCopy.open(volume);
  for (let term = 1; term <= writes; term++) write(copy, term * 10, [0, { term, vote: 2 }]);
  return volume;
}

describe("the second copy of the hard states (D7)", () => {
  test("gives back every group's term, vote and floor, and the flush of the log that had them", () => {
    const volume = new MemoryVolume();
    const copy = HardStateCopy.open(volume);
    expect(copy.found).toBeUndefined();
    write(copy, 3, [0, { term: 4, vote: 1 }]);
    write(copy, 9, [0, { term: 5, vote: 0, floor: { index: 7, term: 4 } }], [3, { term: 1, vote: 3 }]);
    const { found } = HardStateCopy.open(volume);
    expect(found).toMatchObject({ sequence: 2, flush: 9, isNewest: true });
    expect([...(found?.hardStates ?? [])]).toEqual([
      [0, { term: 5, vote: 0, floor: { index: 7, term: 4 } }],
      [3, { term: 1, vote: 3 }],
    ]);
  });

  test.each([1, 2, 3])("after %i writes is known to be the newest if no slot is damaged", (writes) => {
    const volume = written(writes);
    expect(HardStateCopy.open(volume).found).toMatchObject({ sequence: writes, isNewest: true });
    for (const slot of [0, 1]) {
      const rotten = volume.clone();
      rotten.flipBit(HARD_STATE_FILE, slot * BITS + 100);
      const isNewestLost = slot === writes % 2;
      const { found } = HardStateCopy.open(rotten);
      expect([found?.sequence, found?.isNewest]).toEqual([isNewestLost ? writes - 1 : writes, false]);
    }
  });

  test.each([1, 2, 3])("after %i writes is not the newest if a slot reads as zeros", (writes) => {
    for (const slot of [0, 1]) {
      const rotten = written(writes);
      rotten.write(HARD_STATE_FILE, slot * HARD_STATE_SLOT_BYTES, new Uint8Array(HARD_STATE_SLOT_BYTES));
      expect(HardStateCopy.open(rotten).found?.isNewest).toBe(false);
    }
  });

  test("notices every flipped bit of what it needs", () => {
    const volume = written(2);
    for (let bit = 0; bit < 2 * BITS; bit += 7) {
      const rotten = volume.clone();
      rotten.flipBit(HARD_STATE_FILE, bit);
      expect(HardStateCopy.open(rotten).found?.isNewest).toBe(false);
    }
  });

  test("goes on in the place of the slot that was damaged, and is trusted again after two writes", () => {
    const volume = written(5);
    volume.flipBit(HARD_STATE_FILE, BITS + 80);
    const copy = HardStateCopy.open(volume);
    expect(copy.found).toMatchObject({ sequence: 4, isNewest: false });
    write(copy, 70, [0, { term: 7, vote: 1 }]);
    expect(HardStateCopy.open(volume).found).toMatchObject({ sequence: 5, flush: 70, isNewest: true });
  });

  test("in a file that was cut short is made anew", () => {
    const volume = written(2);
    volume.cut(HARD_STATE_FILE, 5_000);
    const copy = HardStateCopy.open(volume);
    expect(copy.found).toMatchObject({ sequence: 2, isNewest: false });
    write(copy, 70, [0, { term: 3, vote: 1 }]);
    expect(HardStateCopy.open(volume).found?.hardStates.get(0)).toEqual({ term: 3, vote: 1 });
  });

  test("of a newer release is refused in one sentence", () => {
    const volume = written(2);
    const slot = volume.read(HARD_STATE_FILE, 0, HARD_STATE_SLOT_BYTES);
    writeU32(slot, 4, 2);
    writeU32(slot, HARD_STATE_SLOT_BYTES - 4, crc32c(slot, 0, HARD_STATE_SLOT_BYTES - 4));
    volume.damage(HARD_STATE_FILE, 0, slot);
    expect(() => HardStateCopy.open(volume, (name) => `/data/votes/${name}`)).toThrow(
      "The log file /data/votes/hard-state has format 2 and this release reads formats up to 1: start the newer release.",
    );
  });
});

describe("a log with a second copy of its hard states", () => {
  const opened = (log: MemoryVolume, votes: MemoryVolume) => open(log, { copy: HardStateCopy.open(votes) });

  test("says that a change is durable when both have it, and nothing more for any other flush", () => {
    const log = new MemoryVolume({ delayed: true });
    const votes = new MemoryVolume();
    const ready = log.clone();
    const running = opened(ready, votes);
    const before = votes.syncs;
    flush(running, entries(0, entry(1, 1)));
    expect(votes.syncs).toBe(before);
    flush(running, hardState(0, 2, 3), entries(0, entry(2, 2)));
    expect(votes.syncs).toBe(before + 1);
    expect(HardStateCopy.open(votes).found?.hardStates.get(0)).toEqual({ term: 2, vote: 3 });
  });

  test("fails with the disk of the copy", () => {
    const votes = new MemoryVolume();
    const running = opened(new MemoryVolume(), votes);
    votes.failNextSync(new Error("no disk"));
    expect(() => flush(running, hardState(0, 2, 3))).toThrow("no disk");
  });

  test.each(["missing", "damaged", "behind"])("writes it again when it is %s, before it opens", (state) => {
    const log = new MemoryVolume();
    const votes = new MemoryVolume();
    const running = opened(log, votes);
    flush(running, hardState(0, 2, 3));
    const old = votes.clone();
    flush(running, hardState(0, 3, 1));
    if (state === "missing") votes.lose(HARD_STATE_FILE);
    if (state === "damaged") votes.damage(HARD_STATE_FILE, 0, filler(2 * HARD_STATE_SLOT_BYTES));
    const found = state === "behind" ? old : votes;
    expect(opened(log, found).recovered.get(0)?.hardState).toEqual({ term: 3, vote: 1 });
    expect(HardStateCopy.open(found).found).toMatchObject({ isNewest: true });
    expect(HardStateCopy.open(found).found?.hardStates.get(0)).toEqual({ term: 3, vote: 1 });
  });

  test("makes it durable before it opens: killed before the sync, then the power fails (D5)", () => {
    const log = new MemoryVolume();
    const votes = new MemoryVolume();
    flush(opened(log, votes), hardState(0, 2, 3));
    flush(open(log), hardState(0, 4, 1));
    const delayed = votes.clone({ delayed: true });
    HardStateCopy.open(delayed).write(new Map([[0, { term: 4, vote: 1 }]]), 2, () => {});
    delayed.crashProcess(() => 1);
    const killed = delayed.clone();
    opened(log, killed);
    killed.crashPower(() => 1);
    expect(HardStateCopy.open(killed).found).toMatchObject({ isNewest: true });
    expect(HardStateCopy.open(killed).found?.hardStates.get(0)).toEqual({ term: 4, vote: 1 });
  });

  test("does not take the loss of its last flush for a torn one where the copy shows it", () => {
    const log = new MemoryVolume();
    const votes = new MemoryVolume();
    const running = opened(log, votes);
    flush(running, hardState(0, 8, 3));
    const last = SEGMENT_HEAD_BYTES + running.flushedBytes;
    flush(running, hardState(0, 9, 1));
    log.damage(segmentName(1), last, new Uint8Array(200));
    expect(() => opened(log, votes)).toThrow(
      `0000000001.wal at offset ${last} (flush 2 is missing, as hard-state shows)`,
    );
    expect(open(log).recovered.get(0)?.hardState.term).toBe(8);
  });
});
