import { lowerMedian } from "./sync-times.ts";

/**
 * `full`: there was no room for a next segment; what is left of this one is kept for keepalive, release, cancel and time
 * (PROTOCOLS R9). `exhausted`: that is used up, too; only terms, votes and what opens a term are written (D9).
 */
export type DiskState = (typeof diskStates)[number];

/** Codes on the wire: append only, never renumber. */
export const diskStates = ["ok", "full", "exhausted"] as const;

/** What a node tells the others of its disk. */
export interface DiskReport {
  readonly state: DiskState;
  /** Median duration of its last fdatasyncs in µs; 0: too few yet. */
  readonly medianSyncUs: number;
}

/** A leader whose median is more than so many times its peers' hands over (PROTOCOLS D9) … */
const SLOW_FACTOR = 5;
/** … if that is also so much in µs: 0.5 ms is no reason to hold an election where the others take 0.1 ms. */
const SLOW_LEAST_US = 5_000;

/** @param peersUs medians of the peers that are known, in µs */
export function isSlowDisk(ownUs: number, peersUs: readonly number[]): boolean {
  const known = peersUs.filter((median) => median > 0);
  if (ownUs === 0 || known.length === 0) return false;
  const peers = lowerMedian(known);
  return ownUs > SLOW_FACTOR * peers && ownUs - peers >= SLOW_LEAST_US;
}
