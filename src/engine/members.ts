import type { RaftLog } from "../raft/log.ts";
import type { Raft } from "../raft/raft.ts";
import type { Configuration, NodeFacts, ReplicaId } from "../raft/types.ts";

/** Who is to be talked to, and who counts. */
export interface Members {
  /** In force: the newest in the log. */
  readonly configuration: Configuration;
  /** Of every configuration that may still be in force, so that a change that falls back finds its nodes connected. */
  readonly replicas: ReadonlyMap<ReplicaId, NodeFacts | undefined>;
  /** What it acknowledges nobody else may have. 0: no voter is the only one. Undefined: what was known before still counts. */
  readonly onlyVoter: ReplicaId | undefined;
  /** A replica below this that is none of `replicas` has left for good: that has committed. */
  readonly settledBelow: ReplicaId;
}

/** What is asked of a replica. */
interface Followed extends Pick<Raft, "repairing"> {
  readonly log: Pick<RaftLog, "configurations" | "commitIndex">;
}

/** Follows the configurations of a log as they come, commit and fall back (PROTOCOLS R5). */
export class MembersInForce {
  private members: Members | undefined;
  /** Of `members`: the configuration as of the commit index, and the newest. */
  private committed: Configuration | undefined;

  constructor(private readonly replica: Followed) {}

  /** The same object until something changes. */
  get current(): Members {
    const { configurations, commitIndex } = this.replica.log;
    const { configuration } = configurations.current;
    const committed = configurations.at(commitIndex);
    if (this.members?.configuration === configuration && this.committed === committed) return this.members;
    const replicas = new Map<ReplicaId, NodeFacts | undefined>();
    for (const { configuration: each } of configurations.since(commitIndex)) addReplicas(replicas, each);
    this.committed = committed;
    const settledBelow = committed.facts?.nextReplica ?? 0;
    this.members = { configuration, replicas, onlyVoter: this.onlyVoter(), settledBelow };
    return this.members;
  }

  /** From the entry on that leaves one voter, and until the one has committed that brings another. */
  private onlyVoter(): ReplicaId | undefined {
    const { log, repairing } = this.replica;
    const { index, configuration } = log.configurations.current;
    // ↯ It began alone, others joined, and its log began anew: it goes by its first configuration until it is refilled.
    if (repairing) return undefined;
    if (configuration.voters.length === 1) return configuration.voters[0];
    // ↯ The second voter is in the log, and falls back. Or: how far the log is committed nobody knows yet after a start.
    return index <= log.commitIndex ? 0 : undefined;
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
