import type { FaultRecord, HistoryRecord } from "./history.ts";

/** A stretch of time without a change that was acknowledged to anybody, in µs. */
export interface Gap {
  readonly lengthUs: number;
  readonly fromUs: number;
}

const NONE: Gap = { lengthUs: 0, fromUs: 0 };

/** The longest of all. */
export function longestGap(records: readonly HistoryRecord[]): Gap {
  return longest(gapsOf(records));
}

/** The longest while a majority of the members ran, and no fault kept them from hearing each other. */
export function longestGapWithMajority(records: readonly HistoryRecord[]): Gap {
  const gaps = gapsOf(records);
  const parts: Gap[] = [];
  for (const { fromUs, toUs } of stretchesWithMajority(records)) {
    for (const gap of gaps) {
      const startUs = Math.max(fromUs, gap.fromUs);
      const lengthUs = Math.min(toUs, gap.fromUs + gap.lengthUs) - startUs;
      if (lengthUs > 0) parts.push({ lengthUs, fromUs: startUs });
    }
  }
  return longest(parts);
}

function gapsOf(records: readonly HistoryRecord[]): Gap[] {
  const times = records
    .flatMap((record) => {
      const isChange = record.type === "operation" && !/inspect|list/.test(record.operation);
      return isChange && record.outcome === "ok" ? [record.to_us] : [];
    })
    .toSorted((a, b) => a - b);
  return times.slice(1).map((time, i) => ({ lengthUs: time - (times[i] ?? time), fromUs: times[i] ?? time }));
}

function longest(gaps: readonly Gap[]): Gap {
  return gaps.reduce((longer, gap) => (gap.lengthUs > longer.lengthUs ? gap : longer), NONE);
}

function stretchesWithMajority(records: readonly HistoryRecord[]): { fromUs: number; toUs: number }[] {
  const [run] = records;
  const end = records.at(-1);
  if (run?.type !== "run" || end?.type !== "end") return [];
  const faults = records.filter((record) => record.type === "fault");
  const moments = new Set([0, end.at_us, ...faults.flatMap(({ from_us, to_us }) => [from_us, to_us])]);
  const times = [...moments].toSorted((a, b) => a - b);
  const stretches: { fromUs: number; toUs: number }[] = [];
  for (const [i, fromUs] of times.slice(0, -1).entries()) {
    const toUs = times[i + 1] ?? fromUs;
    if (!hasMajority(membersAt(fromUs, run.nodes, faults), during(fromUs, toUs, faults))) continue;
    const before = stretches.at(-1);
    if (before?.toUs === fromUs) before.toUs = toUs;
    else stretches.push({ fromUs, toUs });
  }
  return stretches;
}

function during(fromUs: number, toUs: number, faults: readonly FaultRecord[]): FaultRecord[] {
  return faults.filter(({ from_us, to_us }) => from_us < toUs && to_us > fromUs);
}

/** As the last change before left them. */
function membersAt(atUs: number, first: readonly string[], faults: readonly FaultRecord[]): readonly string[] {
  const changes = faults.filter(({ members, to_us }) => members !== undefined && to_us <= atUs);
  return changes.toSorted((a, b) => b.to_us - a.to_us)[0]?.members ?? first;
}

function hasMajority(members: readonly string[], faults: readonly FaultRecord[]): boolean {
  const without = new Set(faults.flatMap((fault) => fault.without ?? fault.nodes));
  // One after the other: one of them at any time, whichever.
  const inTurn = faults.filter(({ in_turn: turns }) => turns === true).length;
  return members.filter((id) => !without.has(id)).length - inTurn > members.length / 2;
}
