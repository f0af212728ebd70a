import { assert } from "../kernel/assert.ts";
import { limits } from "../kernel/limits.ts";
import { HashRing } from "./hash-ring.ts";
import { preferredLeaders } from "./preferred-leaders.ts";

export interface PlacementRequest {
  /** Ids, in any order. A node that is to leave is not among them. */
  readonly nodes: readonly string[];
  readonly shards: number;
  /** Of each shard, at least 1; fewer where there are fewer nodes. */
  readonly replicas: number;
}

/**
 * What became of a node that the ring offered for a shard. `taken`: it has a replica. `full`: it had ⌈S·R/n⌉ already. `kept`: it had
 * room, but the place was needed by a node further on, without which a later shard could not get R different nodes.
 */
export interface Offer {
  readonly node: string;
  readonly verdict: "taken" | "full" | "kept";
}

/** What is wished for a shard. What *is* says the shard's own log (PROTOCOLS R6). */
export interface ShardPlacement {
  readonly shard: number;
  /** Different nodes, in the order of the ring. */
  readonly replicas: readonly string[];
  /** One of the replicas. Those before it lead their share of other shards: exactly `leaderCap`. */
  readonly leader: string;
  /** Why: all that the ring offered, in its order, until there were enough. */
  readonly offers: readonly Offer[];
}

export interface Placement {
  /** By number, from 1. */
  readonly shards: readonly ShardPlacement[];
  /** R: `min(replicas, n)`. */
  readonly replicas: number;
  /** Replicas of a node, at most: ⌈S·R/n⌉. */
  readonly replicaCap: number;
  /** Shards that prefer a node as leader, at most: ⌈S/n⌉. */
  readonly leaderCap: number;
}

/**
 * Which nodes should have a replica of which shard: consistent hashing with bounded loads (Mirrokni, Thorup & Zadimoghaddam, SODA
 * 2018), with the tightest bound. The ring offers nodes in its order from the shard's place on, and who is full is passed over. A
 * function of the set of nodes and of two numbers, so every node comes to the same.
 *
 * Greedy alone can end with a shard that finds fewer than R nodes with room. ↯ n = 4, R = 3, S = 4, so 3 a node: the first three
 * shards all take A, B, C; the last has only D. So a node is passed over, too, when its place is needed (`kept`).
 *
 * It always works out. Let T shards be left, this one included, and cⱼ be the room of node j. They can be placed if and only if
 * Σ min(cⱼ, k) ≥ k·R for every k ≤ T (max-flow = min-cut). The left side is concave in k and 0 at 0, so k = T is enough:
 *
 *     slack = Σ min(cⱼ, T) − T·R ≥ 0.
 *
 * Call j *needed* when cⱼ ≥ T. To place one shard takes from the sum 1 for each needed node, taken or not, and 1 for each other
 * one that is taken; T·R falls by R. So the slack stays ≥ 0 if and only if at least `needed − slack` needed nodes are
 * taken. There are R places for them: Σ min(cⱼ, T) ≥ needed·T gives slack ≥ (needed − R)·T ≥ needed − R. And R nodes with room
 * exist, by k = 1. At the start cⱼ = ⌈S·R/n⌉ ≤ S, as R ≤ n, so Σ min(cⱼ, S) = n·⌈S·R/n⌉ ≥ S·R.
 */
export function placeShards({ nodes, shards, replicas }: PlacementRequest): Placement {
  assert(nodes.length > 0 && nodes.length <= limits.maxNodes, "shards need nodes, and not too many");
  assert(isCount(shards) && shards <= limits.maxShards, "the number of shards is out of range");
  assert(isCount(replicas), "a shard has replicas");
  const ring = new HashRing(nodes.map((id) => ({ id, weight: 1 })));
  const each = Math.min(replicas, nodes.length);
  const replicaCap = Math.ceil((shards * each) / nodes.length);
  const leaderCap = Math.ceil(shards / nodes.length);
  const room = new Map(ring.members.map(({ id }) => [id, replicaCap]));
  const placed: Omit<ShardPlacement, "leader">[] = [];
  for (let shard = 1; shard <= shards; shard++) {
    const offers = placeOne(ring.walk(`shard/${shard}`), room, each, shards - shard + 1);
    const taken = offers.filter(({ verdict }) => verdict === "taken").map(({ node }) => node);
    assert(taken.length === each, "there is always room for a shard");
    for (const node of taken) room.set(node, (room.get(node) ?? 0) - 1);
    placed.push({ shard, replicas: taken, offers });
  }
  const leaders = preferredLeaders(placed, leaderCap);
  return {
    shards: placed.map((shard, i) => ({ ...shard, leader: leaders[i] ?? "" })),
    replicas: each,
    replicaCap,
    leaderCap,
  };
}

/** @param left shards that are not placed yet, this one included */
function placeOne(walk: readonly string[], room: ReadonlyMap<string, number>, replicas: number, left: number): Offer[] {
  const roomOf = (node: string): number => room.get(node) ?? 0;
  const isNeeded = (node: string): boolean => roomOf(node) >= left;
  const slack = walk.reduce((sum, node) => sum + Math.min(roomOf(node), left), 0) - left * replicas;
  let mustTake = Math.max(0, walk.filter(isNeeded).length - slack);
  let places = replicas;
  const offers: Offer[] = [];
  for (const node of walk) {
    if (places === 0) break;
    if (roomOf(node) === 0) offers.push({ node, verdict: "full" });
    else if (!isNeeded(node) && mustTake >= places) offers.push({ node, verdict: "kept" });
    else {
      offers.push({ node, verdict: "taken" });
      places -= 1;
      if (isNeeded(node)) mustTake -= 1;
    }
  }
  return offers;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}
