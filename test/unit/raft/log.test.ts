import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { RaftLog } from "../../../src/raft/log.ts";
import { majority, majorityReached } from "../../../src/raft/quorum.ts";
import type { EntryReader, TermRun } from "../../../src/raft/storage.ts";
import type { Entry } from "../../../src/raft/types.ts";

const NOTHING: EntryReader = { read: () => [] };
const entry = (index: number, term: number, size = 0, leaseTimeMs = 0): Entry => {
  return { index, term, kind: "command", leaseTimeMs, payload: new Uint8Array(size) };
};

/** A log with entries of these terms in memory. */
function logOf(terms: readonly number[]): RaftLog {
  const log = new RaftLog(0, NOTHING, undefined, 1024);
  terms.forEach((term, i) => log.append(entry(i + 1, term)));
  return log;
}

describe("a majority", () => {
  test.each([
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 3],
    [5, 3],
    [6, 4],
    [7, 4],
  ])("of %i is %i", (voters, needed) => {
    expect(majority(voters)).toBe(needed);
  });

  test("has reached the largest value that so many have reached", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { minLength: 1, maxLength: 7 }), (values) => {
        const reached = majorityReached([...values]);
        const holding = (least: number): number => values.filter((value) => value >= least).length;
        expect(holding(reached)).toBeGreaterThanOrEqual(majority(values.length));
        expect(holding(reached + 1)).toBeLessThan(majority(values.length));
      }),
    );
  });
});

describe("a log", () => {
  test("knows the term of each entry, of none before and of none behind", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2), { maxLength: 40 }), (steps) => {
        let term = 1;
        const terms = steps.map((step) => (term += step));
        const log = logOf(terms);
        expect(log.term(0)).toBe(0);
        expect(log.term(-1)).toBeUndefined();
        terms.forEach((expected, i) => expect(log.term(i + 1)).toBe(expected));
        expect(log.term(terms.length + 1)).toBeUndefined();
        expect(log.lastTerm).toBe(terms.at(-1) ?? 0);
      }),
    );
  });

  test("has no gaps, and neither terms nor lease time fall along it", () => {
    const log = logOf([1, 2]);
    expect(() => log.append(entry(4, 2))).toThrow("no gaps");
    expect(() => log.append(entry(3, 1))).toThrow("terms never fall");
    log.append(entry(3, 2, 0, 50));
    expect(() => log.append(entry(4, 2, 0, 49))).toThrow("lease time never falls");
    log.truncate(3);
    log.append(entry(3, 3, 0, 10));
    expect(log.lastLeaseTimeMs).toBe(10);
  });

  test("is up to date for a vote by last term, then by length", () => {
    const log = logOf([1, 2, 2]);
    const verdicts = [
      [3, 2],
      [4, 2],
      [1, 3],
      [2, 2],
      [9, 1],
    ].map(([index = 0, term = 0]) => log.isUpToDate(index, term));
    expect(verdicts).toEqual([true, true, true, false, false]);
  });

  test("finds where another log may agree with it, in whole terms", () => {
    const log = logOf([1, 1, 4, 4, 4, 6]);
    const at = (term: number, index: number): number => log.lastIndexWithTermAtMost(term, index);
    expect([at(6, 6), at(5, 6), at(5, 99), at(3, 6), at(0, 6), at(6, 2)]).toEqual([6, 5, 5, 2, 0, 2]);
  });

  test("does not count as durable what has since been replaced", () => {
    const log = logOf([1, 1, 1]);
    log.truncate(2);
    log.append(entry(2, 2));
    log.markDurable(3, 1);
    log.markDurable(2, 1);
    expect(log.durableIndex).toBe(0);
    log.markDurable(2, 2);
    expect(log.durableIndex).toBe(2);
    log.markDurable(1, 1);
    expect(log.durableIndex).toBe(2);
  });

  test("refuses to truncate what is committed", () => {
    const log = logOf([1, 1, 1]);
    log.commitTo(2);
    expect(() => log.truncate(2)).toThrow("never truncated");
    log.truncate(3);
    expect(log.lastIndex).toBe(2);
  });

  test("commits no more than it has, and never less than before", () => {
    const log = logOf([1, 1]);
    expect(() => log.commitTo(3)).toThrow();
    log.commitTo(2);
    log.commitTo(1);
    expect(log.commitIndex).toBe(2);
  });
});

describe("the entries in memory", () => {
  /** A log whose every entry is on disk, too. */
  function durableLog(count: number, size: number): { log: RaftLog; reads: [from: number, to: number][] } {
    const all: Entry[] = [];
    const reads: [number, number][] = [];
    const reader: EntryReader = {
      read: (_group, from, to) => {
        reads.push([from, to]);
        return all.slice(from - 1, to);
      },
    };
    const log = new RaftLog(0, reader, undefined, 1000);
    for (let i = 1; i <= count; i++) {
      all.push(entry(i, 1, size));
      log.append(entry(i, 1, size));
    }
    log.markDurable(count, 1);
    log.commitTo(count);
    return { log, reads };
  }

  test("are let go beyond the limit of bytes once applied; the newest stay", () => {
    const { log, reads } = durableLog(100, 100);
    log.appliedIndex = 100;
    log.trimCache();
    expect(log.slice(99, 100, 1000).map(({ index }) => index)).toEqual([99, 100]);
    expect(reads).toEqual([]);
    expect(log.slice(1, 100, 10_000)).toHaveLength(95);
    expect(reads).toEqual([[1, 95]]);
  });

  test("stay while they are not committed or not durable", () => {
    const { log, reads } = durableLog(100, 100);
    for (let i = 101; i <= 200; i++) log.append(entry(i, 1, 100));
    log.trimCache();
    log.slice(101, 200, 100);
    expect(reads).toEqual([]);
    log.commitTo(200);
    log.trimCache();
    log.slice(101, 200, 100);
    expect(reads).toEqual([]);
  });

  test("are let go although they are not applied: who applies slowly does not keep all that it missed", () => {
    const { log, reads } = durableLog(100, 100);
    log.trimCache();
    expect(log.slice(1, 100, 10_000)).toHaveLength(95);
    expect(reads).toEqual([[1, 95]]);
  });

  test("are let go beyond a number, too: empty ones", () => {
    const { log, reads } = durableLog(70_000, 0);
    log.appliedIndex = 70_000;
    log.trimCache();
    log.slice(1, 2, 0);
    expect(reads).toEqual([[1, 2]]);
    expect(log.slice(69_999, 70_000, 0)).toHaveLength(2);
    expect(reads).toHaveLength(1);
  });

  test("begin anew when the log is truncated before them", () => {
    const termRuns: TermRun[] = [{ firstIndex: 1, term: 1 }];
    const recovered = { group: 0, hardState: { term: 1, vote: 0 }, lastIndex: 100, termRuns, leaseTimeMs: 80 };
    const log = new RaftLog(0, { read: (_group, from) => [entry(from, 1, 0, 40)] }, recovered, 1000);
    expect([log.lastIndex, log.lastLeaseTimeMs]).toEqual([100, 80]);
    log.truncate(51);
    expect(log.lastLeaseTimeMs).toBe(40);
    log.append(entry(51, 2, 0, 60));
    expect(log.slice(51, 51, 100)[0]?.term).toBe(2);
    expect([log.durableIndex, log.lastLeaseTimeMs]).toEqual([50, 60]);
  });
});
