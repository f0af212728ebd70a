import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { limits } from "../../../src/kernel/limits.ts";
import { placeShards, type Placement } from "../../../src/ring/placement.ts";

const nodes = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: limits.maxNodes });
const requests = fc.record({
  nodes,
  shards: fc.integer({ min: 1, max: limits.maxShards }),
  replicas: fc.integer({ min: 1, max: limits.maxReplicas }),
});

function countOf(names: readonly string[], name: string): number {
  return names.filter((each) => each === name).length;
}

function offersOf(placement: Placement, shard: number, verdict: string): string[] {
  const offers = placement.shards[shard - 1]?.offers ?? [];
  return offers.filter((offer) => offer.verdict === verdict).map(({ node }) => node);
}

describe("the placement of shards", () => {
  test("gives each shard its replicas on different nodes, and no node more than its share", () => {
    fc.assert(
      fc.property(requests, (request) => {
        const each = Math.min(request.replicas, request.nodes.length);
        const placement = placeShards(request);
        expect(placement.shards.map(({ shard }) => shard)).toEqual(
          Array.from({ length: request.shards }, (_, i) => i + 1),
        );
        for (const { replicas } of placement.shards) {
          expect(new Set(replicas).size).toBe(each);
          expect(replicas.length).toBe(each);
        }
        const all = placement.shards.flatMap(({ replicas }) => replicas);
        const cap = Math.ceil((request.shards * each) / request.nodes.length);
        for (const node of request.nodes) expect(countOf(all, node)).toBeLessThanOrEqual(cap);
      }),
      { numRuns: 150 },
    );
  });

  test("prefers a replica as leader, no node for more than its share, and passes over only those that have theirs", () => {
    fc.assert(
      fc.property(requests, (request) => {
        const placement = placeShards(request);
        const cap = Math.ceil(request.shards / request.nodes.length);
        const leaders = placement.shards.map(({ leader }) => leader);
        for (const node of request.nodes) expect(countOf(leaders, node)).toBeLessThanOrEqual(cap);
        for (const { replicas, leader } of placement.shards) {
          expect(replicas).toContain(leader);
          for (const passed of replicas.slice(0, replicas.indexOf(leader))) expect(countOf(leaders, passed)).toBe(cap);
        }
      }),
      { numRuns: 150 },
    );
  });

  test("does not depend on the order of the nodes", () => {
    const shuffled = requests.chain((request) =>
      fc.tuple(fc.constant(request), fc.shuffledSubarray(request.nodes, { minLength: request.nodes.length })),
    );
    fc.assert(
      fc.property(shuffled, ([request, others]) => {
        expect(placeShards({ ...request, nodes: others })).toEqual(placeShards(request));
      }),
      { numRuns: 50 },
    );
  });

  test("says of each node that was offered what became of it", () => {
    fc.assert(
      fc.property(requests, (request) => {
        const placement = placeShards(request);
        const room = new Map(request.nodes.map((node) => [node, placement.replicaCap]));
        for (const { shard, replicas } of placement.shards) {
          expect(offersOf(placement, shard, "taken")).toEqual([...replicas]);
          for (const node of offersOf(placement, shard, "full")) expect(room.get(node)).toBe(0);
          for (const node of offersOf(placement, shard, "kept")) expect(room.get(node)).toBeGreaterThan(0);
          for (const node of replicas) room.set(node, (room.get(node) ?? 0) - 1);
        }
      }),
      { numRuns: 100 },
    );
  });

  test("keeps a place for a later shard where taking whoever comes first would leave it none", () => {
    const kept = Array.from({ length: 200 }, (_, i) =>
      placeShards({ nodes: ["a", "b", "c", "d"].map((name) => `${name}${i}`), shards: 4, replicas: 3 }),
    ).filter((placement) => placement.shards.some(({ shard }) => offersOf(placement, shard, "kept").length > 0));
    expect(kept.length).toBeGreaterThan(0);
  });

  test("is refused where nothing can be placed", () => {
    expect(() => placeShards({ nodes: [], shards: 8, replicas: 3 })).toThrow("need nodes");
    expect(() => placeShards({ nodes: ["a"], shards: 0, replicas: 3 })).toThrow("out of range");
    expect(() => placeShards({ nodes: ["a"], shards: limits.maxShards + 1, replicas: 3 })).toThrow("out of range");
    expect(() => placeShards({ nodes: ["a"], shards: 8, replicas: 0 })).toThrow("replicas");
  });
});
