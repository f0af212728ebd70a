import { Hash } from "../kernel/hash.ts";

const hash = new Hash();

/**
 * Where a queue lives: the same everywhere and for ever, since its messages are there.
 *
 * @param shards how many there are, at least 1
 * @returns 0…shards−1
 */
export function shardOf(queue: string, shards: number): number {
  return hash.reset().text(queue).finish() % shards;
}
