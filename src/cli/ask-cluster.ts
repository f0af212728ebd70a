import type { HostPort } from "../kernel/addresses.ts";
import { clusterStatus } from "../api/cluster.ts";
import type { OperationOutput } from "../api/operation.ts";
import { parseHostPort } from "./configuration/host-port.ts";
import { PEER_PORT_OFFSET } from "./configuration/members.ts";
import { httpGet } from "../server/http-request.ts";

export type ClusterStatus = OperationOutput<typeof clusterStatus>;

/** The node's own view, without waiting for a leader; or why there is none. */
export async function askCluster(url: string, timeoutMs: number): Promise<ClusterStatus | string> {
  try {
    const { status, body } = await httpGet(`${url}/cluster?consistency=local`, timeoutMs);
    const parsed = clusterStatus.output.safeParse(body);
    return parsed.success ? parsed.data : `answered ${status}, but not as a node of this version does.`;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return `does not answer (${reason}): start it, or name another node with --url.`;
  }
}

/**
 * Where the clients of a member are: as it says or, until it has, by default. Then it is a guess: another cluster's node may sit
 * there.
 *
 * @returns undefined where no default leads to the member's peer port
 */
export function clientAddress(member: ClusterStatus["members"][number]): HostPort | undefined {
  if (member.address !== null) return parseHostPort(member.address, "address");
  const peer = parseHostPort(member.peer_address, "peer_address");
  return peer.port > PEER_PORT_OFFSET ? { host: peer.host, port: peer.port - PEER_PORT_OFFSET } : undefined;
}
