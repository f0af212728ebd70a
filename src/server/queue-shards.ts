import type { Engine } from "../engine/engine.ts";
import type { GroupHost } from "../engine/group-host.ts";
import { queueOperationOptions, queueProtocol } from "../engine/queue-protocol.ts";
import { systemClock } from "../io/clocks.ts";
import type { QueueCommand, QueueResult } from "../queue/commands.ts";
import type { QueueMachine } from "../queue/queue-machine.ts";
import { shardOf } from "../ring/shard-of.ts";
import type { Configuration, GroupId } from "../raft/types.ts";
import { EmbeddedQueues } from "./embedded-queues.ts";
import { GroupClient } from "./group-client.ts";
import { newQueueMachine } from "./group-kinds.ts";
import type { HostedGroups } from "./hosted-groups.ts";
import type { QueueCounts } from "./metric-figures.ts";
import type { QueueShard } from "./queue-shard.ts";
import { randomNonce } from "./random-id.ts";
import type { Logger } from "./running-node.ts";
import { ScheduleFirer } from "./schedules/schedule-firer.ts";
import { stoppedError } from "./stopped-group.ts";

/** There are many, and what a late follower needs beyond this is read back from the log. */
const SHARD_BOUNDS = { maxLogCacheBytes: 4 * 1024 * 1024 };

/** The shards of a node: their machines as they are hosted, and the queues that they make. */
export class QueueShards {
  private readonly machines = new Map<GroupId, QueueMachine>();
  private shards: readonly QueueShard[] = [];

  /** @param directory for backlogs that are too much for memory */
  constructor(
    private readonly nodeId: string,
    private readonly directory: string,
  ) {}

  readonly define = (group: GroupId, configuration: Configuration) => {
    const machine = newQueueMachine(this.directory);
    this.machines.set(group, machine);
    return { group, machine, protocol: queueProtocol(this.nodeId), configuration, bounds: SHARD_BOUNDS };
  };

  /** @returns undefined: the cluster began without shards */
  queues(engine: Engine, groups: HostedGroups): EmbeddedQueues | undefined {
    const shards = [...this.machines].map(([group, machine]) => shardFrom(engine, groups, group, machine));
    if (shards.length === 0) return undefined;
    this.shards = shards;
    const wallMs = () => systemClock.wallMs();
    return new EmbeddedQueues({
      shards,
      shardOf: (queue) => shardOf(queue, shards.length),
      nonce: randomNonce,
      wallMs,
    });
  }

  /** What fires the schedules of those that this node leads. */
  firer(engine: Engine, log: Logger): ScheduleFirer {
    const shards = this.shards.map((shard) => ({
      ...shard,
      leads: () => engine.group(shard.group)?.raft.established === true,
    }));
    return new ScheduleFirer(shards, log);
  }

  /** Undefined: there are no shards. */
  get counts(): (() => QueueCounts) | undefined {
    return this.machines.size === 0 ? undefined : () => this.count();
  }

  close(): void {
    for (const machine of this.machines.values()) machine.close();
  }

  private count(): QueueCounts {
    const sum = { queues: 0, messages: 0, bytes: 0, inFlight: 0, receivers: 0 };
    for (const { counts } of this.machines.values()) {
      sum.queues += counts.queues;
      sum.messages += counts.messages;
      sum.bytes += counts.bytes;
      sum.inFlight += counts.inFlight;
      sum.receivers += counts.receivers;
    }
    return sum;
  }
}

function shardFrom(engine: Engine, groups: HostedGroups, group: GroupId, machine: QueueMachine): QueueShard {
  // Sound: it was defined with this machine.
  const host = engine.group(group) as GroupHost<QueueCommand, QueueResult>;
  const client = new GroupClient(engine, host, {
    optionsOf: queueOperationOptions,
    stoppedError: () => {
      const stopped = groups.stopOf(group);
      return stopped === undefined ? undefined : stoppedError(stopped);
    },
  });
  // An entry carries lease time as of when it was proposed, which may be ahead of what a round has confirmed.
  const leaseTimeMs = (): number => Math.max(host.raft.leaseTime.nowMs, machine.leaseTimeMs);
  return { group, client, machine, leaseTimeMs };
}
