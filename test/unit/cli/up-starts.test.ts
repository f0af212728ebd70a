import { describe, expect, test } from "bun:test";
import { nodeStarts } from "../../../src/cli/up/starts.ts";
import type { SurveyedData } from "../../../src/server/data-survey.ts";

const THREE = ["node1", "node2", "node3"];
const of = (met: readonly string[]): SurveyedData => ({ founders: THREE, isOld: false, met });

function starts(data: Readonly<Record<string, SurveyedData | undefined>>): Record<string, string> {
  const startOf = nodeStarts(new Map(Object.entries(data)));
  return Object.fromEntries(Object.keys(data).map((id) => [id, startOf(id).type]));
}

describe("a node of `up`", () => {
  test("makes the cluster with the others when none has data", () => {
    const startOf = nodeStarts(new Map(THREE.map((id) => [id, undefined])));
    for (const id of THREE) expect(startOf(id)).toEqual({ type: "found", founders: THREE });
  });

  test("goes on with its data, and joins without", () => {
    const met = of(["node1", "node2", "node3"]);
    const grown = { node1: met, node2: met, node3: met, node4: undefined, node5: undefined };
    expect(starts(grown)).toEqual({ node1: "resume", node2: "resume", node3: "resume", node4: "join", node5: "join" });
  });

  test("joins when its data was wiped, though it was a founder", () => {
    expect(starts({ node1: undefined, node2: of(["node1", "node3"]), node3: of([]) })).toMatchObject({ node1: "join" });
  });

  test("makes the cluster still when its first start was cut short before anybody had met it", () => {
    expect(starts({ node1: of([]), node2: undefined, node3: undefined })).toMatchObject({ node2: "found" });
    expect(starts({ node1: of([]), node2: undefined })).toMatchObject({ node2: "join" });
  });

  test("joins a cluster whose data does not say who made it", () => {
    const joined = { founders: undefined, isOld: false, met: [] };
    expect(starts({ node1: joined, node2: undefined })).toEqual({ node1: "resume", node2: "join" });
  });

  test("is told by whom its cluster was made where an earlier release did not write it down", () => {
    const old = { founders: undefined, isOld: true, met: [] };
    expect(starts({ node1: old, node2: old })).toEqual({ node1: "found", node2: "found" });
  });
});
