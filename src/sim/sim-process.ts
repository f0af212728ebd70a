import type { Engine } from "../engine/engine.ts";
import type { GroupHost } from "../engine/group-host.ts";
import type { LockMachine } from "../locks/lock-machine.ts";
import type { LockCommand, LockResult } from "../locks/types.ts";
import type { QueueCommand, QueueResult } from "../queue/commands.ts";
import type { QueueMachine } from "../queue/queue-machine.ts";
import type { AnyGroupChecks } from "./checks/group-checks.ts";

/** A group as a process hosts it. */
export interface SimGroup {
  // oxlint-disable-next-line typescript/no-explicit-any -- existential type: Command and Result differ by group
  readonly host: GroupHost<any, any>;
  readonly machine: LockMachine | QueueMachine;
  readonly checks: AnyGroupChecks;
}

export interface SimShard {
  readonly host: GroupHost<QueueCommand, QueueResult>;
  readonly queues: QueueMachine;
}

/** A process that runs: what of a node dies with a crash. */
export interface SimProcess {
  readonly engine: Engine;
  /** Of the control group. */
  readonly host: GroupHost<LockCommand, LockResult>;
  readonly locks: LockMachine;
  /** Undefined: the cluster has no queues. */
  readonly shard: SimShard | undefined;
  /** All of them, the control group first. */
  readonly groups: readonly SimGroup[];
}
