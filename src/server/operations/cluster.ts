import { clusterStatus, health, nodeStatus, readiness, transferLeadership } from "../../api/cluster.ts";
import { ApiError } from "../../api/errors.ts";
import { unreachable } from "../../kernel/assert.ts";
import type { TransferEnd } from "../../engine/transfers.ts";
import type { ControlGroup, GroupStatus, NodeStatus } from "../control-group.ts";
import type { HandlerTools, Register } from "../run.ts";
import { stoppedError } from "../stopped-group.ts";

export function clusterOperations(register: Register, { group }: HandlerTools): void {
  register(nodeStatus, async () => {
    const { nodeId, role, leader, term, version, address, members, stopped } = group.status();
    const peers = members.map((member) => member.nodeId).filter((id) => id !== nodeId);
    return {
      status: "online" as const,
      message:
        stopped?.message ??
        `mufakat node ${nodeId} is ${leader === undefined ? "waiting for a leader" : `a ${role} in term ${term}`}`,
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
    // Of the members, not of the state: also a node that has stopped can say it.
    const index = consistency === "local" ? group.state.appliedIndex : await group.readBarrier();
    return { ...clusterView(group.status()), as_of_index: index };
  });

  register(transferLeadership, async ({ to }) => {
    const { members, leader } = group.status();
    const target = members.find((member) => member.nodeId === to);
    if (to !== undefined && target === undefined) throw unknownNode(members);
    if (leader === undefined) throw new ApiError("no_leader");
    if (to === leader) return { status: "unchanged" as const, ...leads(group, leader) };
    const end = await group.transferLeadership(target);
    if (end === "transferred") return { status: "transferred" as const, ...leads(group, leader) };
    throw transferError(end);
  });

  register(health, async () => ({ status: "ok" as const }));

  register(readiness, async () => {
    const { ready, leader, stopped, repair } = group.status();
    if (ready) return { status: "ready" as const };
    if (stopped !== undefined) throw stoppedError(stopped);
    const reasons: string[] = [];
    if (repair !== undefined) reasons.push("the node gets back from the others what its damaged log lost");
    if (leader === undefined) reasons.push("no leader is known");
    else if (repair === undefined) reasons.push("the node is not yet registered with the leader");
    throw new ApiError("not_ready", { details: { reasons } });
  });
}

function leads(group: ControlGroup, before: string) {
  const { leader, term } = group.leadership();
  return { leader: leader ?? before, term };
}

function unknownNode(members: NodeStatus["members"]): ApiError {
  const known = members.map((member) => member.nodeId);
  const message = `must be one of the nodes ${known.join(", ")}`;
  return new ApiError("bad_request", { message: `to: ${message}`, details: { fields: [{ field: "to", message }] } });
}

function transferError(end: Exclude<TransferEnd, "transferred">): ApiError {
  switch (end) {
    case "notLeader":
      return new ApiError("no_leader");
    case "busy":
      return refused(end, "Leadership is being handed over to another node already.");
    case "unreachable":
      return refused(end, "The leader has no connection to the node that is to lead.");
    case "notVoter":
      return refused("not_voter", "That node does not vote: a node leads only once it has caught up.");
    case "elsewhere":
      return refused(end, "Another election came between.");
    case "timedOut":
      return new ApiError("outcome_unknown", {
        message: "The node did not take over in time: the leader goes on. It may take over yet, if it is only slow.",
        details: { reason: "timed_out" },
      });
    default:
      return unreachable(end);
  }
}

function refused(reason: string, message: string): ApiError {
  return new ApiError("transfer_refused", { message, details: { reason } });
}

function clusterView(status: NodeStatus) {
  return {
    cluster_name: status.clusterName,
    cluster_id: status.clusterId,
    node_id: status.nodeId,
    incarnation: status.incarnation,
    version: status.version,
    members: status.members.map((member) => ({
      node_id: member.nodeId,
      replica: member.replica,
      role: member.role,
      peer_address: member.peerAddress,
      address: member.address ?? null,
      connected: member.connected,
      is_leader: member.nodeId === status.leader,
      disk: member.disk ?? null,
      match_index: member.matchIndex ?? null,
    })),
    groups: status.groups.map(groupView),
    lease_time_ms: status.leaseTimeMs,
  };
}

function groupView(status: GroupStatus) {
  const { group, role, leader, term, commitIndex, appliedIndex, snapshotIndex, compactedIndex, stopped } = status;
  return {
    ...{ group, role, leader: leader ?? null, term, commit_index: commitIndex, applied_index: appliedIndex },
    ...{ snapshot_index: snapshotIndex, compacted_index: compactedIndex },
    ...{ voters: status.voters, learners: status.learners },
    ...(status.wish !== undefined && {
      preferred_leader: status.wish.leader,
      ring_order: status.wish.order,
    }),
    ...(status.damagedSnapshots > 0 && { damaged_snapshots: status.damagedSnapshots }),
    ...(status.repair !== undefined && {
      repair: { until_index: status.repair.untilIndex ?? null, until_term: status.repair.untilTerm },
    }),
    ...(status.transferringTo !== undefined && { transferring_to: status.transferringTo }),
    ...(stopped !== undefined && {
      stopped: { reason: stopped.reason, index: stopped.index, message: stopped.message },
    }),
  };
}
