import { acquirePermits, inspectSemaphore, releasePermits } from "../../api/semaphores.ts";
import type { HandlerTools, Register } from "../run.ts";
import { expectPermits } from "./lock-errors.ts";
import { readIndex } from "./lock-reads.ts";
import { permitsOutput, permitsReleasedOutput, semaphoreOutput } from "./outputs.ts";
import { claimOf, holderOf } from "./principals.ts";

export function semaphoreOperations(register: Register, tools: HandlerTools): void {
  const { group } = tools;

  register(acquirePermits, async (input, context) => {
    const { semaphore, permits, limit, timeout: waitMs } = input;
    const result = await group.submit(
      { type: "acquirePermits", semaphore, permits, limit, ...claimOf(input, tools), waitMs },
      context,
    );
    return permitsOutput(expectPermits(result, "permitsGranted"), group.leadership());
  });

  register(releasePermits, async (input, { idempotencyKey }) => {
    // No signal: a release is never cancelled, whoever asked for it.
    const result = await group.submit(
      {
        type: "releasePermits",
        semaphore: input.semaphore,
        holder: holderOf(input, group.nodeId),
        fencingToken: input.fencing_token,
      },
      { idempotencyKey },
    );
    return permitsReleasedOutput(expectPermits(result, "permitsReleased"));
  });

  register(inspectSemaphore, async ({ semaphore, consistency }) => {
    const index = await readIndex(group, consistency);
    return semaphoreOutput(group.state.semaphore(semaphore), group.leaseTimeMs(), index);
  });
}
