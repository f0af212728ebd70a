import { nodeStatus } from "../../api/cluster.ts";
import type { OperationOutput } from "../../api/operation.ts";
import { quorum } from "../configuration/node-configuration.ts";
import { httpGet } from "../../server/http-request.ts";

const TIMEOUT_MS = 1_000;

export interface KnownLeader {
  readonly id: string;
  readonly term: number;
  /** Nodes that follow it, itself among them. */
  readonly followers: number;
}

/** Asks every node once. @returns the leader that a majority names, itself among them */
export async function findLeader(ports: readonly number[]): Promise<KnownLeader | undefined> {
  const answers = await Promise.all(ports.map(askNode));
  const leading = answers.filter((answer) => answer?.role === "leader");
  for (const leader of leading) {
    if (leader === undefined) continue;
    const followers = answers.filter((answer) => answer?.leader === leader.node_id && answer.term === leader.term);
    if (followers.length >= quorum(ports.length)) {
      return { id: leader.node_id, term: leader.term, followers: followers.length };
    }
  }
  return undefined;
}

async function askNode(port: number): Promise<OperationOutput<typeof nodeStatus> | undefined> {
  try {
    const { body } = await httpGet(`http://127.0.0.1:${port}/`, TIMEOUT_MS);
    return nodeStatus.output.safeParse(body).data;
  } catch {
    return undefined;
  }
}
