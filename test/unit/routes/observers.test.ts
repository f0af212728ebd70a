import { describe, expect, test } from "bun:test";
import { inspectLock } from "../../../src/api/locks.ts";
import type { LockView } from "../../../src/locks/types.ts";
import { GroupError } from "../../../src/server/control-group.ts";
import { ask } from "../../support/app.ts";
import { ScriptedControlGroup } from "../../support/scripted-control-group.ts";

/** The lock `x` as it is held by this owner with this value. */
function heldBy(owner: string, revision: number, value: string | undefined): LockView {
  return {
    lock: "x",
    mode: "exclusive",
    holders: [{ owner, mode: "exclusive" }],
    waiters: [],
    fencingToken: 7,
    value,
    revision,
    holderTimes: [],
    waiterTimes: [],
  };
}

describe("a value", () => {
  test("goes into the log with an exclusive acquire, and nothing does where there is none", async () => {
    const group = new ScriptedControlGroup();
    const value = "v".repeat(4096);
    await ask(group, "POST", "/lock/x?owner=a", { body: JSON.stringify({ value }) });
    await ask(group, "POST", "/lock/x?owner=a&value=10.0.0.7%3A80");
    await ask(group, "POST", "/lock/x?owner=a&value=");
    await ask(group, "POST", "/lock/x?owner=a");
    const values = group.submitted.map(({ command }) => ("value" in command ? command.value : "none"));
    expect(values).toEqual([value, "10.0.0.7:80", "", "none"]);
  });

  test("is shown with the lock, also an empty one, and its revision always", async () => {
    const group = new ScriptedControlGroup();
    const shown = async () => {
      const { value, revision } = inspectLock.output.parse((await ask(group, "GET", "/lock/x")).body);
      return [value, revision];
    };
    expect(await shown()).toEqual([undefined, 0]);
    group.views = [heldBy("a", 40, "here")];
    expect(await shown()).toEqual(["here", 40]);
    group.views = [heldBy("a", 41, "")];
    expect(await shown()).toEqual(["", 41]);
  });

  test("is not shown in the list of locks, which shows the revision", async () => {
    const group = new ScriptedControlGroup();
    group.views = [heldBy("a", 40, "here")];
    const { body } = await ask(group, "GET", "/locks");
    expect(body["locks"]).toMatchObject({ x: { revision: 40 } });
    expect(JSON.stringify(body)).not.toContain("here");
  });
});

describe("GET /lock/:name?wait=&after=", () => {
  test("answers at once when the lock has another revision already", async () => {
    const group = new ScriptedControlGroup();
    group.views = [heldBy("a", 40, "here")];
    const { body } = await ask(group, "GET", "/lock/x?wait=60&after=39");
    expect([body["revision"], body["as_of_index"], group.observed]).toEqual([40, 42, []]);
  });

  test("waits for a change, and tells the state after it", async () => {
    const group = new ScriptedControlGroup();
    group.views = [heldBy("a", 40, "here")];
    group.change = async () => void (group.views = [heldBy("b", 43, "there")]);
    const { body } = await ask(group, "GET", "/lock/x?wait=2.5&after=40");
    expect(body).toMatchObject({ owners: ["b"], value: "there", revision: 43, as_of_index: 43 });
    expect(group.observed).toMatchObject([{ lock: "x", options: { after: 40, waitMs: 2_500 } }]);
    expect([group.barriers, group.submitted]).toEqual([1, []]);
  });

  test("tells the state as it is when nothing changed", async () => {
    const group = new ScriptedControlGroup();
    const { status, body } = await ask(group, "GET", "/lock/x?wait=1&after=0");
    expect([status, body["status"], body["revision"], group.observed.length]).toEqual([200, "available", 0, 1]);
  });

  test("asks nobody with consistency=local", async () => {
    const group = new ScriptedControlGroup();
    await ask(group, "GET", "/lock/x?wait=1&after=0&consistency=local");
    expect([group.barriers, group.observed.length]).toEqual([0, 1]);
  });

  test("is refused without a leader before it waits", async () => {
    const group = new ScriptedControlGroup();
    group.barrier = () => {
      throw new GroupError("no_leader");
    };
    const { status } = await ask(group, "GET", "/lock/x?wait=1&after=0");
    expect([status, group.observed.length]).toEqual([503, 0]);
  });

  test("passes on that the client went away", async () => {
    const group = new ScriptedControlGroup();
    const abort = new AbortController();
    await ask(group, "GET", "/lock/x?wait=1&after=0", { signal: abort.signal });
    abort.abort();
    expect(group.observed[0]?.options.signal?.aborted).toBe(true);
  });
});
