import type { Prng } from "../kernel/prng.ts";
import type { LockMachine } from "../locks/lock-machine.ts";
import type { LockResult } from "../locks/types.ts";
import type { QueueResult } from "../queue/commands.ts";
import type { QueueMachine } from "../queue/queue-machine.ts";
import type { GroupId } from "../raft/types.ts";
import type { ClientChecks } from "./checks/client-checks.ts";
import type { AnyGroupChecks, GroupChecks } from "./checks/group-checks.ts";
import type { SimHooks } from "./hooks.ts";
import type { SimNetwork } from "./network.ts";
import type { Profile } from "./profile.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Trace } from "./trace.ts";

/** Of the control group, and of those who ask it. */
export interface Checks extends GroupChecks<LockResult, LockMachine> {
  readonly clients: ClientChecks;
}

export type ShardChecks = GroupChecks<QueueResult, QueueMachine>;

/** The one shard of queues that a cluster has beside its control group, where it has any. */
export const SIM_SHARD = 1;

/** What all parts of one run share. */
export interface World {
  readonly profile: Profile;
  readonly scheduler: Scheduler;
  /** For nodes and what happens in them. */
  readonly random: Prng;
  readonly network: SimNetwork;
  readonly checks: Checks;
  /** Undefined: the cluster has no queues. */
  readonly shardChecks: ShardChecks | undefined;
  /** Of all groups, the control group first. */
  readonly groupChecks: ReadonlyMap<GroupId, AnyGroupChecks>;
  readonly hooks: SimHooks;
  /** Nodes that start from now on run another version of the program. */
  readonly upgraded: boolean;
  readonly trace: Trace;
  /** A new identity, small and never used before. */
  identity(): number;
}
