import { describe, expect, test } from "bun:test";
import type { MembershipChange, MembershipEnd } from "../../../src/engine/membership-change.ts";
import { FakeNodes, nodeFactsOf } from "../../support/engine-fakes.ts";

/** A cluster in which each node votes in every shard, and whose nodes know what the others know. */
function cluster(size: number, shards: number): FakeNodes {
  const nodes = new FakeNodes(
    size,
    Array.from({ length: size }, () => 2),
  );
  const voters = nodes.nodes.map(({ self }) => self);
  for (const from of voters) {
    for (const to of voters) if (from !== to) nodes.node(from).engine.onConnected(to, nodeFactsOf(to));
  }
  for (let group = 1; group <= shards; group++) nodes.addGroup(group, voters);
  nodes.pass(2_000);
  return nodes;
}

function votersOf(nodes: FakeNodes, through: number, group: number): readonly number[] {
  return nodes.node(through).engine.group(group)?.raft.configuration.voters ?? [];
}

function leaderOf(nodes: FakeNodes, group: number): number {
  return nodes.nodes.find(({ engine }) => engine.group(group)?.raft.established === true)?.self ?? 0;
}

function change(nodes: FakeNodes, wanted: MembershipChange): MembershipEnd[] {
  const ends: MembershipEnd[] = [];
  const node = nodes.node(leaderOf(nodes, 0));
  node.host.changeMembers(wanted, node.nowMs, (end) => ends.push(end));
  return ends;
}

