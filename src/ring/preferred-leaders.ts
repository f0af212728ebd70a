import { assert } from "../kernel/assert.ts";

interface Placed {
  /** In the order of the ring. */
  readonly replicas: readonly string[];
}

/**
 * For each shard the replica that should lead it: the first in the order of the ring that does not lead `cap` others.
 *
 * A matching by augmenting paths (Kuhn 1955), since taking the first with room may leave a later shard without: then an earlier one
 * gives way. What a node leads never becomes fewer on the way, so whoever was passed over leads its full share at the end, too.
 *
 * There is always one, by Hall's theorem: the shards of a set A have R·|A| replicas on nodes with at most ⌈S·R/n⌉ each, so
 * on |N| ≥ R·|A| / ⌈S·R/n⌉ nodes; and ⌈S/n⌉·R is an integer and at least S·R/n, so ⌈S/n⌉·|N| ≥ |A|.
 *
 * @param cap ⌈S/n⌉
 */
export function preferredLeaders(shards: readonly Placed[], cap: number): string[] {
  const leaders: (string | undefined)[] = shards.map(() => undefined);
  const leads = (node: string): number[] => [...leaders.keys()].filter((shard) => leaders[shard] === node);

  /** Finds a leader for `shard`, moving others on if need be. @param seen nodes that were tried already */
  function place(shard: number, seen: Set<string>): boolean {
    for (const node of shards[shard]?.replicas ?? []) {
      if (seen.has(node)) continue;
      seen.add(node);
      const led = leads(node);
      const movable = led.length < cap ? undefined : led.find((other) => place(other, seen));
      if (led.length >= cap && movable === undefined) continue;
      leaders[shard] = node;
      return true;
    }
    return false;
  }

  for (const shard of shards.keys()) assert(place(shard, new Set()), "each shard finds a leader");
  return leaders.map((leader) => leader ?? "");
}
