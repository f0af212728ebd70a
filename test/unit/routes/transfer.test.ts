import { describe, expect, test } from "bun:test";
import type { TransferEnd } from "../../../src/engine/transfers.ts";
import { appOver } from "../../support/app.ts";
import { ScriptedControlGroup } from "../../support/scripted-control-group.ts";

async function post(group: ScriptedControlGroup, path: string) {
  const response = await appOver(group).app.request(path, { method: "POST" });
  return { status: response.status, body: await response.json() };
}

/** A group whose leader, node2, ends transfers like this. */
function ending(end: TransferEnd): ScriptedControlGroup {
  const group = new ScriptedControlGroup();
  group.transferEnd = end;
  return group;
}

describe("POST /cluster/transfer", () => {
  test("hands over to the node that is named, or to any", async () => {
    const group = new ScriptedControlGroup();
    const named = await post(group, "/cluster/transfer?to=node3");
    expect(named).toEqual({ status: 200, body: { status: "transferred", leader: "node2", term: 3 } });
    expect((await post(group, "/v1/cluster/transfer")).status).toBe(200);
    expect(group.transfers).toEqual(["node3", undefined]);
  });

  test("changes nothing when that node leads", async () => {
    const group = new ScriptedControlGroup();
    const { body } = await post(group, "/cluster/transfer?to=node2");
    expect([body, group.transfers]).toEqual([{ status: "unchanged", leader: "node2", term: 3 }, []]);
  });

  test.each<[TransferEnd, number, string]>([
    ["busy", 409, "transfer_refused"],
    ["unreachable", 409, "transfer_refused"],
    ["notVoter", 409, "transfer_refused"],
    ["elsewhere", 409, "transfer_refused"],
    ["notLeader", 503, "no_leader"],
    ["timedOut", 504, "outcome_unknown"],
  ])("that ends with %s is %i %s", async (end, status, code) => {
    const reply = await post(ending(end), "/cluster/transfer?to=node1");
    expect([reply.status, reply.body.error.code]).toEqual([status, code]);
  });

  test("refuses a node that is no member, and names those that are", async () => {
    const group = new ScriptedControlGroup();
    const { status, body } = await post(group, "/cluster/transfer?to=node9");
    expect(status).toBe(400);
    expect(body.error.details.fields).toEqual([
      { field: "to", message: "must be one of the nodes node1, node2, node3" },
    ]);
    expect((await post(group, "/cluster/transfer?too=node1")).status).toBe(400);
    expect(group.transfers).toEqual([]);
  });

  test("without a leader is refused", async () => {
    const group = new ScriptedControlGroup();
    group.nodeStatus = { ...group.nodeStatus, leader: undefined };
    expect((await post(group, "/cluster/transfer")).status).toBe(503);
  });

  test("shows in GET /cluster while it is under way", async () => {
    const group = new ScriptedControlGroup();
    const shown = async () => {
      const response = await appOver(group).app.request("/cluster");
      return ((await response.json()) as { groups: object[] }).groups[0];
    };
    expect(await shown()).not.toHaveProperty("transferring_to");
    group.nodeStatus = { ...group.nodeStatus, role: "leader", leader: "node1", transferringTo: "node3" };
    expect(await shown()).toMatchObject({ transferring_to: "node3" });
  });
});
