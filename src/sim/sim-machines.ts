import { limits } from "../kernel/limits.ts";
import type { StateMachine } from "../engine/state-machine.ts";
import { LockMachine } from "../locks/lock-machine.ts";
import type { LockResult } from "../locks/types.ts";
import type { QueueResult } from "../queue/commands.ts";
import { QueueMachine } from "../queue/queue-machine.ts";
import type { QueueLimits } from "../queue/state.ts";
import type { GroupId, ReplicaId } from "../raft/types.ts";
import type { SnapshotMachine } from "./sim-snapshots.ts";
import type { World } from "./world.ts";

/** So that runs reach them: messages beyond a few lie in pages, and pages are small. */
const SMALL_QUEUES: QueueLimits = { ...limits, maxHotMessages: 20, pageMessages: 4, pageBytes: 64 };

/** State machines of one node that have applied nothing, with what a hook puts around them. */
export class SimMachines {
  constructor(
    private readonly world: World,
    private readonly node: ReplicaId,
    private readonly localMs: () => number,
  ) {}

  locks(): { readonly machine: StateMachine<LockResult>; readonly locks: LockMachine } {
    const { hooks, upgraded } = this.world;
    const locks = new LockMachine();
    const place = { node: this.node, localMs: this.localMs, upgraded };
    return { machine: hooks.machine?.(locks, place) ?? locks, locks };
  }

  queues(): { readonly machine: StateMachine<QueueResult>; readonly queues: QueueMachine } {
    const queues = new QueueMachine(SMALL_QUEUES);
    return { machine: this.world.hooks.queueMachine?.(queues) ?? queues, queues };
  }

  /** For a snapshot of the group, which is compared with what others had at its entry. */
  ofSnapshot(group: GroupId): SnapshotMachine {
    const { checks, shardChecks } = this.world;
    if (group === 0 || shardChecks === undefined) {
      const { machine, locks } = this.locks();
      return { machine, made: () => checks.applied.restored(this.node, locks) };
    }
    const { machine, queues } = this.queues();
    return { machine, made: () => shardChecks.applied.restored(this.node, queues) };
  }
}
