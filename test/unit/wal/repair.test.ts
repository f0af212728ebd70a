import { describe, expect, test } from "bun:test";
import { Prng } from "../../../src/kernel/prng.ts";
import { UNKNOWN_INDEX } from "../../../src/raft/types.ts";
import { MemoryVolume } from "../../../src/sim/memory-volume.ts";
import { AmnesiaError, LogCorruptError } from "../../../src/wal/errors.ts";
import { HARD_STATE_FILE, HARD_STATE_SLOT_BYTES, HardStateCopy } from "../../../src/wal/hard-state-copy.ts";
import type { SegmentedLog } from "../../../src/wal/log.ts";
import { type LogOptions, openLog } from "../../../src/wal/open-log.ts";
import { SEGMENT_HEAD_BYTES, segmentName } from "../../../src/wal/segment.ts";
import {
  countingIdentity,
  entries,
  entry,
  filler,
  flush,
  hardState,
  logStart,
  open,
  readAll,
  truncate,
} from "../../support/wal.ts";

const repair = { groups: [0] };
const FIRST = segmentName(1);

interface Disk {
  readonly log: MemoryVolume;
  readonly votes: MemoryVolume;
}

function disk(): Disk {
  return { log: new MemoryVolume(), votes: new MemoryVolume() };
}

function copyOf({ log, votes }: Disk): Disk {
  return { log: log.clone(), votes: votes.clone() };
}

function opened({ log, votes }: Disk): SegmentedLog {
  return open(log, { segmentBytes: 2048, copy: HardStateCopy.open(votes), repair });
}

/** Small flushes of entries of term 3 in one segment, behind a vote for 2 in term 3. @returns where each starts */
function filled(on: Disk, flushes: number): number[] {
  const log = opened({ ...on });
  flush(log, hardState(0, 3, 2));
  const starts: number[] = [];
  for (let index = 1; index <= flushes; index++) {
    starts.push(SEGMENT_HEAD_BYTES + log.flushedBytes);
    flush(log, entries(0, entry(index, 3)));
  }
  log.settle();
  return starts;
}

/** In the frame of the unit that starts there. */
function rot({ log }: Disk, start: number | undefined, name = FIRST): void {
  log.flipBit(name, ((start ?? 0) + 80) * 8);
}

