import type { Configuration, GroupId, ReplicaId } from "../raft/types.ts";
import { type Placement, placeShards } from "../ring/placement.ts";

/** Where a shard should be led, and why. */
export interface ShardWish {
  readonly leader: string;
  /** Nodes in the order in which the ring meets them from the shard's place on. Those before the leader lead their share of others. */
  readonly order: readonly string[];
}

/**
 * What the ring wishes for the shards of a cluster, by its newest configuration. By the names of nodes: one that is replaced keeps
 * its places. Each node has a replica of each shard, so what the ring decides is who leads.
 */
export class ShardWishes {
  private configuration: Configuration | undefined;
  private placement: Placement | undefined;
  private replicas = new Map<string, ReplicaId>();

  /** @param control the configuration of the control group. @param shards how many there are */
  update(control: Configuration, shards: number): void {
    if (this.configuration === control && this.placement?.shards.length === shards) return;
    this.configuration = control;
    this.replicas = new Map(control.voters.map((replica) => [nameOf(control, replica), replica]));
    const nodes = [...this.replicas.keys()];
    this.placement = nodes.length === 0 ? undefined : placeShards({ nodes, shards, replicas: nodes.length });
  }

  /** Undefined: nobody votes in the cluster as far as this node knows. */
  of(group: GroupId): ShardWish | undefined {
    const wish = this.placement?.shards[group - 1];
    return wish && { leader: wish.leader, order: wish.replicas };
  }

  /** 0: none. */
  leaderOf(group: GroupId): ReplicaId {
    return this.replicas.get(this.of(group)?.leader ?? "") ?? 0;
  }
}

/** Of those whose facts nobody knows: by number, which is as stable. */
function nameOf({ facts }: Configuration, replica: ReplicaId): string {
  return facts?.nodes.get(replica)?.nodeId ?? `replica ${replica}`;
}
