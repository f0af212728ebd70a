import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { clusterStatus, health, nodeStatus, readiness, transferLeadership } from "../../../src/api/cluster.ts";
import { checkFence } from "../../../src/api/fences.ts";
import { acquireLock, inspectLock, listLocks, releaseLock } from "../../../src/api/locks.ts";
import { acquireLocks } from "../../../src/api/multi-locks.ts";
import { operation } from "../../../src/api/operation.ts";
import { acquirePermits, inspectSemaphore, releasePermits } from "../../../src/api/semaphores.ts";
import { closeSession, listSessions, openSession, renewSession } from "../../../src/api/sessions.ts";
import { randomId } from "../../../src/server/random-id.ts";
import { createRun } from "../../../src/server/run.ts";
import { ScriptedControlGroup } from "../../support/scripted-control-group.ts";

const operations = [
  acquireLock,
  releaseLock,
  inspectLock,
  listLocks,
  acquireLocks,
  acquirePermits,
  releasePermits,
  inspectSemaphore,
  openSession,
  renewSession,
  closeSession,
  listSessions,
  checkFence,
  nodeStatus,
  clusterStatus,
  transferLeadership,
  health,
  readiness,
];

describe("every operation", () => {
  test.each(operations.map((each) => [each.name, each] as const))(
    "%s has a schema that can be published",
    (_name, each) => {
      const input = z.toJSONSchema(each.input, { io: "input" });
      expect(input).toMatchObject({ type: "object", additionalProperties: false });
      expect(z.toJSONSchema(each.output)).toMatchObject({ type: "object" });
    },
  );

  test("has a name of its own", () => {
    expect(new Set(operations.map((each) => each.name)).size).toBe(operations.length);
  });
});

test("an operation that nobody handles is a fault of ours", () => {
  const run = createRun({ group: new ScriptedControlGroup(), randomId });
  const unknown = operation({
    name: "no.such",
    summary: "",
    input: z.strictObject({}),
    output: z.strictObject({}),
    errors: [],
  });
  expect(run(unknown, {}, {})).rejects.toThrow("no handler for no.such");
});
