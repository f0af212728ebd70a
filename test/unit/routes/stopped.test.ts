import { describe, expect, test } from "bun:test";
import { stoppedGroup } from "../../../src/server/stopped-group.ts";
import { appOver } from "../../support/app.ts";
import { groupStatus, ScriptedControlGroup } from "../../support/scripted-control-group.ts";

const poisoned = stoppedGroup(
  0,
  { reason: "poisoned", index: 60, deaths: 3, error: "Error: no such lock" },
  "data/suspects.json",
);

/** As the real group is once it has stopped: nothing is proposed, and no barrier is reached. */
function stopped(): ScriptedControlGroup {
  const group = new ScriptedControlGroup();
  group.nodeStatus = { ...group.nodeStatus, ready: false, stopped: poisoned };
  return group;
}

async function get(path: string, group = stopped()) {
  const response = await appOver(group).app.request(path);
  return { status: response.status, headers: response.headers, body: await response.json() };
}

describe("a node whose group has stopped", () => {
  test("is alive, but not ready: 503 with group, entry and reason", async () => {
    expect((await get("/healthz")).status).toBe(200);
    const { status, body, headers } = await get("/readyz");
    expect(status).toBe(503);
    expect(body.error).toEqual({
      code: "group_stopped",
      message: "Group 0 has stopped on this node at entry 60 (poisoned): ask another node.",
      details: { group: 0, index: 60, reason: "poisoned" },
    });
    expect(headers.get("retry-after")).toBe("1");
  });

  test.each(["/lock/x", "/locks", "/sessions"])("does not show local state, which may be wrong: %s", async (path) => {
    const { status, body } = await get(`${path}?consistency=local`);
    expect([status, body.error.code]).toEqual([503, "group_stopped"]);
  });

  test("does not answer whoever waits for a change with a state that may be wrong", async () => {
    const group = new ScriptedControlGroup();
    group.observe = async () => {
      group.nodeStatus = stopped().nodeStatus;
    };
    const { status, body } = await get("/lock/x?wait=5&after=0", group);
    expect([status, body.error.code]).toEqual([503, "group_stopped"]);
  });

  test("says in its status why, and what to do", async () => {
    const { status, body } = await get("/cluster?consistency=local");
    expect(status).toBe(200);
    expect(body.groups[0].stopped).toEqual({ reason: "poisoned", index: 60, message: poisoned.message });
    expect((await get("/")).body.message).toBe(poisoned.message);
    expect(
      (await get("/cluster?consistency=local", new ScriptedControlGroup())).body.groups[0].stopped,
    ).toBeUndefined();
  });

  test("says it of that group alone: requests of the others go on", async () => {
    const group = new ScriptedControlGroup();
    group.shards = [{ ...groupStatus(1), stopped: { ...poisoned, group: 1 } }];
    const { body } = await get("/cluster", group);
    expect(body.groups.map((each: { stopped?: object }) => each.stopped !== undefined)).toEqual([false, true]);
    expect((await get("/readyz", group)).status).toBe(200);
    expect((await get("/lock/x", group)).status).toBe(200);
  });

  test("says it in its metrics", async () => {
    const text = await (await appOver(stopped()).app.request("/metrics")).text();
    expect(text).toContain("\nmufakat_group_stopped 1\n");
    expect(text).toContain("\nmufakat_group_stopped_index 60\n");
    const sound = await (await appOver(new ScriptedControlGroup()).app.request("/metrics")).text();
    expect(sound).toContain("\nmufakat_group_stopped 0\n");
    expect(sound).toContain("\nmufakat_state_agreed_index 4000\n");
    expect(sound).toContain('\nmufakat_engine_long_turns_total{phase="flush"} 3\n');
  });
});

describe("what a person reads of a group that has stopped", () => {
  test("names the entry, what was thrown, and the two ways on", () => {
    expect(poisoned.message).toBe(
      "entry 60 of group 0 has ended this version of the program 3 times (Error: no such lock): the node goes on to vote " +
        "and to store entries, and serves nothing. Start another version; to let this one try again, stop it and remove " +
        "data/suspects.json.",
    );
  });

  test("names both hashes of a state that is not a majority's, and all where none is", () => {
    const diverged = stoppedGroup(0, { reason: "diverged", index: 3_000, own: 0xab, majority: 0xcd }, "s");
    expect(diverged.message).toContain(
      "as of entry 3000 of group 0 the state of this node (000000000000ab) is not that of a majority (000000000000cd)",
    );
    expect(diverged.message).toContain("Restart it");
    const split = stoppedGroup(0, { reason: "split", index: 3_000, hashes: [1, 2, 3] }, "s");
    expect(split.message).toContain("(00000000000001, 00000000000002, 00000000000003): no node serves the group");
  });
});
