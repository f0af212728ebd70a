import type { RaftLog } from "../raft/log.ts";
import type { Configuration, NodeFacts, ReplicaId } from "../raft/types.ts";

/** Who is to be talked to, and who counts. */
export interface Members {
  /** In force: the newest in the log. */
  readonly configuration: Configuration;
  /** Of every configuration that may still be in force, so that a change that falls back finds its nodes connected. */
  readonly replicas: ReadonlyMap<ReplicaId, NodeFacts | undefined>;
  /** By one of those configurations the only voter: what it acknowledges nobody else may have. 0: none is. */
  readonly onlyVoter: ReplicaId;
  /** A replica below this that is none of `replicas` has left for good: that has committed. */
  readonly settledBelow: ReplicaId;
}

/** Follows the configurations of a log as they come, commit and fall back (PROTOCOLS R5). */
export class MembersInForce {
  private members: Members | undefined;
  /** Of `members`: the configuration as of the commit index, and the newest. */
  private committed: Configuration | undefined;

  constructor(private readonly log: RaftLog) {}

  /** The same object until something changes. */
  get current(): Members {
    const { configurations, commitIndex } = this.log;
    const { configuration } = configurations.current;
    const committed = configurations.at(commitIndex);
    if (this.members?.configuration === configuration && this.committed === committed) return this.members;
    const replicas = new Map<ReplicaId, NodeFacts | undefined>();
    let onlyVoter: ReplicaId = 0;
    for (const { configuration: each } of configurations.since(commitIndex)) {
      addReplicas(replicas, each);
      if (each.voters.length === 1) [onlyVoter = 0] = each.voters;
    }
    this.committed = committed;
    this.members = { configuration, replicas, onlyVoter, settledBelow: committed.facts?.nextReplica ?? 0 };
    return this.members;
  }
}

/** Of a replica that has yet to hear of a configuration the facts alone say whom it can talk to. */
function addReplicas(
  replicas: Map<ReplicaId, NodeFacts | undefined>,
  { voters, learners, facts }: Configuration,
): void {
  for (const replica of [...voters, ...learners, ...(facts?.nodes.keys() ?? [])]) {
    replicas.set(replica, facts?.nodes.get(replica) ?? replicas.get(replica));
  }
}

/** The replica of a node. */
export function replicaOf({ facts }: Configuration, nodeId: string): ReplicaId | undefined {
  for (const [replica, node] of facts?.nodes ?? []) if (node.nodeId === nodeId) return replica;
  return undefined;
}