describe("the members of a shard", () => {
  test("come to be those of the cluster: who joins it joins every shard", () => {
    const nodes = cluster(3, 2);
    const joiner = nodes.join(2);
    for (const group of [1, 2]) joiner.addGroup(group, []);
    const ends = change(nodes, { type: "add", node: nodeFactsOf(4) });
    nodes.pass(4_000);
    expect(ends).toEqual([{ type: "done", replica: 4 }]);
    for (const group of [0, 1, 2]) expect(votersOf(nodes, 1, group)).toEqual([1, 2, 3, 4]);
    expect(joiner.submit("from the joiner", [], joiner.engine.group(2) as never)).toEqual([]);
    nodes.pass(500);
  });

  test("leave every shard before they leave the cluster (R6)", () => {
    const nodes = cluster(3, 2);
    const ends = change(nodes, { type: "remove", replica: 3 });
    let steps = 0;
    while (ends.length === 0 && steps < 600) {
      steps += 1;
      nodes.pass(10);
      if (votersOf(nodes, 1, 0).includes(3)) continue;
      for (const group of [1, 2]) expect(votersOf(nodes, 1, group)).toEqual([1, 2]);
    }
    expect(ends).toEqual([{ type: "done", replica: 3 }]);
    for (const group of [0, 1, 2]) expect(votersOf(nodes, 1, group)).toEqual([1, 2]);
  });

  test("are never left with one that is gone for ever: of two nodes one goes, and every shard goes on", () => {
    const nodes = cluster(2, 3);
    const leaving = 3 - leaderOf(nodes, 0);
    const ends = change(nodes, { type: "remove", replica: leaving });
    nodes.pass(3_000);
    expect(ends).toEqual([{ type: "done", replica: leaving }]);
    nodes.isolate(leaving);
    const left = nodes.node(3 - leaving);
    for (const group of [1, 2, 3]) {
      const host = left.engine.group(group)!;
      const told = left.submit("after", [], host);
      nodes.pass(1_000);
      expect([group, told.length]).toEqual([group, 1]);
    }
  });

  test("stay while who leads the cluster has heard nothing of a shard yet: it may have them", () => {
    const nodes = cluster(3, 1);
    const leader = leaderOf(nodes, 0);
    const others = [1, 2, 3].filter((id) => id !== leader);
    for (const { self } of nodes.nodes) nodes.node(self).addGroup(2, self === leader ? [] : others);
    expect(nodes.node(leader).engine.mayLeave(0, 9)).toBe(false);
    // Then it has a replica of it, too.
    nodes.pass(4_000);
    expect(nodes.node(leader).engine.mayLeave(0, 9)).toBe(true);
  });

  test("stay while who leads the cluster knows only how a shard began: others may have come to it since", () => {
    const nodes = cluster(3, 1);
    const leader = leaderOf(nodes, 0);
    const others = [1, 2, 3].filter((id) => id !== leader);
    for (const { self } of nodes.nodes) nodes.node(self).addGroup(2, others);
    expect(nodes.node(leader).engine.mayLeave(0, 9)).toBe(false);
    nodes.pass(4_000);
    expect(nodes.node(leader).engine.mayLeave(0, 9)).toBe(true);
  });

  test("begin to vote only while the cluster has them by all that is heard, committed or not (R6)", () => {
    const nodes = cluster(3, 1);
    const leader = leaderOf(nodes, 0);
    const { engine, host } = nodes.node(leader);
    const [leaving = 0, staying = 0] = [1, 2, 3].filter((id) => id !== leader);
    expect([engine.mayVote(1, leaving), engine.mayVote(1, staying), engine.mayVote(1, 9)]).toEqual([true, true, false]);
    const { configuration } = host.raft;
    const voters = configuration.voters.filter((id) => id !== leaving);
    expect(host.raft.proposeConfiguration({ ...configuration, voters })).toBe("accepted");
    expect([engine.mayVote(1, leaving), engine.mayVote(1, staying)]).toEqual([false, true]);
    // Of the cluster itself no shard decides.
    expect(engine.mayVote(0, leaving)).toBe(true);
  });

  test("that the cluster lets go are no voters of a shard that takes them in meanwhile (R6)", () => {
    const nodes = cluster(3, 1);
    const shard = nodes.node(leaderOf(nodes, 1)).engine.group(1)!;
    const out = [1, 2, 3].find((id) => id !== leaderOf(nodes, 1) && id !== leaderOf(nodes, 0)) ?? 3;
    shard.changeMembers({ type: "remove", replica: out }, nodes.node(1).nowMs, () => {});
    nodes.pass(500);
    for (const { engine } of nodes.nodes) engine.mayVote = () => false;
    shard.raft.proposeConfiguration({ voters: shard.raft.configuration.voters, learners: [out] });
    nodes.pass(4_000);
    const { voters, learners } = nodes.node(leaderOf(nodes, 1)).engine.group(1)!.raft.configuration;
    expect([voters.includes(out), learners]).toEqual([false, [out]]);
  });

  test("stay, and the cluster's, while a shard cannot let one go: the refusal is definite", () => {
    const nodes = cluster(3, 1);
    // Of the shard the cluster's leader hears nothing any more: its other two nodes have lost their way there.
    for (const { engine, network } of nodes.nodes) {
      const send = network.send.bind(network);
      network.send = (peer, frame) => send(peer, frame);
      const shard = engine.group(1)!;
      shard.receive = () => {};
    }
    nodes.pass(2_000);
    const ends = change(nodes, { type: "remove", replica: 3 });
    nodes.pass(9_000);
    expect(ends.map(({ type }) => type)).toEqual(["busy"]);
    expect(votersOf(nodes, leaderOf(nodes, 0), 0)).toEqual([1, 2, 3]);
  });

  test("that were let go of come back no sooner when the shard changes its leader meanwhile", () => {
    const nodes = cluster(3, 1);
    const first = leaderOf(nodes, 1);
    const host = nodes.node(first).engine.group(1)!;
    const out = [1, 2, 3].find((id) => id !== first && id !== leaderOf(nodes, 0)) ?? 3;
    const next = 6 - first - out;
    host.changeMembers({ type: "remove", replica: out }, nodes.node(first).nowMs, () => {});
    nodes.pass(500);
    expect(votersOf(nodes, first, 1)).not.toContain(out);
    host.transferLeadership(next, nodes.node(first).nowMs, () => {});
    nodes.pass(4_000);
    expect(leaderOf(nodes, 1)).toBe(next);
    expect(votersOf(nodes, next, 1)).not.toContain(out);
    nodes.pass(25_000);
    expect(votersOf(nodes, leaderOf(nodes, 1), 1)).toContain(out);
  });

  test("that nobody has removed from the cluster come back, later", () => {
    const nodes = cluster(3, 1);
    const host = nodes.node(leaderOf(nodes, 1)).engine.group(1)!;
    const out = [1, 2, 3].find((id) => id !== leaderOf(nodes, 1) && id !== leaderOf(nodes, 0)) ?? 3;
    host.changeMembers({ type: "remove", replica: out }, nodes.node(1).nowMs, () => {});
    nodes.pass(2_000);
    expect(votersOf(nodes, leaderOf(nodes, 1), 1)).toHaveLength(2);
    nodes.pass(30_000);
    expect(votersOf(nodes, leaderOf(nodes, 1), 1)).toEqual([1, 2, 3]);
  });
});

describe("the leaders of shards", () => {
  test("are spread over the nodes, and come back to one that was away, once it is there for a while", () => {
    const nodes = cluster(3, 6);
    nodes.pass(15_000);
    const leaders = [1, 2, 3, 4, 5, 6].map((group) => leaderOf(nodes, group));
    expect(leaders.toSorted((a, b) => a - b)).toEqual([1, 1, 2, 2, 3, 3]);
    nodes.isolate(2);
    nodes.pass(3_000);
    const alone = (group: number) =>
      nodes.nodes.filter(({ self }) => self !== 2).some(({ engine }) => engine.group(group)?.raft.established);
    for (let group = 1; group <= 6; group++) expect(alone(group)).toBe(true);
    nodes.connect();
    nodes.pass(3_000);
    // Not at once: it may go again.
    expect([1, 2, 3, 4, 5, 6].filter((group) => leaderOf(nodes, group) === 2)).toEqual([]);
    nodes.pass(15_000);
    expect([1, 2, 3, 4, 5, 6].filter((group) => leaderOf(nodes, group) === 2)).toHaveLength(2);
  });
});
