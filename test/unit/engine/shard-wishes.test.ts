import { describe, expect, test } from "bun:test";
import { ShardWishes } from "../../../src/engine/shard-wishes.ts";
import type { Configuration, ReplicaId } from "../../../src/raft/types.ts";
import { nodeFactsOf } from "../../support/engine-fakes.ts";

const SHARDS = 8;
const groups = Array.from({ length: SHARDS }, (_, i) => i + 1);

/** Voters by the names of their nodes. */
function clusterOf(voters: Readonly<Record<ReplicaId, string>>): Configuration {
  const nodes = new Map(Object.entries(voters).map(([id, nodeId]) => [Number(id), { ...nodeFactsOf(1), nodeId }]));
  return { voters: [...nodes.keys()], learners: [], facts: { nextReplica: 9, nodes } };
}

function wished(configuration: Configuration): ShardWishes {
  const wishes = new ShardWishes();
  wishes.update(configuration, SHARDS);
  return wishes;
}

describe("what the ring wishes for shards", () => {
  const three = clusterOf({ 1: "a", 2: "b", 3: "c" });

  test("is a leader for each, and the order of all nodes", () => {
    const wishes = wished(three);
    for (const group of groups) {
      expect(wishes.of(group)?.order.toSorted()).toEqual(["a", "b", "c"]);
      expect(["a", "b", "c"][wishes.leaderOf(group) - 1]).toBe(wishes.of(group)!.leader);
    }
    expect(wishes.of(0)).toBeUndefined();
  });

  test("goes by names: a node that is replaced leads what it led", () => {
    const [before, after] = [wished(three), wished(clusterOf({ 1: "a", 3: "c", 4: "b" }))];
    for (const group of groups) {
      expect(after.of(group)).toEqual(before.of(group)!);
      if (before.leaderOf(group) === 2) expect(after.leaderOf(group)).toBe(4);
    }
  });

  test("follows the members", () => {
    const wishes = wished(three);
    wishes.update(clusterOf({ 1: "a", 3: "c" }), SHARDS);
    for (const group of groups) expect(wishes.of(group)?.order).toHaveLength(2);
  });

  test("is nothing while nobody is known to vote", () => {
    const wishes = wished({ voters: [], learners: [] });
    expect([wishes.of(1), wishes.leaderOf(1)]).toEqual([undefined, 0]);
  });
});
