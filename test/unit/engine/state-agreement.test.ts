import { describe, expect, test } from "bun:test";
import { decide, StateAgreement } from "../../../src/engine/state-agreement.ts";

const A = 0xa;
const B = 0xb;
const C = 0xc;
const D = 0xd;
const none = undefined;
type Heard = number | undefined;

/** All ways in which `length` voters can have one of these hashes, or not be heard. */
function* combinations(length: number, hashes: readonly Heard[]): Generator<Heard[]> {
  if (length === 0) {
    yield [];
    return;
  }
  for (const rest of combinations(length - 1, hashes)) for (const hash of hashes) yield [hash, ...rest];
}

/** How many of `voters` have the hash. */
const count = (voters: readonly Heard[], hash: Heard): number => voters.filter((other) => other === hash).length;
const isMajority = (voters: readonly Heard[], hash: Heard): boolean => 2 * count(voters, hash) > voters.length;

describe("the decision over the hashes of one index", () => {
  test.each<[string, Heard, Heard[]]>([
    ["agreed", A, []],
    ["agreed", A, [A, none]],
    ["agreed", A, [A, B]],
    ["agreed", A, [A, A, B, C]],
    ["diverged", B, [A, A]],
    ["diverged", C, [A, A, A, B]],
    ["undecided", A, [none, none]],
    ["undecided", A, [B, none]],
    ["undecided", none, [A, A]],
    ["undecided", A, [B, C, none, none]],
    ["split", A, [B]],
    ["split", A, [B, C]],
    ["split", A, [A, B, B]],
    ["split", A, [B, C, D, none]],
    ["split", none, [A, B, C, D]],
  ])("is %s where this replica has %p and the others %p", (type, own, others) => {
    expect(decide(own, others).type).toBe(type as "agreed");
  });

  test("names both hashes of a divergence, and all that were heard of a split", () => {
    expect(decide(B, [A, none, A, A])).toEqual({ type: "diverged", own: B, majority: A });
    expect(decide(A, [B, C, D, none])).toEqual({ type: "split", hashes: [A, B, C, D] });
  });

  test.each([1, 2, 3, 4, 5, 6, 7])("of %i voters is right in every case", (voters) => {
    for (const [own, ...others] of combinations(voters, [none, A, B, C])) {
      const all = [own, ...others];
      const { type } = decide(own, others);
      // What the silent would have to say, at best, to make each hash a majority's.
      const possible = [A, B, C, D].some((hash) =>
        isMajority(
          all.map((heard) => heard ?? hash),
          hash,
        ),
      );
      const majority = [A, B, C].find((hash) => isMajority(all, hash));
      if (!possible) expect(type).toBe("split");
      else if (majority === undefined || own === undefined) expect(type).toBe("undecided");
      else expect(type).toBe(own === majority ? "agreed" : "diverged");
    }
  });

  test("never stops a replica that has a majority's hash, and never two majorities' worth of them", () => {
    for (const hashes of combinations(5, [none, A, B])) {
      const decisions = hashes.map((own, self) => decide(own, hashes.toSpliced(self, 1)).type);
      const stopped = decisions.filter((type) => type === "diverged").length;
      expect(stopped).toBeLessThanOrEqual(2);
      for (const [self, own] of hashes.entries()) {
        if (own !== undefined && isMajority(hashes, own)) expect(decisions[self]).toBe("agreed");
      }
    }
  });
});

/** Of replica 1. */
function agreementOf(voters: readonly number[], kept: number): StateAgreement {
  const agreement = new StateAgreement(1, kept);
  agreement.follow(voters);
  return agreement;
}

describe("the hashes that a replica keeps", () => {
  test("are compared index by index, in whatever order they come", () => {
    const agreement = agreementOf([1, 2, 3], 4);
    expect(agreement.add(2, 10, A).type).toBe("undecided");
    expect(agreement.add(3, 20, B).type).toBe("undecided");
    expect(agreement.add(1, 20, B).type).toBe("agreed");
    expect(agreement.add(1, 10, A).type).toBe("agreed");
    expect([agreement.agreedIndex, agreement.checks]).toEqual([20, 1]);
    expect(agreement.add(1, 30, A).type).toBe("undecided");
    expect(agreement.add(3, 30, A).type).toBe("agreed");
    expect([agreement.agreedIndex, agreement.checks]).toEqual([30, 2]);
    expect(agreement.add(2, 30, A).type).toBe("agreed");
    expect(agreement.checks).toBe(2);
  });

  test("are the newest of each, so that one who is far ahead or behind fills no memory", () => {
    const agreement = agreementOf([1, 2], 3);
    for (let index = 10; index <= 90; index += 10) agreement.add(1, index, A);
    expect(agreement.own.map(([index]) => index)).toEqual([70, 80, 90]);
    agreement.add(1, 10, A);
    expect(agreement.own.map(([index]) => index)).toEqual([70, 80, 90]);
    expect(agreement.add(2, 10, B).type).toBe("undecided");
    expect(agreement.add(2, 70, B).type).toBe("split");
  });

  test("are replaced by what a replica says in another life", () => {
    const agreement = agreementOf([1, 2, 3], 4);
    agreement.add(1, 10, A);
    agreement.add(2, 10, B);
    expect(agreement.add(2, 10, A).type).toBe("agreed");
  });

  test("of who has no vote decide nothing", () => {
    const agreement = agreementOf([1, 2], 4);
    agreement.add(1, 10, A);
    expect(agreement.add(9, 10, A).type).toBe("undecided");
  });

  test("of a learner do not count, and are compared by it", () => {
    const learner = agreementOf([2, 3, 4], 4);
    expect(learner.add(1, 10, A).type).toBe("undecided");
    expect(learner.add(2, 10, A).type).toBe("undecided");
    expect(learner.add(3, 10, A).type).toBe("agreed");
    learner.add(1, 20, A);
    learner.add(2, 20, B);
    expect(learner.add(3, 20, B).type).toBe("diverged");
  });

  test("count by the configuration in force", () => {
    const agreement = agreementOf([1, 2, 3], 4);
    agreement.add(1, 10, A);
    agreement.follow([1, 2, 3, 4, 5]);
    expect(agreement.add(2, 10, A).type).toBe("undecided");
    expect(agreement.add(5, 10, A).type).toBe("agreed");
    agreement.follow([1, 2]);
    expect(agreement.add(5, 20, A).type).toBe("undecided");
    expect(agreement.add(1, 20, A).type).toBe("undecided");
    expect(agreement.add(2, 20, A).type).toBe("agreed");
  });
});
