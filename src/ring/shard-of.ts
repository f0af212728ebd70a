import { Hash } from "../kernel/hash.ts";

const hash = new Hash();

/**
 * Where a queue lives: the same everywhere and for ever, since its messages are there.
 *
 * A plain remainder, not the ring: the number of shards is fixed when the cluster is created, so no queue ever changes its shard; what
 * moves when nodes come and go are the replicas of shards (`placement.ts`). And not `hash64`: clusters have data by this one.
 *
 * @param shards how many there are, at least 1
 * @returns 0…shards−1
 */
export function shardOf(queue: string, shards: number): number {
  return hash.reset().text(queue).finish() % shards;
}
