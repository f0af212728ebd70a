import { clusterStatus, health, nodeStatus, readiness } from "../../api/cluster.ts";
import { ApiError } from "../../api/errors.ts";
import type { NodeStatus } from "../control-group.ts";
import type { HandlerTools, Register } from "../run.ts";
import { readIndex } from "./lock-reads.ts";

export function clusterOperations(register: Register, { group }: HandlerTools): void {
  register(nodeStatus, async () => {
    const { nodeId, role, leader, term, version, address, members } = group.status();
    const peers = members.map((member) => member.nodeId).filter((id) => id !== nodeId);
    return {
      status: "online" as const,
      message: `mufakat node ${nodeId} is ${leader === undefined ? "waiting for a leader" : `a ${role} in term ${term}`}`,
      node_id: nodeId,
      role,
      raft_state: role,
      leader: leader ?? null,
      current_leader: leader ?? null,
      term,
      version,
      port: Number(address.slice(address.lastIndexOf(":") + 1)),
      peers,
      peers_count: peers.length,
    };
  });

  register(clusterStatus, async ({ consistency }) => {
    const index = await readIndex(group, consistency);
    return { ...clusterView(group.status()), as_of_index: index };
  });

  register(health, async () => ({ status: "ok" as const }));

  register(readiness, async () => {
    const { ready, leader } = group.status();
    if (ready) return { status: "ready" as const };
    const reasons = [leader === undefined ? "no leader is known" : "the node is not yet registered with the leader"];
    throw new ApiError("not_ready", { details: { reasons } });
  });
}

function clusterView(status: NodeStatus) {
  const { nodeId, role, leader, term, commitIndex, appliedIndex } = status;
  return {
    cluster_name: status.clusterName,
    cluster_id: status.clusterId,
    node_id: nodeId,
    incarnation: status.incarnation,
    version: status.version,
    members: status.members.map((member) => ({
      node_id: member.nodeId,
      peer_address: member.peerAddress,
      connected: member.connected,
      is_leader: member.nodeId === leader,
      match_index: member.matchIndex ?? null,
    })),
    groups: [{ group: 0, role, leader: leader ?? null, term, commit_index: commitIndex, applied_index: appliedIndex }],
    lease_time_ms: status.leaseTimeMs,
  };
}
