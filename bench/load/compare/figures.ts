import type { Comparison } from "./comparison.ts";

/** A figure that is demanded of us. */
export interface Figure {
  readonly what: string;
  readonly demanded: string;
  readonly measured: number;
  readonly met: boolean;
}

/** Those demanded figures that were measured. */
export function figuresOf(comparison: Comparison): Figure[] {
  return [...rateFigures(comparison), ...failoverFigures(comparison), ...scaleFigures(comparison)];
}

const DEMANDED_RATES = [
  { row: "etcd", outstanding: 64, atLeast: 2, what: "64 outstanding, over all nodes: ours / etcd's create + delete" },
  {
    row: "etcd at the leader",
    outstanding: 64,
    atLeast: 2,
    what: "64 outstanding, at the leader: ours / etcd's create + delete",
  },
  { row: "etcd3", outstanding: 64, atLeast: 10, what: "64 outstanding: ours / `etcd3` lock + unlock" },
  { row: "etcd3", outstanding: 1, atLeast: 3, what: "one client: ours / `etcd3` lock + unlock" },
] as const;

function rateFigures({ rates }: Comparison): Figure[] {
  return DEMANDED_RATES.flatMap(({ row, outstanding, atLeast, what }) => {
    const measured = rates?.ratios.find((ratio) => ratio.row === row && ratio.outstanding === outstanding)?.ratio
      .median;
    if (measured === undefined) return [];
    return [{ what, demanded: `≥ ${atLeast}`, measured, met: measured >= atLeast }];
  });
}

function failoverFigures({ failovers }: Comparison): Figure[] {
  const rows = failovers?.failovers ?? [];
  const figures: Figure[] = [];
  for (const theirs of rows) {
    if (theirs.row === "mufakat") continue;
    const ours = rows.find(({ row, fault }) => row === "mufakat" && fault === theirs.fault);
    if (ours === undefined) continue;
    const atMost = theirs.row === "etcd, our times" ? 1 : 0.5;
    const measured = ours.gapMs.median / theirs.gapMs.median;
    const what = `${theirs.fault}: our time without a grant / ${theirs.row}`;
    figures.push({ what, demanded: `≤ ${atMost}`, measured, met: measured <= atMost });
  }
  return figures;
}

function scaleFigures({ scale: part }: Comparison): Figure[] {
  const full = part?.scale.stages.find(({ stage }) => stage === "with the waiters, too");
  if (full === undefined) return [];
  return [
    { what: "p50", measured: full.p50Ratio.median },
    { what: "p99", measured: full.p99Ratio.median },
  ].map(({ what, measured }) => {
    return {
      what: `${what} of other locks: at scale / in an empty cluster`,
      demanded: "≤ 2",
      measured,
      met: measured <= 2,
    };
  });
}
