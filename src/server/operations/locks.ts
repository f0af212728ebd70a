import { acquireLock, releaseLock } from "../../api/locks.ts";
import type { HandlerTools, Register } from "../run.ts";
import { expectResult } from "./lock-errors.ts";
import { grantOutput, releasedOutput } from "./outputs.ts";
import { claimOf, holderOf } from "./principals.ts";

/** The operations that change locks: each is one command in the log. */
export function lockOperations(register: Register, tools: HandlerTools): void {
  const { group } = tools;

  register(acquireLock, async (input, context) => {
    const result = await group.submit(
      {
        type: "acquire",
        lock: input.lock_name,
        mode: input.lock_type,
        ...claimOf(input, tools),
        waitMs: input.timeout,
        ...(input.value === undefined ? {} : { value: input.value }),
      },
      context,
    );
    return grantOutput(expectResult(result, "granted"), group.leadership());
  });

  register(releaseLock, async (input, { idempotencyKey }) => {
    // No signal: a release is never cancelled, whoever asked for it.
    const result = await group.submit(
      {
        type: "release",
        lock: input.lock_name,
        holder: holderOf(input, group.nodeId),
        fencingToken: input.fencing_token,
      },
      { idempotencyKey },
    );
    return releasedOutput(expectResult(result, "released"));
  });
}
