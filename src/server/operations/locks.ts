import { acquireLock, releaseLock } from "../../api/locks.ts";
import type { HandlerTools, Register } from "../run.ts";
import { expectResult } from "./lock-errors.ts";
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
    const grant = expectResult(result, "granted");
    const { leader, term } = group.leadership();
    return {
      status: "acquired" as const,
      lock_name: grant.lock,
      lock_type: grant.mode,
      owner: grant.owner,
      fencing_token: grant.fencingToken,
      session: grant.principalId,
      expires_in_ms: grant.expiresInMs,
      leader: leader ?? null,
      term,
    };
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
    const released = expectResult(result, "released");
    return {
      status: "released" as const,
      lock_name: released.lock,
      released_by: released.releasedBy,
      granted_to: released.grantedTo ?? null,
    };
  });
}
