import { limits } from "../kernel/limits.ts";
import { RaftLog } from "../raft/log.ts";
import { Raft } from "../raft/raft.ts";
import type { Configuration, GroupId } from "../raft/types.ts";
import type { WriteAheadLog } from "../wal/records.ts";
import type { ApplyJournal } from "./apply-journal.ts";
import { GroupHost, type GroupServices } from "./group-host.ts";
import { Ingress, type OperationProtocol } from "./ingress.ts";
import type { Random } from "./ports.ts";
import { ReadBarriers } from "./read-barriers.ts";
import type { StateMachine } from "./state-machine.ts";
import { Transfers } from "./transfers.ts";

export interface GroupOptions<Command, Result> {
  readonly group: GroupId;
  /** The first: see {@link RaftOptions}. */
  readonly configuration: Configuration;
  /** Election time-outs are drawn from [this, 2 × this) in ms. */
  readonly electionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  /** The simulator's is small, so that entries are read back from the log. */
  readonly maxLogCacheBytes?: number;
  /** Replicas compare their states after every so many entries; the simulator's is small. */
  readonly stateHashEvery?: number;
  readonly machine: StateMachine<Result>;
  readonly journal: ApplyJournal;
  readonly protocol: OperationProtocol<Command, Result>;
}

/** A group as the log remembers it: the state machine starts empty and sees every entry again. */
export function createGroup<Command, Result>(
  options: GroupOptions<Command, Result>,
  services: GroupServices,
  log: WriteAheadLog,
  random: Random,
): GroupHost<Command, Result> {
  const recovered = log.recovered.get(options.group);
  const raft = new Raft(
    {
      group: options.group,
      self: services.self,
      configuration: options.configuration,
      electionTimeoutMs: options.electionTimeoutMs,
      heartbeatIntervalMs: options.heartbeatIntervalMs,
      random: () => random.next(),
      maxUncommittedBytes: limits.maxUncommittedBytes,
      maxAppendBytes: limits.maxAppendBytes,
      maxInflightAppends: limits.maxInflightAppends,
      room: services.disk,
    },
    new RaftLog(options.group, log, recovered, options.maxLogCacheBytes ?? limits.maxLogCacheBytes),
    recovered?.hardState ?? { term: 0, vote: 0 },
    recovered?.leaseTimeMs ?? 0,
    services.nowMs(),
  );
  const identity = random.identity();
  const ingress = new Ingress<Command, Result>(identity, options.protocol);
  const barriers = new ReadBarriers(identity);
  const transfers = new Transfers(raft, services.statistics, identity);
  const { group, machine, journal, stateHashEvery = limits.stateHashEvery } = options;
  const apply = { journal, stateHashEvery };
  return new GroupHost(group, raft, machine, ingress, barriers, transfers, services, apply);
}
