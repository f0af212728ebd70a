import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { limits } from "../../../src/kernel/limits.ts";
import { HashRing, VIRTUAL_NODES } from "../../../src/ring/hash-ring.ts";

const KEYS = Array.from({ length: 2_000 }, (_, i) => `key-${i}`);

const idsOf = (maxLength: number, minLength = 1) =>
  fc.uniqueArray(fc.string({ minLength: 1, maxLength: 20 }), { minLength, maxLength });

function ringOf(ids: readonly string[], weight = 1): HashRing {
  return new HashRing(ids.map((id) => ({ id, weight })));
}

function named(nodes: number, prefix = "node"): string[] {
  return Array.from({ length: nodes }, (_, i) => `${prefix}${i + 1}`);
}

/** How far the share that strays most is from its mean, as a part of the mean. */
function worstStray(ring: HashRing): number {
  return Math.max(...[...ring.shares().values()].map((share) => Math.abs(share * ring.members.length - 1)));
}

describe("the shares of a ring", () => {
  test.each([1, 2, 3, 4, 5, 6, 7])("are within 10 %% of their mean for node1…node%i", (nodes) => {
    expect(worstStray(ringOf(named(nodes)))).toBeLessThan(0.1);
  });

  test("are within 10 % in at least 95 of 100 clusters of other names", () => {
    const strays = Array.from({ length: 100 }, (_, i) => worstStray(ringOf(named(7, `rack-${i}/`))));
    expect(strays.filter((stray) => stray < 0.1).length).toBeGreaterThanOrEqual(95);
  });

  test("are never more than six standard deviations off, whatever the names are", () => {
    fc.assert(
      fc.property(idsOf(limits.maxNodes), (ids) => {
        expect(worstStray(ringOf(ids))).toBeLessThan(6 / Math.sqrt(VIRTUAL_NODES));
      }),
      { numRuns: 40 },
    );
  });

  test("add up to one, and are what keys find", () => {
    const ring = ringOf(named(5));
    expect([...ring.shares().values()].reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
    const found = new Map<string, number>();
    const keys = 50_000;
    for (let i = 0; i < keys; i++) found.set(ring.owner(`k${i}`), (found.get(ring.owner(`k${i}`)) ?? 0) + 1);
    for (const [id, share] of ring.shares()) expect(Math.abs((found.get(id) ?? 0) / keys - share)).toBeLessThan(0.01);
  });

  test("follow the weights", () => {
    const weights = fc.uniqueArray(
      fc.record({ id: fc.string({ minLength: 1 }), weight: fc.integer({ min: 1, max: 8 }) }),
      {
        minLength: 1,
        maxLength: 5,
        selector: ({ id }) => id,
      },
    );
    fc.assert(
      fc.property(weights, (members) => {
        const total = members.reduce((sum, { weight }) => sum + weight, 0);
        const shares = new HashRing(members).shares();
        for (const { id, weight } of members) {
          expect(Math.abs(((shares.get(id) ?? 0) * total) / weight - 1)).toBeLessThan(6 / Math.sqrt(VIRTUAL_NODES));
        }
      }),
      { numRuns: 20 },
    );
  });
});

describe("a member that joins (seen backwards: that leaves)", () => {
  test("takes about K/n keys, and nothing moves between two that stay", () => {
    fc.assert(
      fc.property(idsOf(limits.maxNodes, 2), (ids) => {
        const [joins = "", ...stay] = ids;
        const before = ringOf(stay);
        const after = ringOf(ids);
        const moved = KEYS.filter((key) => before.owner(key) !== after.owner(key));
        expect(moved.filter((key) => after.owner(key) !== joins)).toEqual([]);
        // Its share strays by 19 % at most (above), and 2,000 keys of it by six standard deviations.
        const mean = KEYS.length / ids.length;
        expect(Math.abs(moved.length - mean)).toBeLessThan(0.19 * mean + 6 * Math.sqrt(1.19 * mean));
      }),
      { numRuns: 40 },
    );
  });

  test("changes in the walk of a key nothing but its own place", () => {
    fc.assert(
      fc.property(idsOf(limits.maxNodes, 2), fc.string(), (ids, key) => {
        const [joins = "", ...stay] = ids;
        const others = ringOf(ids)
          .walk(key)
          .filter((id) => id !== joins);
        expect(others).toEqual(ringOf(stay).walk(key));
      }),
      { numRuns: 40 },
    );
  });
});

describe("a ring", () => {
  test("does not depend on the order of its members", () => {
    const shuffled = idsOf(limits.maxNodes).chain((ids) =>
      fc.tuple(fc.constant(ids), fc.shuffledSubarray(ids, { minLength: ids.length })),
    );
    fc.assert(
      fc.property(shuffled, ([ids, others]) => {
        const [ring, other] = [ringOf(ids), ringOf(others)];
        for (const key of KEYS.slice(0, 100)) expect(other.walk(key)).toEqual(ring.walk(key));
      }),
      { numRuns: 40 },
    );
  });

  test("is walked from the owner, by each member once", () => {
    fc.assert(
      fc.property(idsOf(limits.maxNodes), fc.string(), (ids, key) => {
        const ring = ringOf(ids);
        const walk = ring.walk(key);
        expect(walk[0]).toBe(ring.owner(key));
        expect(walk.toSorted()).toEqual(ids.toSorted());
      }),
      { numRuns: 40 },
    );
  });

  test("is refused without members, with one twice, and with a weight out of range", () => {
    expect(() => ringOf([])).toThrow("has members");
    expect(() => ringOf(["a", "b", "a"])).toThrow("once");
    for (const weight of [0, -1, 1.5, Number.NaN, limits.maxRingWeight + 1]) {
      expect(() => ringOf(["a"], weight)).toThrow("weight");
    }
    expect(() => ringOf(named(limits.maxRingMembers + 1))).toThrow("not too many");
  });
});