describe("a log that is damaged (D7)", () => {
  test("in the middle begins anew, without entries, with its vote, and knows where it ended", () => {
    const on = disk();
    const starts = filled(on, 6);
    rot(on, starts[2]);
    const log = opened(on);
    const floor = { index: 6, term: 3 };
    expect(log.recovered.get(0)).toEqual({
      ...{ group: 0, hardState: { term: 3, vote: 2, floor } },
      ...{ lastIndex: 0, termRuns: [], leaseTimeMs: 0 },
    });
    expect(log.repair).toEqual({
      damage: `The log is damaged in ${FIRST} at offset ${starts[2]} (a flush is unreadable that was durable, as offset ${starts[3]} shows)`,
      floors: new Map([[0, floor]]),
    });
    expect(on.log.list()).not.toContain(FIRST);
    expect(HardStateCopy.open(on.votes).found?.hardStates.get(0)?.floor).toEqual(floor);

    // And goes on as any log.
    flush(log, entries(0, entry(1, 1), entry(2, 3)));
    flush(log, hardState(0, 4, 0));
    const again = opened(on);
    expect(again.repair).toBeUndefined();
    expect(readAll(again)).toEqual([entry(1, 1), entry(2, 3)]);
  });

  test("keeps the floor, in both copies and in every later segment, until it is said to be reached", () => {
    const on = disk();
    rot(on, filled(on, 6)[2]);
    const floor = { index: 6, term: 3 };
    let log = opened(on);
    for (let index = 1; index <= 5; index++) flush(log, entries(0, entry(index, 3, filler(900))));
    log = opened(on);
    expect(log.recovered.get(0)?.hardState).toEqual({ term: 3, vote: 2, floor });
    flush(log, hardState(0, 3, 2), entries(0, entry(6, 3)));
    expect(opened(on).recovered.get(0)?.hardState).toEqual({ term: 3, vote: 2 });
    expect(HardStateCopy.open(on.votes).found?.hardStates.get(0)).toEqual({ term: 3, vote: 2 });
  });

  test("again before it was refilled keeps the floor: nothing that it acknowledged since was counted", () => {
    const on = disk();
    rot(on, filled(on, 6)[2]);
    const log = opened(on);
    const name = on.log.list().sort()[0] ?? "";
    const starts: number[] = [];
    for (let index = 1; index <= 3; index++) {
      starts.push(on.log.read(name, 0, 2048).findLastIndex((byte) => byte !== 0));
      flush(log, entries(0, entry(index, 3)));
    }
    rot(on, Math.ceil((starts[1] ?? 0) / 32) * 32, name);
    const again = opened(on);
    expect(again.repair).toBeDefined();
    expect(again.recovered.get(0)?.hardState.floor).toEqual({ index: 6, term: 3 });
  });

  test("at its end does not know how far it reached, but that no entry was of a later term", () => {
    const on = disk();
    rot(on, filled(on, 6)[5]);
    const log = opened(on);
    expect(log.recovered.get(0)?.hardState).toEqual({ term: 3, vote: 2, floor: { index: UNKNOWN_INDEX, term: 3 } });
  });

  test("where its last vote stood has it from the second copy", () => {
    const on = disk();
    const log = opened(on);
    flush(log, hardState(0, 8, 3), entries(0, entry(1, 7)));
    const start = SEGMENT_HEAD_BYTES + log.flushedBytes;
    // PROTOCOLS D7: repaired at term 8 it would vote for another one in 9.
    flush(log, hardState(0, 9, 1));
    rot(on, start);
    expect(opened(on).recovered.get(0)?.hardState).toEqual({
      ...{ term: 9, vote: 1 },
      floor: { index: UNKNOWN_INDEX, term: 9 },
    });
  });

  test("before a vote that can be read needs no second copy", () => {
    const on = disk();
    const starts = filled(on, 3);
    const log = opened(on);
    flush(log, hardState(0, 5, 1));
    flush(log, entries(0, entry(4, 5)));
    rot(on, starts[1]);
    on.votes.damage(HARD_STATE_FILE, 0, filler(2 * HARD_STATE_SLOT_BYTES));
    expect(opened(on).recovered.get(0)?.hardState).toEqual({ term: 5, vote: 1, floor: { index: 4, term: 5 } });
    expect(HardStateCopy.open(on.votes).found).toMatchObject({ isNewest: true });
  });

  test("and whose second copy is damaged, too, is amnesiac: refused in one sentence, and nothing is changed", () => {
    const on = disk();
    rot(on, filled(on, 6)[2]);
    for (const spoil of [
      (votes: MemoryVolume) => votes.lose(HARD_STATE_FILE),
      // The newer slot: what is left may be older than the last vote.
      (votes: MemoryVolume) => votes.flipBit(HARD_STATE_FILE, 99),
    ]) {
      const spoilt = copyOf(on);
      spoil(spoilt.votes);
      const before = spoilt.log.read(FIRST, 0, 2048);
      expect(() => opened(spoilt)).toThrow(AmnesiaError);
      expect(spoilt.log.read(FIRST, 0, 2048)).toEqual(before);
    }
  });

  test("has lost everything when nothing is there, though others know the node", () => {
    const start = (options: Partial<LogOptions>) => () =>
      open(new MemoryVolume(), { copy: HardStateCopy.open(new MemoryVolume()), ...options });
    expect(start({ repair, hadLog: false })).not.toThrow();
    expect(start({ repair, hadLog: true })).toThrow(AmnesiaError);
    // Nobody has what it had, and there is nobody who could replace it.
    expect(start({ hadLog: true })).toThrow("There is nothing in the log: restore the data directory from a backup");
  });

  test("by a file that ends too early does not take that for a torn flush", () => {
    const on = disk();
    const starts = filled(on, 6);
    on.log.cut(FIRST, starts[4] ?? 0);
    const log = opened(on);
    expect(log.repair?.damage).toBe(
      `The log is damaged in ${FIRST} at offset ${starts[4]} (the file ends before offset 2048)`,
    );
    expect(log.recovered.get(0)?.hardState).toEqual({ term: 3, vote: 2, floor: { index: UNKNOWN_INDEX, term: 3 } });
  });

  test("is refused where nobody can refill it", () => {
    const on = disk();
    rot(on, filled(on, 6)[2]);
    expect(() => open(on.log, { copy: HardStateCopy.open(on.votes) })).toThrow(LogCorruptError);
  });

  test("of which all segments are gone has its vote from the second copy", () => {
    const on = disk();
    filled(on, 6);
    for (const name of on.log.list()) on.log.lose(name);
    const log = opened(on);
    expect(log.recovered.get(0)?.hardState).toMatchObject({ term: 3, vote: 2, floor: { index: UNKNOWN_INDEX } });
  });

  test("by a lost segment knows its end from those behind, truncated as it was", () => {
    const on = disk();
    const log = opened(on);
    flush(log, hardState(0, 3, 2));
    for (let index = 1; index <= 9; index++) flush(log, entries(0, entry(index, 3, filler(600))));
    flush(log, hardState(0, 4, 0), truncate(0, 8), entries(0, entry(8, 4)));
    const names = on.log.list().sort();
    const lost = copyOf(on);
    lost.log.lose(names[1] ?? "");
    expect(opened(lost).recovered.get(0)?.hardState).toEqual({ term: 4, vote: 0, floor: { index: 8, term: 4 } });
  });

  test.each(["lost", "of which the head is damaged"])(
    "whose last segment is %s does not take the one before for its end",
    (how) => {
      const on = disk();
      const log = opened(on);
      flush(log, hardState(0, 3, 2));
      for (let index = 1; index <= 4; index++) flush(log, entries(0, entry(index, 3, filler(900))));
      const last = on.log
        .list()
        .sort()
        .findLast((name) => on.log.read(name, SEGMENT_HEAD_BYTES, 99).some((byte) => byte !== 0));
      if (how === "lost") on.log.lose(last ?? "");
      else on.log.flipBit(last ?? "", 99);
      expect(opened(on).recovered.get(0)?.hardState.floor).toEqual({ index: UNKNOWN_INDEX, term: 3 });
    },
  );

  test("damages every group, since the frame may have had records of any", () => {
    const on = disk();
    const starts = filled(on, 6);
    const log = opened(on);
    flush(log, hardState(5, 2, 1));
    flush(log, entries(5, entry(1, 2)), entries(0, entry(7, 3)));
    rot(on, starts[2]);
    const { recovered } = opened(on);
    expect(recovered.get(0)?.hardState.floor).toEqual({ index: 7, term: 3 });
    expect(recovered.get(5)).toMatchObject({
      hardState: { term: 2, vote: 1, floor: { index: 1, term: 2 } },
      lastIndex: 0,
    });
  });

  test("with a snapshot that cannot be read, to which the log does not reach back, begins anew, too", () => {
    const on = disk();
    filled(on, 6);
    flush(opened(on), logStart(0, 4, 3));
    const snapshots = {
      requireFor: () => {
        throw new LogCorruptError("0-4.snapshot", 0, "damaged");
      },
    };
    const log = open(on.log, {
      segmentBytes: 2048,
      copy: HardStateCopy.open(on.votes),
      snapshots,
      repair,
    });
    expect(log.recovered.get(0)).toMatchObject({
      lastIndex: 0,
      hardState: { term: 3, vote: 2, floor: { index: 6, term: 3 } },
    });
    expect(log.recovered.get(0)?.compacted).toBeUndefined();
  });
});

