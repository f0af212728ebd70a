import { describe, expect, test } from "bun:test";
import type { NodeFacts, ReplicaId } from "../../../src/raft/types.ts";
import { Acquaintances } from "../../../src/sim/acquaintances.ts";
import { factsOf } from "../../../src/sim/node-origin.ts";

/** Of a node whose log has node1 to node3, and whose newest entry gives replica 4 to node9. */
function acquaintances(settledBelow: ReplicaId): Acquaintances {
  const who = new Acquaintances();
  follow(who, settledBelow, "node9");
  return who;
}

function follow(who: Acquaintances, settledBelow: ReplicaId, fourth: string): void {
  const ids = ["node1", "node2", "node3", fourth];
  const replicas = new Map<ReplicaId, NodeFacts>(ids.map((id, i) => [i + 1, factsOf(id, 1)]));
  who.follow({ configuration: { voters: [1, 2, 3], learners: [4] }, replicas, onlyVoter: 0, settledBelow });
}

describe("a simulated node", () => {
  test("believes who comes by itself over an entry that may fall back, as long as that stays", () => {
    const who = acquaintances(4);
    expect(who.greet(4, "node8", true)).toBe("accepted");
    follow(who, 4, "node9");
    expect([who.greet(4, "node8", false), who.knows(4, "node8"), who.knows(4, "node9")]).toEqual([
      "accepted",
      true,
      false,
    ]);
  });

  test("believes neither whom it dialed nor anybody over what has committed", () => {
    expect(acquaintances(4).greet(4, "node8", false)).toBe("unknown");
    expect(acquaintances(5).greet(4, "node8", true)).toBe("unknown");
    const who = acquaintances(4);
    expect(who.greet(4, "node8", true)).toBe("accepted");
    follow(who, 5, "node9");
    expect([who.greet(4, "node8", true), who.greet(4, "node9", false)]).toEqual(["unknown", "accepted"]);
  });

  test("tells who has left, and knows nobody who has", () => {
    const who = acquaintances(5);
    who.follow({
      configuration: { voters: [1], learners: [] },
      replicas: new Map([[1, factsOf("node1", 1)]]),
      onlyVoter: 0,
      settledBelow: 5,
    });
    expect([who.greet(4, "node9", true), who.knows(4, "node9")]).toEqual(["removed", false]);
    expect([who.greet(5, "node5", false), who.greet(5, "node5", true)]).toEqual(["unknown", "accepted"]);
  });
});
