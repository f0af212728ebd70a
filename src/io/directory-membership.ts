import { limits } from "../kernel/limits.ts";
import type { Configuration, NodeAddress, NodeFacts, ReplicaId } from "../raft/types.ts";

/** A configuration as it stands in `identity.json`. */
export function encodeMembership({ voters, learners, facts }: Configuration): object {
  const nodes = [...(facts?.nodes ?? [])].map(([replica, { nodeId, incarnation, peerAddress, clientAddress }]) => ({
    replica,
    node_id: nodeId,
    incarnation,
    peer_address: peerAddress,
    client_address: clientAddress,
  }));
  return { voters, learners, next_replica: facts?.nextReplica ?? 1, nodes };
}

/** @returns undefined when there is none */
export function decodeMembership(value: unknown): Configuration | undefined | "damaged" {
  if (value === undefined) return undefined;
  if (!isRecord(value)) return "damaged";
  const { voters, learners, next_replica: nextReplica, nodes } = value;
  const isSound = isReplicas(voters) && isReplicas(learners) && isPositive(nextReplica) && Array.isArray(nodes);
  if (!isSound || nodes.length > limits.maxReplicas) return "damaged";
  const facts = new Map<ReplicaId, NodeFacts>();
  for (const node of nodes as unknown[]) {
    const read = readNode(node);
    if (read === undefined) return "damaged";
    facts.set(...read);
  }
  return { voters, learners, facts: { nextReplica, nodes: facts } };
}

function readNode(value: unknown): [ReplicaId, NodeFacts] | undefined {
  if (!isRecord(value)) return undefined;
  const { replica, node_id: nodeId, incarnation, peer_address: peer, client_address: client } = value;
  const isSound = isPositive(replica) && typeof nodeId === "string" && (incarnation === 0 || isPositive(incarnation));
  if (!isSound || !isAddress(peer) || (client !== undefined && !isAddress(client))) return undefined;
  return [replica, { nodeId, incarnation, peerAddress: peer, clientAddress: client }];
}

function isReplicas(value: unknown): value is ReplicaId[] {
  return Array.isArray(value) && value.length <= limits.maxReplicas && value.every(isPositive);
}

function isAddress(value: unknown): value is NodeAddress {
  return isRecord(value) && typeof value["host"] === "string" && Number.isInteger(value["port"]);
}

function isPositive(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
