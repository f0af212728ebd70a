import type { ClusterStatus } from "../ask-cluster.ts";

/** A group beside the control group, as the nodes that answer know it. */
export interface ShardRow {
  readonly group: number;
  /** As the node says that is in the latest term; null: nobody leads. */
  readonly leader: string | null;
  readonly term: number;
  readonly commit_index: number;
  /** Nodes on which it serves nothing, and why. */
  readonly stopped: readonly { readonly node_id: string; readonly message: string }[];
}

/** @param statuses undefined: that node did not answer */
export function shardsOf(statuses: readonly (ClusterStatus | undefined)[]): ShardRow[] {
  const shards = new Map<number, ShardRow>();
  for (const { node_id: nodeId, groups } of statuses.filter((status) => status !== undefined)) {
    for (const group of groups.slice(1)) {
      const known = shards.get(group.group);
      shards.set(group.group, known === undefined ? rowOf(nodeId, group) : joined(known, rowOf(nodeId, group)));
    }
  }
  return [...shards.values()].sort((one, other) => one.group - other.group);
}

/** A line for the shard, and one for each node on which it has stopped. */
export function shardText({ group, leader, term, commit_index: commit, stopped }: ShardRow): string {
  const led = leader === null ? "no leader" : `leader ${leader}`;
  const why = stopped.map(({ node_id: nodeId, message }) => `${nodeId} has stopped: ${message}\n`).join("");
  return `group ${group}: ${led}, term ${term}, commit ${commit}\n${why}`;
}

function rowOf(nodeId: string, status: ClusterStatus["groups"][number]): ShardRow {
  const { group, leader, term, commit_index, stopped } = status;
  const reason = stopped === undefined ? [] : [{ node_id: nodeId, message: stopped.message }];
  return { group, leader, term, commit_index, stopped: reason };
}

function joined(one: ShardRow, other: ShardRow): ShardRow {
  const isNewer = other.term > one.term || (other.term === one.term && one.leader === null);
  return {
    ...(isNewer ? other : one),
    commit_index: Math.max(one.commit_index, other.commit_index),
    stopped: [...one.stopped, ...other.stopped],
  };
}
