import { describe, expect, test } from "bun:test";
import type { ExitRecord, FaultRecord, ViewRecord } from "../../torture/history.ts";
import { broken } from "./records.ts";

function fault(fromMs: number, toMs: number, said: Partial<FaultRecord>): FaultRecord {
  return { type: "fault", n: 0, fault: "wipe", nodes: [], from_us: fromMs * 1_000, to_us: toMs * 1_000, ...said };
}

function exit(atMs: number, node: string, code: number): ExitRecord {
  return { type: "exit", n: 0, node, code, at_us: atMs * 1_000 };
}

function follows(atMs: number, node: string, term: number): ViewRecord {
  const times = { from_us: atMs * 1_000, to_us: (atMs + 1) * 1_000 };
  return { type: "view", n: 0, node, role: "follower", term, leader: null, ...times };
}

describe("a node may end by itself", () => {
  const removal = fault(1_000, 5_000, { may_end: ["node2"] });

  test("when it was removed, or must not start", () => {
    expect(broken(exit(3_000, "node2", 78), removal)).toEqual([]);
  });

  test("and not another one, at another time, or in another way", () => {
    for (const other of [exit(3_000, "node1", 78), exit(9_000, "node2", 78), exit(3_000, "node2", 1)]) {
      expect(broken(other, removal)).toEqual(["nodes stay up"]);
    }
  });
});

describe("the term of a node", () => {
  const renewal = fault(1_000, 5_000, { renewed: ["node2"] });

  test("begins anew with its data", () => {
    expect(broken(follows(500, "node2", 7), follows(4_000, "node2", 1), renewal)).toEqual([]);
  });

  test("falls neither at another node, nor before its data are gone, nor afterwards", () => {
    expect(broken(follows(500, "node1", 7), follows(4_000, "node1", 1), renewal)).toEqual(["terms never fall"]);
    expect(broken(follows(500, "node2", 7), follows(800, "node2", 1), renewal)).toEqual(["terms never fall"]);
    expect(broken(follows(6_000, "node2", 7), follows(7_000, "node2", 1), renewal)).toEqual(["terms never fall"]);
  });
});
