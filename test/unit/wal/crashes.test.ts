import { expect, test } from "bun:test";
import { Prng } from "../../../src/kernel/prng.ts";
import type { GroupLog } from "../../../src/raft/storage.ts";
import type { Entry, HardState } from "../../../src/raft/types.ts";
import { MemoryVolume } from "../../../src/sim/memory-volume.ts";
import type { SegmentedLog } from "../../../src/wal/log.ts";
import { openLog } from "../../../src/wal/open-log.ts";
import { segmentName } from "../../../src/wal/segment.ts";
import type { LogRecord } from "../../../src/wal/records.ts";
import { entries, entry, filler, hardState, logStart, readAll, truncate } from "../../support/wal.ts";

const GROUPS = [0, 1, 2];

interface GroupModel {
  readonly hardState: HardState;
  /** Where the log begins: index and term. */
  readonly start: readonly [number, number];
  /** Behind it. */
  readonly entries: readonly Entry[];
}
type Model = readonly GroupModel[];

const EMPTY: Model = GROUPS.map(() => ({ hardState: { term: 0, vote: 0 }, start: [0, 0], entries: [] }));

/** A random flush and the state that it leads to. */
function randomFlush(random: Prng, from: Model): { records: LogRecord[]; next: Model } {
  const next = from.map((group) => ({ ...group }));
  const records: LogRecord[] = [];
  for (let i = random.int(3); i >= 0; i--) {
    const group = random.int(GROUPS.length);
    const model = next[group]!;
    const kind = random.int(6);
    const startIndex = model.start[0];
    if (kind === 0) {
      model.hardState = { term: model.hardState.term + 1, vote: random.int(4) };
      records.push(hardState(group, model.hardState.term, model.hardState.vote));
    } else if (kind === 1) {
      const kept = random.int(model.entries.length + 1);
      model.entries = model.entries.slice(0, kept);
      records.push(truncate(group, startIndex + kept + 1));
    } else if (kind === 2 && model.entries.length > 0) {
      const dropped = 1 + random.int(model.entries.length);
      const { index, term } = model.entries[dropped - 1]!;
      model.start = [index, term];
      model.entries = model.entries.slice(dropped);
      records.push(logStart(group, index, term));
    } else if (kind === 3 && random.int(4) === 0) {
      const index = startIndex + 1 + random.int(40);
      model.start = [index, 99];
      model.entries = [];
      records.push(logStart(group, index, 99, false));
    } else {
      const size = random.int(10) === 0 ? 6000 : 400;
      const first = startIndex + model.entries.length + 1;
      const fresh = [0, 1].map((k) => entry(first + k, 1 + random.int(3), filler(random.int(size), random.int(99))));
      model.entries = [...model.entries, ...fresh];
      records.push(entries(group, ...fresh));
    }
  }
  return { records, next };
}

function startOf(found: GroupLog | undefined): readonly [number, number] {
  const { index, term } = found?.compacted ?? { index: 0, term: 0 };
  return [index, term];
}

function recoveredModel(log: SegmentedLog): Model {
  return GROUPS.map((group) => ({
    hardState: log.recovered.get(group)?.hardState ?? { term: 0, vote: 0 },
    start: startOf(log.recovered.get(group)),
    entries: readAll(log, group),
  }));
}

/** One node's disk and what its log has promised. */
class Node {
  readonly volume = new MemoryVolume({ delayed: true });
  /** What a restart may show: from the last acknowledged state to the last one written. */
  private legal: Model[] = [EMPTY];
  private current = EMPTY;
  private options: { identity: () => number; segmentBytes: number };
  readonly counts = { flushes: 0, torn: 0, opens: 0, crashesWhileOpening: 0, withoutFirst: 0 };

  constructor(private readonly random: Prng) {
    this.options = { identity: () => 1 + random.uint32(), segmentBytes: 512 * (6 + random.int(12)) };
  }

  /** Opens, perhaps through crashes while it opens, and checks what is found. */
  start(): SegmentedLog {
    for (;;) {
      let log: SegmentedLog | undefined;
      openLog(this.volume, this.options, (error, opened) => {
        if (error) throw error;
        log = opened;
      });
      const patience = this.random.int(3) === 0 ? this.random.int(4) : 1000;
      for (let i = 0; i < patience && log === undefined; i++) this.volume.pump();
      if (log !== undefined) return this.check(log);
      this.counts.crashesWhileOpening++;
      this.crash();
    }
  }

  private check(log: SegmentedLog): SegmentedLog {
    this.counts.opens++;
    if (!this.volume.list().includes(segmentName(1))) this.counts.withoutFirst++;
    const found = recoveredModel(log);
    this.checkRuns(log);
    const match = this.legal.findIndex((model) => Bun.deepEquals(model, found));
    if (match < 0) expect(found).toEqual(this.legal.at(-1)!);
    if (match < this.legal.length - 1) this.counts.torn++;
    // What was read once must never go away again.
    this.current = found;
    this.legal = [found];
    return log;
  }

  private checkRuns(log: SegmentedLog): void {
    for (const [group, { termRuns, leaseTimeMs, lastIndex }] of log.recovered) {
      const all = readAll(log, group);
      const runs = all.filter(({ term }, i) => term !== all[i - 1]?.term);
      expect(termRuns).toEqual(runs.map(({ index, term }) => ({ firstIndex: index, term })));
      expect(leaseTimeMs).toBe(lastIndex * 10);
    }
  }

  /** Flushes until a crash in the middle of something. */
  run(log: SegmentedLog): void {
    for (let left = this.random.int(25); left > 0; left--) {
      const { records, next } = randomFlush(this.random, this.current);
      let durable = false;
      this.legal.push(next);
      this.current = next;
      log.flush(records, (error) => {
        if (error) throw error;
        durable = true;
        this.legal = [next];
        this.counts.flushes++;
      });
      const patience = left === 1 ? this.random.int(4) : 1000;
      for (let i = 0; i < patience && !durable; i++) this.volume.pump();
      if (!durable) break;
    }
    this.crash();
  }

  private crash(): void {
    const random = () => this.random.next();
    if (this.random.int(2) === 0) this.volume.crashProcess(random);
    else this.volume.crashPower(random);
  }
}

test("no crash of process or power, even while opening, loses what was durable or shows half a flush", () => {
  const totals = { flushes: 0, torn: 0, opens: 0, crashesWhileOpening: 0, withoutFirst: 0 };
  for (let seed = 1; seed <= 250; seed++) {
    const node = new Node(new Prng(seed));
    try {
      for (let life = 0; life < 6; life++) node.run(node.start());
      node.start();
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
    for (const key of ["flushes", "torn", "opens", "crashesWhileOpening", "withoutFirst"] as const)
      totals[key] += node.counts[key];
  }
  // A test that met none of these would prove nothing.
  expect(totals.flushes).toBeGreaterThan(5000);
  expect(totals.torn).toBeGreaterThan(50);
  expect(totals.crashesWhileOpening).toBeGreaterThan(200);
  expect(totals.withoutFirst).toBeGreaterThan(200);
});
