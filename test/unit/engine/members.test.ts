import { describe, expect, test } from "bun:test";
import { MembersInForce } from "../../../src/engine/members.ts";
import { Configurations } from "../../../src/raft/configuration.ts";
import type { ReplicaId } from "../../../src/raft/types.ts";

/** By a log whose entry 10 · i has the voters at i; of 0 no entry said so. */
function onlyVoter(voters: readonly ReplicaId[][], commitIndex: number, repairing = false): ReplicaId | undefined {
  const [first, ...later] = voters.map((each, i) => ({ index: 10 * i, configuration: { voters: each, learners: [] } }));
  if (first === undefined) throw new Error("a log has a configuration");
  const configurations = new Configurations(first, later);
  return new MembersInForce({ log: { configurations, commitIndex }, repairing }).current.onlyVoter;
}

describe("whether a voter is the only one", () => {
  test("is so from its entry on, committed or not: what commits next nobody else has", () => {
    expect(onlyVoter([[1, 2, 3], [1, 2], [1]], 10)).toBe(1);
    expect(onlyVoter([[1, 2, 3], [1, 2], [1]], 20)).toBe(1);
    expect(onlyVoter([[1]], 0)).toBe(1);
  });

  test("is so until a second one has committed: before, that one may fall back", () => {
    expect(onlyVoter([[1], [1, 2]], 9)).toBe(undefined);
    expect(onlyVoter([[1], [1, 2]], 10)).toBe(0);
    // What a log says of which nobody knows yet how far it is committed.
    expect(onlyVoter([[1, 2, 3], [1, 2], [1], [1, 4]], 0)).toBe(undefined);
  });

  test("is not said again of one that began alone, at each of its starts", () => {
    expect(onlyVoter([[1], [1, 2], [1, 2, 3]], 0)).toBe(undefined);
    expect(onlyVoter([[1], [1, 2], [1, 2, 3]], 20)).toBe(0);
  });

  test("is not said under repair: of those that the log has lost one may have brought others", () => {
    expect(onlyVoter([[1]], 0, true)).toBe(undefined);
    expect(onlyVoter([[2], [1]], 10, true)).toBe(undefined);
  });
});
