import { ApiError } from "../../api/errors.ts";
import { addNode, removeNode } from "../../api/members.ts";
import type { OperationInput } from "../../api/operation.ts";
import type { MembershipChange, MembershipEnd } from "../../engine/membership-change.ts";
import { formatHostPort, type HostPort, isLoopback, readHostPort } from "../../kernel/addresses.ts";
import { assert, unreachable } from "../../kernel/assert.ts";
import { limits } from "../../kernel/limits.ts";
import type { ControlGroup, MemberStatus } from "../control-group.ts";
import type { HandlerTools, Register } from "../run.ts";

type NewNode = Omit<OperationInput<typeof addNode>, "replace" | "cluster_id">;

export function memberOperations(register: Register, { group, loopbackOnly }: HandlerTools): void {
  register(addNode, async ({ replace, cluster_id: clusterId, ...node }) => {
    await group.readBarrier();
    const status = group.status();
    if (clusterId !== undefined && clusterId !== status.clusterId) throw wrongCluster(status.clusterName);
    if (loopbackOnly === true) refuseBeyondLoopback(node);
    refuseTaken(node, status.members);
    const before = status.members.find(({ nodeId }) => nodeId === node.node_id);
    if (replace && before === undefined && node.peer_address === undefined) {
      throw unknownNode(node.node_id, status.members, "if it was removed already, say where the others will reach it");
    }
    if (replace && before !== undefined && !isPrepared(node, before)) {
      await change(group, { type: "remove", replica: before.replica });
    }
    const { replica } = await change(group, { type: "add", node: nodeFacts(node, replace ? before : undefined) });
    // What this node shows has to hold the change.
    await group.readBarrier();
    const { members, nextReplica } = group.status();
    const added = before?.replica === replica ? ("unchanged" as const) : ("added" as const);
    return {
      status: replace ? ("replaced" as const) : added,
      node_id: node.node_id,
      replica,
      next_replica: nextReplica,
      members: members.map((each) => ({
        ...{ node_id: each.nodeId, replica: each.replica, peer_address: each.peerAddress },
      })),
    };
  });

  register(removeNode, async ({ node_id: nodeId }) => {
    await group.readBarrier();
    const { members } = group.status();
    const member = members.find((each) => each.nodeId === nodeId);
    if (member === undefined) throw unknownNode(nodeId, members);
    const { replica } = await change(group, { type: "remove", replica: member.replica });
    return { status: "removed" as const, node_id: nodeId, replica };
  });
}

/** Asked once more: the place of its successor is there, and nobody has taken it yet. */
function isPrepared({ peer_address: address }: NewNode, { expected, peerAddress }: MemberStatus): boolean {
  return expected && (address === undefined || formatHostPort(address) === peerAddress);
}

function nodeFacts(node: NewNode, before: MemberStatus | undefined) {
  const peerAddress = node.peer_address ?? readHostPort(before?.peerAddress ?? "");
  assert(peerAddress !== undefined, "a node that is new has an address, and one that is replaced had one");
  const clientAddress = node.address ?? readHostPort(before?.address ?? "");
  return { nodeId: node.node_id, incarnation: node.incarnation ?? 0, peerAddress, clientAddress };
}

/** @throws {ApiError} */
async function change(group: ControlGroup, wanted: MembershipChange): Promise<MembershipEnd> {
  const end = await group.changeMembers(wanted);
  const error = errorOf(end, group);
  if (error !== undefined) throw error;
  return end;
}

function errorOf(end: MembershipEnd, group: ControlGroup): ApiError | undefined {
  const { members } = group.status();
  const node = members.find(({ replica }) => replica === end.replica)?.nodeId ?? `replica ${end.replica}`;
  switch (end.type) {
    case "done":
      return undefined;
    case "exists": {
      const cure = `if its data is lost, run \`mufakat cluster replace ${node}\``;
      return new ApiError("node_exists", { message: `${node} is a member already: ${cure}.`, details: { node } });
    }
    case "tooMany": {
      const message = `A cluster has at most ${limits.maxNodes} nodes: remove one first.`;
      return new ApiError("limit", { message, details: { limit: "maxNodes" } });
    }
    case "lastVoter":
      return new ApiError("last_voter", { details: { node } });
    case "quorum":
      return new ApiError("quorum_at_risk", { details: { node } });
    case "outdated": {
      const message = `Nodes join and leave once every node knows how, and ${node} has not said that it does: start it, or upgrade it.`;
      return new ApiError("feature_level", { message, details: { node } });
    }
    case "busy":
      return new ApiError("change_under_way");
    case "notLeader":
      return new ApiError("no_leader");
    case "timedOut":
      return new ApiError("outcome_unknown");
    default:
      return unreachable(end.type);
  }
}

function wrongCluster(name: string): ApiError {
  return new ApiError("wrong_cluster", {
    message: `This node belongs to cluster ${JSON.stringify(name)}, and to no other.`,
  });
}

/** @param advice the end of a sentence */
function unknownNode(nodeId: string, members: readonly MemberStatus[], advice?: string): ApiError {
  const known = members.map((member) => member.nodeId);
  const message = `${nodeId} is no member of this cluster, which has ${known.join(", ")}${advice === undefined ? "" : `: ${advice}`}.`;
  return new ApiError("unknown_node", { message, details: { nodes: known } });
}

/** As at the start of a node: without TLS other machines are reached only where somebody said that the network is trusted. */
function refuseBeyondLoopback({ peer_address: address }: NewNode): void {
  if (address === undefined || isLoopback(address.host)) return;
  throw badAddress(address, "is on another machine: start the nodes with --insecure if the network is trusted");
}

function refuseTaken({ node_id: nodeId, peer_address: address }: NewNode, members: readonly MemberStatus[]): void {
  if (address === undefined) return;
  const taken = members.find((member) => member.nodeId !== nodeId && member.peerAddress === formatHostPort(address));
  if (taken !== undefined) throw badAddress(address, `is the address of ${taken.nodeId}`);
}

function badAddress(address: HostPort, why: string): ApiError {
  const message = `${formatHostPort(address)} ${why}`;
  const details = { fields: [{ field: "peer_address", message }] };
  return new ApiError("bad_request", { message: `peer_address: ${message}`, details });
}
