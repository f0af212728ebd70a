import type { GroupId, ReplicaId } from "./types.ts";

export interface RaftOptions {
  readonly group: GroupId;
  readonly self: ReplicaId;
  /** All voters, this replica included. Changes of membership will come as `configuration` entries (PROTOCOLS R5). */
  readonly voters: readonly ReplicaId[];
  /** Election time-outs are drawn from [this, 2 × this) in ms; within it of a leader's word votes are refused (R1). */
  readonly electionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly maxUncommittedBytes: number;
  readonly maxAppendBytes: number;
  readonly maxInflightAppends: number;
}
