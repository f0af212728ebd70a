import type { Fields, HistoryRecord, OperationRecord } from "./history.ts";

/** Where nothing is asked for. */
const DEFAULT_TTL_SECONDS = 30;
const takesLease = /\.acquire/;

/**
 * The same history, with each `ttl` as short as the clocks of the run allow: a lease is measured by the leader's clock, which
 * may run too fast by the documented bound (PROTOCOLS T2), and a step of it passes for two heartbeat intervals at most (T1).
 */
export function asClocksAllow(records: readonly HistoryRecord[]): readonly HistoryRecord[] {
  const shortest = shortestLeases(records);
  if (shortest === undefined) return records;
  return records.map((record) => (record.type === "operation" ? withTtl(record, shortest) : record));
}

function withTtl(record: OperationRecord, shortest: (seconds: number) => number): OperationRecord {
  const { input, operation } = record;
  const asked = input["ttl"];
  if (typeof asked === "number") return { ...record, input: { ...input, ttl: shortest(asked) } };
  const isDefault = takesLease.test(operation) && input["session"] === undefined;
  return isDefault ? { ...record, input: { ...input, ttl: shortest(DEFAULT_TTL_SECONDS) } as Fields } : record;
}

/** In seconds; undefined where clocks were left alone. */
function shortestLeases(records: readonly HistoryRecord[]): ((seconds: number) => number) | undefined {
  const [run] = records;
  const drift = (run?.type === "run" ? run.max_drift : undefined) ?? 0;
  const steps = records.flatMap((record) => {
    return record.type === "fault" && record.shortens_us !== undefined ? [record] : [];
  });
  if (drift === 0 && steps.length === 0) return undefined;
  const starts = steps.map(({ from_us }) => from_us).toSorted((a, b) => a - b);
  const ends = steps.map(({ to_us }) => to_us).toSorted((a, b) => a - b);
  const stepUs = Math.max(0, ...steps.map(({ shortens_us = 0 }) => shortens_us));
  return (seconds) => {
    const leaseUs = seconds * 1e6;
    return Math.max(0, leaseUs / (1 + drift) - mostWithin(leaseUs, starts, ends) * stepUs) / 1e6;
  };
}

/** How many steps at most one stretch of that length can meet: each took place somewhere between its start and its end. */
function mostWithin(lengthUs: number, starts: readonly number[], ends: readonly number[]): number {
  let most = 0;
  let first = 0;
  for (let last = 0; last < starts.length; last++) {
    while ((starts[last] ?? 0) - (ends[first] ?? 0) > lengthUs) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}
