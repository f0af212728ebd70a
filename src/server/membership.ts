import { createHash } from "node:crypto";
import type { ReplicaId } from "../raft/types.ts";
import type { HostPort } from "./configuration.ts";

export interface Member {
  readonly nodeId: string;
  readonly replica: ReplicaId;
  readonly peerAddress: HostPort;
}

/** The first membership. Replica ids follow the order of node ids, so that every node numbers them alike. */
export function firstMembership(members: ReadonlyMap<string, HostPort>): Member[] {
  const nodeIds = [...members.keys()].sort();
  return nodeIds.map((nodeId, index) => ({
    nodeId,
    replica: index + 1,
    peerAddress: members.get(nodeId) ?? { host: "", port: 0 },
  }));
}

/** A hash of the name and the first membership: nodes with another one are refused. Addresses may change, ids may not. */
export function clusterId(clusterName: string, members: readonly Member[]): string {
  const hash = createHash("sha256");
  hash.update(JSON.stringify([clusterName, members.map((member) => member.nodeId)]));
  return hash.digest("hex").slice(0, 32);
}
