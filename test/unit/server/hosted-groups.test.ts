import { describe, expect, test } from "bun:test";
import { lockProtocol } from "../../../src/engine/lock-protocol.ts";
import { LockMachine } from "../../../src/locks/lock-machine.ts";
import type { Configuration } from "../../../src/raft/types.ts";
import { HostedGroups, shardDefinitions } from "../../../src/server/hosted-groups.ts";
import { clusterId, firstConfiguration } from "../../../src/server/membership.ts";
import { type FakeNode, FakeNodes } from "../../support/engine-fakes.ts";

/** For want of another kind. */
const DEFINITION = { machine: new LockMachine(), protocol: lockProtocol("node1") };

/** The groups of a node of two: group 1 is another one of locks, for want of another kind. */
function hosted(node: FakeNode): HostedGroups {
  const configuration = { voters: [1, 2], learners: [] };
  const definition = (group: number) => ({
    ...{ group, configuration, machine: new LockMachine(), protocol: lockProtocol(`node${node.self}`) },
  });
  return new HostedGroups(definition(0), [definition(1)], {
    ...{ engine: node.engine, journal: node.journal, suspectsFile: "suspects.json" },
    ...{ electionTimeoutMs: 300, heartbeatIntervalMs: 50 },
    random: { next: () => node.self / 10, identity: () => 100 * node.self },
  });
}

function cluster() {
  const nodes = new FakeNodes(2);
  const groups = nodes.nodes.map(hosted);
  nodes.pass(1_000);
  return { nodes, first: groups[0]!, second: groups[1]! };
}

test("each has its own status: one that has stopped says nothing of the others", () => {
  const { first } = cluster();
  const told = first.stopped(1, { reason: "poisoned", index: 9, deaths: 3, error: "ouch" });
  expect(told).toMatchObject({ group: 1, reason: "poisoned", index: 9 });
  expect(told.message).toContain("remove suspects.json");
  expect(first.sources().map(({ host, stopped }) => [host.group, stopped])).toEqual([
    [0, undefined],
    [1, told],
  ]);
});

test("what is outstanding is counted over all of them", () => {
  const { nodes, first } = cluster();
  expect(first.outstandingCount).toBe(0);
  for (const { ingress } of first.all) ingress.submit({ type: "keepalive", sessions: [] }, 0, {}, undefined);
  expect(first.outstandingCount).toBe(2);
  nodes.node(1).engine.wake();
  nodes.settle();
  expect(first.outstandingCount).toBe(0);
});

test("a node that stops hands all of them over at once", async () => {
  const { nodes, first, second } = cluster();
  expect(first.all.map(({ raft }) => raft.role)).toEqual(["leader", "leader"]);
  const handedOver = first.handOver(() => true);
  nodes.settle();
  expect(second.all.map(({ raft }) => raft.role)).toEqual(["leader", "leader"]);
  await handedOver;
});

describe("the shards of a cluster", () => {
  const members = (count: number) =>
    firstConfiguration(new Map(["d", "b", "a", "c", "e"].slice(0, count).map((id) => [id, { host: "h", port: 1 }])));

  test.each([
    [1, [1]],
    [2, [1, 2]],
    [5, [1, 2, 3]],
  ])("begin, of %i founders, on %p: all compute the same", (count, voters) => {
    const define = (group: number, configuration: Configuration) => ({ ...DEFINITION, group, configuration });
    const shards = shardDefinitions(2, members(count), define);
    expect(shards.map(({ group, configuration }) => [group, configuration])).toEqual([
      [1, { voters, learners: [] }],
      [2, { voters, learners: [] }],
    ]);
  });

  test("are nobody's for a node that joins later: it waits for their logs to say so", () => {
    const define = (group: number, configuration: Configuration) => ({ ...DEFINITION, group, configuration });
    expect(shardDefinitions(1, { voters: [], learners: [] }, define)[0]?.configuration.voters).toEqual([]);
  });

  test("are a part of who the cluster is: nodes that begin with other numbers of them refuse each other", () => {
    const ids = [0, 1, 8].map((shards) => clusterId("orders", members(3), shards));
    expect(new Set(ids).size).toBe(3);
    // As earlier releases computed it.
    expect(ids[0]).toBe("bdc417f8d77480ab5f83273ba014fff1");
  });
});
