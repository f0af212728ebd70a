import { limits } from "../kernel/limits.ts";
import { RaftLog } from "../raft/log.ts";
import type { SnapshotLimits } from "../raft/options.ts";
import { Raft } from "../raft/raft.ts";
import type { Configuration, GroupId } from "../raft/types.ts";
import type { WriteAheadLog } from "../wal/records.ts";
import type { ApplyJournal } from "./apply-journal.ts";
import { restoreNewest } from "./restore-newest.ts";
import type { SnapshotPace } from "./snapshot-taker.ts";
import { GroupHost } from "./group-host.ts";
import type { GroupServices } from "./group-services.ts";
import { Ingress, type OperationProtocol } from "./ingress.ts";
import type { Random } from "./ports.ts";
import { ReadBarriers } from "./read-barriers.ts";
import type { StateMachine } from "./state-machine.ts";
import { Transfers } from "./transfers.ts";

type GroupBound = "maxLogCacheBytes" | "maxUncommittedBytes" | "maxAppendBytes" | "maxInflightAppends";
export type GroupBounds = { readonly [Bound in GroupBound]: number };

export interface GroupOptions<Command, Result> {
  readonly group: GroupId;
  /** The first: see {@link RaftOptions}. */
  readonly configuration: Configuration;
  /** Election time-outs are drawn from [this, 2 × this) in ms. */
  readonly electionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  /** As of `limits`; the simulator's are smaller, so that they are met. */
  readonly bounds?: Partial<GroupBounds>;
  /** Replicas compare their states after every so many entries; the simulator's is small. */
  readonly stateHashEvery?: number;
  readonly machine: StateMachine<Result>;
  readonly journal: ApplyJournal;
  readonly protocol: OperationProtocol<Command, Result>;
  /** Absent: `limits`. */
  readonly snapshotLimits?: SnapshotLimits & SnapshotPace;
}

/**
 * A group as its newest snapshot and the log remember it: the state machine, which is empty, takes the snapshot's state and
 * sees every later entry again.
 *
 * @throws {SnapshotFormatError} when this program cannot read the snapshot
 */
export function createGroup<Command, Result>(
  options: GroupOptions<Command, Result>,
  services: GroupServices,
  log: WriteAheadLog,
  random: Random,
): GroupHost<Command, Result> {
  const { group, machine, journal, stateHashEvery = limits.stateHashEvery, snapshotLimits = limits } = options;
  const recovered = log.recovered.get(group);
  const { newest, incoming } = services.snapshots.store.recovered.get(group) ?? {};
  if (newest !== undefined) restoreNewest(machine, services.snapshots.store, group, newest);
  const bounds: GroupBounds = { ...limits, ...options.bounds };
  const raft = new Raft(
    {
      group,
      self: services.self,
      configuration: options.configuration,
      electionTimeoutMs: options.electionTimeoutMs,
      heartbeatIntervalMs: options.heartbeatIntervalMs,
      random: () => random.next(),
      maxUncommittedBytes: bounds.maxUncommittedBytes,
      maxAppendBytes: bounds.maxAppendBytes,
      maxInflightAppends: bounds.maxInflightAppends,
      room: services.disk,
      snapshotLimits,
    },
    new RaftLog(group, log, recovered, bounds.maxLogCacheBytes, newest),
    recovered?.hardState ?? { term: 0, vote: 0 },
    recovered?.leaseTimeMs ?? 0,
    services.nowMs(),
  );
  if (incoming !== undefined) raft.snapshots.resume(incoming.snapshot, incoming.durableBytes);
  const identity = random.identity();
  const ingress = new Ingress<Command, Result>(identity, options.protocol);
  const barriers = new ReadBarriers(identity);
  const transfers = new Transfers(raft, services.statistics, identity);
  const apply = { journal, stateHashEvery, snapshotPace: snapshotLimits };
  return new GroupHost(group, raft, machine, ingress, barriers, transfers, services, apply);
}
