import { describe, expect, test } from "bun:test";
import { withMeasured } from "../../../bench/load/compare/command.ts";
import type { Comparison } from "../../../bench/load/compare/comparison.ts";
import { figuresOf } from "../../../bench/load/compare/figures.ts";
import { markdownOf } from "../../../bench/load/compare/markdown.ts";
import { longestGapMs } from "../../../bench/load/compare/probe.ts";
import { type RateRow, ratiosOf } from "../../../bench/load/compare/rates.ts";
import type { Run } from "../../../bench/load/drive.ts";
import { summarize } from "../../../bench/load/samples.ts";

const circumstances = {
  at: "2026-01-02T03:04:05.000Z",
  seconds: 9,
  loadBefore: 0.5,
  versions: { mufakat: "1.0.0", etcd: "3.4.23" },
  machine: { processors: 2, model: "a model", memory_gib: 24, kernel: "6.1", setting: "one disk" },
};

const runs = (...perSecond: number[]): Run[] => perSecond.map((rate) => ({ perSecond: rate, p50Ms: 1, p99Ms: 2 }));

function failovers(oursMs: number, theirsMs: number, defaultsMs: number): Comparison {
  const fault = "SIGSTOP";
  const of = (row: "mufakat" | "etcd, our times" | "etcd, its defaults", gapMs: number) => {
    return { row, fault, gapMs: summarize([gapMs]), samplesMs: [gapMs] } as const;
  };
  const rows = [of("mufakat", oursMs), of("etcd, our times", theirsMs), of("etcd, its defaults", defaultsMs)];
  return { failovers: { ...circumstances, network: "loopback", failovers: rows } };
}

describe("the time without a grant", () => {
  test("begins with the last success before the fault and ends with the first after it", () => {
    expect(longestGapMs([100, 110, 120, 500, 510], 125, 520)).toBe(380);
  });

  test("is the longest of several", () => {
    expect(longestGapMs([100, 150, 160, 400, 410], 110, 420)).toBe(240);
  });

  test("does not count what was before the fault", () => {
    expect(longestGapMs([100, 900, 910, 920], 905, 930)).toBe(10);
  });

  test("counts what has not ended yet", () => {
    expect(longestGapMs([100, 110], 115, 1_115)).toBe(1_005);
    expect(longestGapMs([], 100, 400)).toBe(300);
  });
});

describe("a ratio of rates", () => {
  test("is taken round by round, like beside like", () => {
    const measured = new Map<RateRow, Run[]>([
      // A machine that was twice as fast in the second round moved no ratio.
      ["mufakat", runs(100, 200)],
      ["mufakat at the leader", runs(120, 240)],
      ["etcd", runs(50, 100)],
      ["etcd at the leader", runs(30, 60)],
      ["redis", runs(1_000, 2_000)],
    ]);
    const ratios = ratiosOf(measured, 64).map(({ row, ratio }) => [row, ratio.median]);
    expect(ratios).toEqual([
      ["etcd", 2],
      ["etcd at the leader", 4],
      ["redis", 0.1],
    ]);
  });
});

describe("a demanded figure", () => {
  test("is met or missed by what was measured", () => {
    const met = (comparison: Comparison): boolean[] => figuresOf(comparison).map((figure) => figure.met);
    expect(met(failovers(300, 300, 601))).toEqual([true, true]);
    expect(met(failovers(310, 300, 601))).toEqual([false, false]);
    const rates = (ratio: number): Comparison => ({
      rates: { ...circumstances, rates: [], ratios: [{ row: "etcd3", outstanding: 64, ratio: summarize([ratio]) }] },
    });
    expect([met(rates(10)), met(rates(9.9))]).toEqual([[true], [false]]);
  });

  test("is left out where a peer was not there", () => {
    expect(figuresOf({ rates: { ...circumstances, rates: [], ratios: [] } })).toEqual([]);
  });
});

describe("the page of figures", () => {
  test("says what missed, what was not measured, and on what", () => {
    const page = markdownOf({
      ...failovers(310, 300, 1_000),
      skipped: ["Redis: there is no `redis-server` on the PATH"],
    });
    expect(page).toContain("| SIGSTOP: our time without a grant / etcd, our times | ≤ 1 | 1.03 | **no** |");
    expect(page).toContain("Not measured: Redis: there is no `redis-server` on the PATH.");
    expect(page).toContain("2026-01-02 03:04 UTC; mufakat 1.0.0, etcd 3.4.23; 2 processors (a model), 24 GiB");
  });

  test("takes the place of the older figures and of nothing else", () => {
    const page = (figures: string): string =>
      `# Title\n\n<!-- measured by \`npm run bench:load -- compare --write\` -->\n\n${figures}\n\n<!-- end of what was measured -->\n\nrest\n`;
    expect(withMeasured(page("old"), "new")).toBe(page("new"));
    expect(() => withMeasured("# Title\n", "new")).toThrow("no place");
  });
});
