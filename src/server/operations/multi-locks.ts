import { acquireLocks } from "../../api/multi-locks.ts";
import { assert } from "../../kernel/assert.ts";
import type { HandlerTools, Register } from "../run.ts";
import { expectResult } from "./lock-errors.ts";
import { claimOf } from "./principals.ts";

/** Several locks are one command in the log (PROTOCOLS L6); each is released by itself. */
export function multiLockOperations(register: Register, tools: HandlerTools): void {
  const { group } = tools;

  register(acquireLocks, async (input, context) => {
    const locks = input.locks.map(({ name, lock_type: mode }) => ({ lock: name, mode }));
    const result = await group.submit(
      { type: "acquireAll", locks, ...claimOf(input, tools), waitMs: input.timeout },
      context,
    );
    const { grants } = expectResult(result, "grantedAll");
    const [first] = grants;
    assert(first !== undefined, "there is a grant for each of one or more locks");
    const { leader, term } = group.leadership();
    return {
      status: "acquired" as const,
      locks: grants.map((grant) => ({
        lock_name: grant.lock,
        lock_type: grant.mode,
        fencing_token: grant.fencingToken,
        expires_in_ms: grant.expiresInMs,
      })),
      owner: first.owner,
      session: first.principalId,
      leader: leader ?? null,
      term,
    };
  });
}
