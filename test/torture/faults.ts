import type { Prng } from "../../src/kernel/prng.ts";

/** What is done to processes, one at a time. */
export const processFaults = ["kill", "pause", "restart-all", "rolling", "transfer"] as const;
/** What is done to the network between the nodes, at the same time as the others. */
export const networkFaults = ["partition", "one-way"] as const;
/** What is done to clocks, at the same time, too. */
export const clockFaults = ["clock-step", "clock-drift"] as const;
/** What an operator does about who belongs to the cluster, one after the other with those to processes. */
export const memberFaults = ["grow", "shrink", "wipe"] as const;
/** What becomes of the files of one node at a time, likewise. */
export const dataFaults = ["bit-flip", "truncate-file", "lose-file", "amnesia"] as const;
export const faultKinds = [...processFaults, ...networkFaults, ...clockFaults, ...memberFaults, ...dataFaults];
/** Needs root, and writes much. One after the other with those to processes. */
export const diskFaults = ["disk-full"] as const;
export const everyFault = [...faultKinds, ...diskFaults];
export type FaultKind = (typeof everyFault)[number];
/** Within one of them faults come one after the other. */
export const lanes: readonly (readonly FaultKind[])[] = [
  [...processFaults, ...memberFaults, ...dataFaults, ...diskFaults],
  networkFaults,
  clockFaults,
];

export interface PlannedFault {
  readonly kind: FaultKind;
  /** After the one before it was over. */
  readonly afterMs: number;
  readonly lastsMs: number;
  /** From which everything else is drawn: of whom, in which way. */
  readonly seed: number;
}

const MIN_GAP_MS = 300;
const GAP_MS = 1_500;
const MIN_LENGTH_MS = 200;
const LENGTH_MS = 4_000;
/** Now and then long enough to be without any fault, so that what only shows in calm is seen, too. */
const CALM_CHANCE = 0.08;
const CALM_MS = 8_000;

/** Faults one after the other without end: each kind once first, then at random. The same seed plans the same faults. */
export function* planFaults(kinds: readonly FaultKind[], prng: Prng): Generator<PlannedFault, void> {
  const first = shuffled(kinds, prng);
  for (let i = 0; kinds.length > 0; i++) {
    const kind = first[i] ?? prng.pick(kinds);
    const calm = i >= first.length && prng.chance(CALM_CHANCE);
    const afterMs = MIN_GAP_MS + prng.int(calm ? CALM_MS : GAP_MS);
    yield { kind, afterMs, lastsMs: MIN_LENGTH_MS + prng.int(LENGTH_MS), seed: prng.uint32() };
  }
}

export function shuffled<Item>(items: readonly Item[], prng: Prng): Item[] {
  const lots = items.map((item) => ({ item, lot: prng.uint32() }));
  return lots.sort((a, b) => a.lot - b.lot).map(({ item }) => item);
}
