import { replicaOf } from "../engine/members.ts";
import { type DataDirectory, hasIdentity, openDataDirectory } from "../io/data-directory.ts";
import type { FreshIdentity } from "../io/directory-identity.ts";
import { systemRandom } from "../io/random.ts";
import { assert } from "../kernel/assert.ts";
import { StartError } from "../kernel/start-error.ts";
import type { Configuration, NodeFacts, ReplicaId } from "../raft/types.ts";
import { DEFAULT_CLUSTER_NAME, type NodeConfiguration } from "./configuration.ts";
import { ExistingCluster } from "./join-cluster.ts";
import { clusterId, firstConfiguration } from "./membership.ts";
import type { Logger } from "./running-node.ts";

/** Of a node that has not joined yet. */
const NOBODY: Configuration = { voters: [], learners: [], facts: { nextReplica: 1, nodes: new Map() } };
/** Of a cluster that begins now: more than its nodes, so that each of them leads some. */
const NEW_CLUSTER_SHARDS = 8;

/** Which cluster a node belongs to: one that begins with it, one that it joins, or the one that its data directory names. */
export class Affiliation {
  /** Who belongs to a cluster that begins with this start. */
  readonly first: Configuration;

  /** @throws {StartError} */
  constructor(
    private readonly configuration: NodeConfiguration,
    private readonly log: Logger,
    private readonly signal: AbortSignal | undefined,
  ) {
    const { nodeId, peerAddress, members, join: url } = configuration;
    this.first = firstConfiguration(members ?? new Map([[nodeId, peerAddress]]));
    if (url === undefined && replicaOf(this.first, nodeId) === undefined) {
      throw new StartError(`The node ${nodeId} is not among the peers: add it to --peers.`);
    }
  }

  /** Waits, where the node is to join, for a node of that cluster. @throws {StartError} */
  async openDirectory(): Promise<DataDirectory> {
    const { dataDirectory, clusterName = DEFAULT_CLUSTER_NAME, nodeId, join: url } = this.configuration;
    const isJoining = url !== undefined && !hasIdentity(dataDirectory);
    const fresh = isJoining ? await this.joiner(url) : this.founder();
    return openDataDirectory(dataDirectory, {
      ...{ nodeId, clusterName: this.configuration.clusterName },
      // What asks for it was made by a release that knew no shards.
      clusterId: url === undefined ? clusterId(clusterName, this.first, 0) : undefined,
      fresh: () => fresh,
      identity: () => systemRandom.identity(),
    });
  }

  /**
   * Waits, where the node is to join, until it is let in.
   *
   * @param node what this node says of itself
   * @returns its replica, which the directory says from now on
   * @throws {StartError}
   */
  async settle(directory: DataDirectory, node: NodeFacts): Promise<ReplicaId> {
    const { replica, membership, clusterId: id } = directory.identity;
    if (replica !== undefined && membership !== undefined) return replica;
    const { join: url } = this.configuration;
    if (url !== undefined) {
      const joined = await this.existing(url).join(node, id);
      directory.settle(joined.replica, joined.membership);
      this.log.info({ replica: joined.replica }, "joined the cluster as a learner");
      return joined.replica;
    }
    if (membership !== undefined) {
      throw new StartError(
        `The data directory ${directory.path} was made to join a cluster, and has not joined it yet: give --join URL.`,
      );
    }
    const first = replicaOf(this.first, this.configuration.nodeId);
    assert(first !== undefined, "a node that joins nobody is of the first configuration");
    directory.settle(first, this.first);
    return first;
  }

  /** What this node is in a cluster that begins with this start. */
  private founder(): FreshIdentity {
    const { nodeId, clusterName = DEFAULT_CLUSTER_NAME } = this.configuration;
    const shards = NEW_CLUSTER_SHARDS;
    const id = clusterId(clusterName, this.first, shards);
    const replica = replicaOf(this.first, nodeId);
    return { nodeId, clusterName, clusterId: id, replica, membership: this.first, shards };
  }

  /** And in one that exists, which has yet to give it a replica. */
  private async joiner(url: string): Promise<FreshIdentity> {
    const { nodeId, clusterName } = this.configuration;
    const found = await this.existing(url).identity();
    if (clusterName !== undefined && clusterName !== found.clusterName) {
      throw new StartError(
        `The node at ${url} belongs to cluster "${found.clusterName}", not to "${clusterName}": check --join and --cluster.`,
      );
    }
    return { nodeId, ...found, replica: undefined, membership: NOBODY };
  }

  private existing(url: string): ExistingCluster {
    return new ExistingCluster(url, this.log, this.signal);
  }
}