describe("a crash while a log is repaired", () => {
  /** The damaged log of a node, in several segments, with some blank ones behind. */
  function damaged(): Disk {
    const on = disk();
    const log = opened(on);
    flush(log, hardState(0, 3, 2));
    for (let index = 1; index <= 7; index++) flush(log, entries(0, entry(index, 3, filler(600))));
    const [, second = ""] = on.log.list().sort();
    rot(on, SEGMENT_HEAD_BYTES, second);
    return on;
  }

  /** Opens until it is open, or until so many steps of its disks are done. */
  function openFor(log: MemoryVolume, votes: MemoryVolume, steps: number): SegmentedLog | undefined {
    let result: SegmentedLog | undefined;
    const copy = HardStateCopy.open(votes);
    openLog(log, { identity: countingIdentity(), segmentBytes: 2048, copy, repair }, (error, opening) => {
      if (error !== undefined) throw error;
      result = opening;
    });
    for (let step = 0; step < steps && result === undefined; step++) if (!votes.pump()) log.pump();
    return result;
  }

  test.each(["power, which keeps everything", "power, which keeps nothing", "power, which keeps some", "the process"])(
    "of %s, at any step, leaves the old log or the new beginning",
    (kind) => {
      const random = new Prng(7);
      const base = damaged();
      let steps = 0;
      for (let isDone = false; !isDone; steps++) {
        const log = base.log.clone({ delayed: true });
        const votes = base.votes.clone({ delayed: true });
        isDone = openFor(log, votes, steps) !== undefined;
        for (const volume of [log, votes]) {
          if (kind === "the process") volume.crashProcess(() => random.next());
          else
            volume.crashPower(
              kind.endsWith("everything") ? () => 0 : kind.endsWith("nothing") ? () => 1 : () => random.next(),
            );
        }
        const again = openFor(log, votes, 1_000);
        const floor = { index: 7, term: 3 };
        expect([steps, again?.recovered.get(0)?.hardState]).toEqual([steps, { term: 3, vote: 2, floor }]);
        expect(again?.recovered.get(0)?.lastIndex).toBe(0);
        // And it holds: a second crash finds the same.
        log.crashPower(() => 1);
        votes.crashPower(() => 1);
        expect(openFor(log, votes, 1_000)?.recovered.get(0)?.hardState).toEqual({ term: 3, vote: 2, floor });
      }
      expect(steps).toBeGreaterThanOrEqual(5);
    },
  );

  test("deletes what is void at the next start", () => {
    const { log, votes } = damaged();
    const old = log.clone();
    expect(opened({ log, votes }).repair).toBeDefined();
    for (const name of old.list().filter((each) => !log.list().includes(each))) {
      log.create(name, 2048, () => {});
      log.damage(name, 0, old.read(name, 0, 2048));
    }
    const before = log.list().length;
    expect(opened({ log, votes }).repair).toBeUndefined();
    expect(log.list().length).toBeLessThan(before);
    expect(opened({ log, votes }).recovered.get(0)?.hardState.floor).toEqual({ index: 7, term: 3 });
  });

  test("needs no room on a full disk that has blank segments", () => {
    const { log, votes } = damaged();
    log.roomBytes = 0;
    expect(opened({ log, votes }).repair).toBeDefined();
  });
});

describe("any single bit that is flipped in a log", () => {
  test("loses neither vote nor what was acknowledged: both are there, or the floor has them", () => {
    const on = disk();
    const starts = filled(on, 4);
    const end = (starts[3] ?? 0) + 160;
    const seen = { repaired: 0, known: 0, harmless: 0 };
    for (let bit = 0; bit < end * 8; bit += 5) {
      const rotten = copyOf(on);
      rotten.log.flipBit(FIRST, bit);
      const log = opened(rotten);
      const found = log.recovered.get(0);
      expect([bit, found?.hardState.term, found?.hardState.vote]).toEqual([bit, 3, 2]);
      const floor = found?.hardState.floor;
      if (floor === undefined) expect([bit, readAll(log).length]).toEqual([bit, 4]);
      else expect([bit, floor.term, floor.index >= 4]).toEqual([bit, 3, true]);
      seen[floor === undefined ? "harmless" : floor.index === 4 ? "known" : "repaired"]++;
    }
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(40);
  });
});
