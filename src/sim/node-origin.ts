import type { Members } from "../engine/members.ts";
import type { Configuration, NodeFacts, ReplicaId } from "../raft/types.ts";

/** Where a node comes from. */
export interface NodeOrigin {
  readonly facts: NodeFacts;
  /** The first configuration, or what a node that joins was told. */
  readonly configuration: Configuration;
}

/** What a node says of itself. */
export function factsOf(nodeId: string, incarnation: number): NodeFacts {
  return { nodeId, incarnation, peerAddress: { host: nodeId, port: 1 }, clientAddress: undefined };
}

/** The founders of a cluster, as people name them at the first start: nobody knows incarnations yet. */
export function firstConfiguration(nodes: number): Configuration {
  const voters = Array.from({ length: nodes }, (_, i) => i + 1);
  const known = new Map<ReplicaId, NodeFacts>(voters.map((replica) => [replica, factsOf(`node${replica}`, 0)]));
  return { voters, learners: [], facts: { nextReplica: nodes + 1, nodes: known } };
}

/** What a node that joins is told of the cluster: whom it can talk to. Who counts its log says. */
export function toldToJoiner({ replicas, configuration }: Members): Configuration {
  const nodes = new Map<ReplicaId, NodeFacts>();
  for (const [replica, node] of replicas) if (node !== undefined) nodes.set(replica, { ...node, incarnation: 0 });
  return { voters: [], learners: [], facts: { nextReplica: configuration.facts?.nextReplica ?? 1, nodes } };
}
