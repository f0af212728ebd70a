import { describe, expect, test } from "bun:test";
import type { MembershipEnd } from "../../../src/engine/membership-change.ts";
import { appOver } from "../../support/app.ts";
import { ScriptedControlGroup } from "../../support/scripted-control-group.ts";

async function send(group: ScriptedControlGroup, method: string, path: string) {
  const response = await appOver(group).app.request(path, { method });
  return { status: response.status, body: await response.json() };
}

function ending(type: MembershipEnd["type"], replica = 2): ScriptedControlGroup {
  const group = new ScriptedControlGroup();
  group.changeEnd = () => ({ type, replica });
  return group;
}

const NEW = "/cluster/nodes?node_id=node4&peer_address=127.0.0.1:9004";

describe("POST /cluster/nodes", () => {
  test("adds a node, and says what it must know to take its place", async () => {
    const group = new ScriptedControlGroup();
    const { status, body } = await send(group, "POST", `${NEW}&incarnation=77&cluster_id=c1&address=[::1]:8004`);
    expect([status, body]).toEqual([
      200,
      expect.objectContaining({ status: "added", node_id: "node4", replica: 4, next_replica: 4 }),
    ]);
    expect(body.members).toContainEqual({ node_id: "node2", replica: 2, peer_address: "127.0.0.1:9002" });
    expect(group.changes).toEqual([
      {
        type: "add",
        node: {
          ...{ nodeId: "node4", incarnation: 77 },
          peerAddress: { host: "127.0.0.1", port: 9004 },
          clientAddress: { host: "::1", port: 8004 },
        },
      },
    ]);
  });

  test("replaces a node by removing it first, and lets it keep its addresses", async () => {
    const group = new ScriptedControlGroup();
    const { body } = await send(group, "POST", "/cluster/nodes?node_id=node3&replace=true");
    expect(body).toMatchObject({ status: "replaced", node_id: "node3", replica: 4 });
    expect(group.changes).toMatchObject([
      { type: "remove", replica: 3 },
      { type: "add", node: { nodeId: "node3", incarnation: 0, peerAddress: { host: "127.0.0.1", port: 9003 } } },
    ]);
  });

  test("replaces a node once when it is asked twice: the place that is kept for it stays", async () => {
    const group = new ScriptedControlGroup();
    const [first, second, third] = group.nodeStatus.members;
    group.nodeStatus = {
      ...group.nodeStatus,
      members: [first!, second!, { ...third!, role: "learner", expected: true }],
    };
    group.changeEnd = () => ({ type: "done", replica: 3 });
    const { body } = await send(group, "POST", "/cluster/nodes?node_id=node3&replace=true");
    expect(body).toMatchObject({ status: "replaced", node_id: "node3", replica: 3 });
    expect(group.changes.map(({ type }) => type)).toEqual(["add"]);
    await send(group, "POST", "/cluster/nodes?node_id=node3&replace=true&peer_address=127.0.0.1:9100");
    expect(group.changes.map(({ type }) => type)).toEqual(["add", "remove", "add"]);
  });

  test("replaces a node whose removal is done already, once it is said where it will be", async () => {
    const group = new ScriptedControlGroup();
    const { status, body } = await send(group, "POST", "/cluster/nodes?node_id=node4&replace=true");
    expect([status, body.error.code]).toEqual([404, "unknown_node"]);
    expect(body.error.message).toEndWith("if it was removed already, say where the others will reach it.");
    expect((await send(group, "POST", `${NEW}&replace=true`)).body).toMatchObject({ status: "replaced", replica: 4 });
    expect(group.changes.map(({ type }) => type)).toEqual(["add"]);
  });

  test.each([
    ["/cluster/nodes?node_id=node4", "peer_address"],
    ["/cluster/nodes?node_id=node4&peer_address=[::]:9001", "peer_address"],
    ["/cluster/nodes?node_id=node4&peer_address=127.0.0.1:0", "peer_address"],
    ["/cluster/nodes?node_id=node4&peer_address=127.0.0.1:9002", "is the address of node2"],
    ["/cluster/nodes?node_id=-&peer_address=127.0.0.1:9004", "node_id"],
  ])("refuses %s", async (path, what) => {
    const group = new ScriptedControlGroup();
    const { status, body } = await send(group, "POST", path);
    expect([status, body.error.code, group.changes]).toEqual([400, "bad_request", []]);
    expect(body.error.message).toContain(what);
  });

  test("refuses what is meant for another cluster", async () => {
    const group = new ScriptedControlGroup();
    const { status, body } = await send(group, "POST", `${NEW}&cluster_id=c2`);
    expect([status, body.error.code, group.changes]).toEqual([409, "wrong_cluster", []]);
  });

  test.each<[MembershipEnd["type"], number, string]>([
    ["exists", 409, "node_exists"],
    ["tooMany", 429, "limit"],
    ["outdated", 503, "feature_level"],
    ["busy", 503, "change_under_way"],
    ["notLeader", 503, "no_leader"],
    ["timedOut", 504, "outcome_unknown"],
  ])("that ends with %s is %i %s", async (end, status, code) => {
    const reply = await send(ending(end), "POST", NEW);
    expect([reply.status, reply.body.error.code]).toEqual([status, code]);
    if (end === "outdated") expect(reply.body.error.details).toEqual({ node: "node2" });
  });
});

describe("DELETE /cluster/nodes/:id", () => {
  test("removes the node", async () => {
    const group = new ScriptedControlGroup();
    const { status, body } = await send(group, "DELETE", "/cluster/nodes/node3");
    expect([status, body]).toEqual([200, { status: "removed", node_id: "node3", replica: 3 }]);
    expect(group.changes).toEqual([{ type: "remove", replica: 3 }]);
  });

  test.each<[MembershipEnd["type"], number, string]>([
    ["lastVoter", 409, "last_voter"],
    ["quorum", 503, "quorum_at_risk"],
  ])("that ends with %s is %i %s", async (end, status, code) => {
    const reply = await send(ending(end), "DELETE", "/cluster/nodes/node2");
    expect([reply.status, reply.body.error.code]).toEqual([status, code]);
  });

  test("of a node that is no member is refused, and those that are are named", async () => {
    const { status, body } = await send(new ScriptedControlGroup(), "DELETE", "/cluster/nodes/node9");
    expect([status, body.error.code, body.error.details]).toEqual([
      404,
      "unknown_node",
      { nodes: ["node1", "node2", "node3"] },
    ]);
  });
});
