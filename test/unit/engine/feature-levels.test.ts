import { describe, expect, test } from "bun:test";
import { FeatureLevels } from "../../../src/engine/feature-levels.ts";
import { encodeFeatureLevel } from "../../../src/kernel/feature-level.ts";
import { LockMachine } from "../../../src/locks/lock-machine.ts";
import { FakeNodes, nodeFactsOf } from "../../support/engine-fakes.ts";

const levelsOf = (nodes: FakeNodes): number[] => nodes.nodes.map(({ machine }) => machine.featureLevel);

/** Connections of the fakes are there from the start: nobody greets without this. */
function greet(nodes: FakeNodes, ids: readonly number[]): void {
  for (const from of ids)
    for (const to of ids) if (from !== to) nodes.node(from).engine.onConnected(to, nodeFactsOf(to));
  nodes.pass(1_500);
}

describe("the feature level of a group", () => {
  test("rises to what all programs know, once, by an entry of the log", () => {
    const nodes = new FakeNodes(3, [3, 2, 3]);
    greet(nodes, [1, 2, 3]);
    expect(levelsOf(nodes)).toEqual([2, 2, 2]);
    const { log } = nodes.node(1).host.raft;
    const raised = log.slice(1, log.lastIndex, 1e6).filter(({ kind }) => kind === "feature");
    expect(raised).toHaveLength(1);
  });

  test("stays while one replica has not said what it knows", () => {
    const nodes = new FakeNodes(3, [2, 2, 2]);
    for (const id of [1, 2]) nodes.node(id).network.disconnected.add(3);
    nodes.node(3).network.disconnected.add(1).add(2);
    greet(nodes, [1, 2]);
    expect(levelsOf(nodes).slice(0, 2)).toEqual([1, 1]);
    for (const { network } of nodes.nodes) network.disconnected.clear();
    greet(nodes, [1, 2, 3]);
    expect(levelsOf(nodes)).toEqual([2, 2, 2]);
  });

  test("is not guessed from what an earlier process of a node knew", () => {
    const levels = new FeatureLevels(2);
    const group = { voters: [1, 2], learners: [] };
    levels.heard(2, 2);
    expect(levels.common(group, 1)).toBe(2);
    levels.forget(2);
    expect(levels.common(group, 1)).toBeUndefined();
  });

  test("waits for learners, too: they are to apply the same", () => {
    const levels = new FeatureLevels(2);
    const group = { voters: [1], learners: [2] };
    expect(levels.common(group, 1)).toBeUndefined();
    levels.heard(2, 1);
    expect(levels.common(group, 1)).toBe(1);
  });

  test("that a program does not know stops it before it applies anything else, and the others go on", () => {
    const nodes = new FakeNodes(3, [1, 1, 1]);
    greet(nodes, [1, 2, 3]);
    const { node } = { node: nodes.node(1) };
    expect(node.host.raft.role).toBe("leader");
    node.host.raft.propose("feature", encodeFeatureLevel(2), true);
    nodes.settle();
    node.submit("after");
    nodes.pass(200);
    for (const { stops, machine } of nodes.nodes) {
      expect(stops).toMatchObject([{ reason: "outdated", level: 2, supported: 1 }]);
      expect(machine.applied).not.toContain("after");
    }
  });
});

describe("the lock machine's feature level", () => {
  const entry = (index: number, payload: Uint8Array) => ({ index, kind: "feature" as const, leaseTimeMs: 0, payload });

  test("is a part of its state, and never falls", () => {
    const raised = new LockMachine();
    const other = new LockMachine();
    raised.apply(entry(1, encodeFeatureLevel(2)), () => {});
    other.apply({ ...entry(1, new Uint8Array(0)), kind: "noop" }, () => {});
    expect(raised.featureLevel).toBe(2);
    expect(raised.digest()).not.toBe(other.digest());
    expect(raised.stateHash()).not.toBe(other.stateHash());
    raised.apply(entry(2, encodeFeatureLevel(1)), () => {});
    expect(raised.featureLevel).toBe(2);
  });

  test("is not changed by bytes that are none", () => {
    const machine = new LockMachine();
    machine.apply(entry(1, new Uint8Array([0])), () => {});
    machine.apply(entry(2, new Uint8Array(0)), () => {});
    expect(machine.featureLevel).toBe(1);
    expect(machine.undecodable).toBe(2);
  });
});
