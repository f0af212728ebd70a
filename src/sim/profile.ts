import type { SnapshotPace } from "../engine/snapshot-taker.ts";
import { limits } from "../kernel/limits.ts";
import type { SnapshotLimits } from "../raft/options.ts";
import type { Prng } from "../kernel/prng.ts";

/** What a run is like. Everything is drawn from the seed, so that different seeds stress different things. */
export interface Profile {
  readonly nodes: number;
  /**
   * `connections`: as TCP, frames arrive in order or are lost with their connection. `datagrams`: each frame may be
   * lost, doubled or overtaken, which is more than Raft's transport ever does to it.
   */
  readonly network: "connections" | "datagrams";
  readonly latencyMs: { readonly min: number; readonly max: number };
  /** Share of frames that take ten times as long. */
  readonly slowFrames: number;
  /** Of a frame between datagram nodes. */
  readonly loss: number;
  readonly duplication: number;
  /** Share of frames between datagram nodes that come when nobody thinks of them any more. */
  readonly stragglers: number;
  readonly diskDelayed: boolean;
  readonly diskMs: { readonly min: number; readonly max: number };
  readonly segmentBytes: number;
  /** Entries of one append, in bytes: with few of them an entry and the one before it come in two messages. */
  readonly maxAppendBytes: number;
  /** Appends on their way to one follower. */
  readonly maxInflightAppends: number;
  /** Proposed and not committed, in bytes. */
  readonly maxUncommittedBytes: number;
  readonly tickMs: number;
  readonly heartbeatIntervalMs: number;
  readonly electionTimeoutMs: number;
  /** Clocks run at 1 ± this. */
  readonly clockSkew: number;
  readonly clients: number;
  /** Share of their requests that only look. */
  readonly reads: number;
  readonly locks: number;
  readonly thinkMs: number;
  /** Mean time between two faults of a kind, in ms; infinite: none. */
  readonly everyMs: Readonly<Record<FaultKind, number>>;
  /** How long partitions last at most, in ms: beyond 5 s requests end without a leader. */
  readonly partitionMs: number;
  /** Share of crashes that are power cuts. */
  readonly powerShare: number;
  /** Tiny, so that followers fall behind what logs still hold. */
  readonly snapshotLimits: SnapshotLimits & SnapshotPace;
  /** A node that restarts comes back with a program that knows one more feature level (PROTOCOLS R7). */
  readonly upgrades: boolean;
}

export const faultKinds = [
  "crash",
  "rackPower",
  "pause",
  "partition",
  "disconnect",
  "clog",
  "clockJump",
  "diskStall",
  "diskError",
  "diskFull",
  "transfer",
  "join",
  "leave",
  "replace",
  "rot",
  "duel",
  "misread",
] as const;
/** Nodes come and go. */
export const membershipFaults: readonly FaultKind[] = ["join", "leave", "replace"];
export type FaultKind = (typeof faultKinds)[number];

const MEAN_MS: Readonly<Record<FaultKind, number>> = {
  crash: 700,
  rackPower: 4000,
  pause: 900,
  partition: 900,
  disconnect: 400,
  clog: 900,
  clockJump: 1500,
  diskStall: 1200,
  diskError: 3000,
  diskFull: 1500,
  transfer: 500,
  join: 1200,
  leave: 1500,
  replace: 3000,
  rot: 1500,
  duel: 1000,
  misread: 1500,
};

export function drawProfile(random: Prng, nodes: number | undefined): Profile {
  const everyMs = { ...MEAN_MS };
  for (const kind of faultKinds) {
    // A run without a kind of fault goes further into the others.
    everyMs[kind] = random.chance(0.35) ? Number.POSITIVE_INFINITY : MEAN_MS[kind] * (0.4 + 1.6 * random.next());
  }
  // Runs in which nobody comes or goes are shorter, and go further into all else.
  if (random.chance(0.5)) for (const kind of membershipFaults) everyMs[kind] = Number.POSITIVE_INFINITY;
  const drawnNodes = random.pick([3, 3, 3, 5, 5]);
  const datagrams = random.chance(0.3);
  const minLatencyMs = random.pick([0.05, 0.2, 1]);
  const minDiskMs = random.pick([0.1, 0.5, 3, 20]);
  return {
    nodes: nodes ?? drawnNodes,
    network: datagrams ? "datagrams" : "connections",
    latencyMs: { min: minLatencyMs, max: minLatencyMs * random.pick([2, 5, 30]) },
    slowFrames: random.pick([0, 0.01, 0.1]),
    loss: random.pick([0, 0.02, 0.15]),
    duplication: random.pick([0, 0.02, 0.1, 0.3]),
    stragglers: random.pick([0, 0.005, 0.03]),
    diskDelayed: random.chance(0.85),
    // Where a write takes as long as an election time-out, elections end by luck alone (Raft §5.6).
    diskMs: { min: minDiskMs, max: Math.min(minDiskMs * random.pick([2, 10]), 50) },
    segmentBytes: random.pick([2048, 4096, 16_384]),
    maxAppendBytes: random.pick([limits.maxAppendBytes, 200, 1]),
    maxInflightAppends: random.pick([limits.maxInflightAppends, 4, 1]),
    maxUncommittedBytes: random.pick([limits.maxUncommittedBytes, 2000, 400]),
    tickMs: 15,
    heartbeatIntervalMs: random.pick([15, 40]),
    electionTimeoutMs: random.pick([120, 200]),
    clockSkew: random.pick([0, 0.01, 0.05]),
    clients: 3 + random.int(14),
    reads: random.pick([0.1, 0.2, 0.6]),
    locks: 1 + random.int(4),
    thinkMs: random.pick([5, 20, 60, 500]),
    everyMs,
    partitionMs: random.pick([300, 1500, 1500, 9000]),
    powerShare: random.pick([0, 0.3, 0.7, 1]),
    snapshotLimits: drawSnapshotLimits(random),
    upgrades: random.chance(0.5),
  };
}

function drawSnapshotLimits(random: Prng): Profile["snapshotLimits"] {
  const maxSnapshotChunkBytes = random.pick([200, 350, 600]);
  return {
    maxSnapshotChunkBytes,
    maxSnapshotWindowBytes: maxSnapshotChunkBytes * random.pick([1, 2, 4]),
    maxTrailingEntries: random.pick([0, 0, 6]),
    maxHeldEntries: random.pick([0, 4, 1_000]),
    snapshotEveryEntries: random.pick([3, 4, 8, 1_000_000]),
    snapshotEveryBytes: random.pick([2_000, 1_000_000]),
  };
}
