import type { HostPort } from "../kernel/addresses.ts";
import { createHash } from "node:crypto";
import type { Members } from "../engine/members.ts";
import type { Configuration, NodeFacts, ReplicaId } from "../raft/types.ts";

/** A node that belongs to the cluster, or still may. */
export interface Member {
  readonly nodeId: string;
  readonly replica: ReplicaId;
  readonly role: "voter" | "learner" | "leaving";
  /** A learner that is known by its id alone. */
  readonly expected: boolean;
  readonly peerAddress: HostPort;
  /** Undefined: not known yet. */
  readonly clientAddress: HostPort | undefined;
}

/** The first membership. Replica ids follow the order of node ids, so that every node numbers them alike. */
export function firstConfiguration(members: ReadonlyMap<string, HostPort>): Configuration {
  const nodes = new Map<ReplicaId, NodeFacts>();
  for (const nodeId of [...members.keys()].sort()) {
    const peerAddress = members.get(nodeId) ?? { host: "", port: 0 };
    nodes.set(nodes.size + 1, { nodeId, incarnation: 0, peerAddress, clientAddress: undefined });
  }
  return { voters: [...nodes.keys()], learners: [], facts: { nextReplica: nodes.size + 1, nodes } };
}

/** A hash of the name and of what a cluster begins with: nodes with another one are refused. It stays when nodes come and go. */
export function clusterId(clusterName: string, { facts }: Configuration, shards: number): string {
  const hash = createHash("sha256");
  const nodes = [...(facts?.nodes.values() ?? [])].map(({ nodeId }) => nodeId);
  hash.update(JSON.stringify([clusterName, nodes, ...(shards > 0 ? [shards] : [])]));
  return hash.digest("hex").slice(0, 32);
}

/** By node id. */
export function membersOf({ replicas, configuration }: Members): Member[] {
  const members: Member[] = [];
  for (const [replica, node] of replicas) {
    if (node === undefined) continue;
    const { nodeId, incarnation, peerAddress, clientAddress } = node;
    const role = roleOf(configuration, replica);
    const expected = role === "learner" && incarnation === 0;
    members.push({ nodeId, replica, role, expected, peerAddress, clientAddress });
  }
  return members.sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
}

/** `leaving`: its removal is in the log, and has not committed. */
function roleOf({ voters, learners }: Configuration, replica: ReplicaId): Member["role"] {
  if (voters.includes(replica)) return "voter";
  return learners.includes(replica) ? "learner" : "leaving";
}
