import { acquirePermits, inspectSemaphore, releasePermits } from "../../api/semaphores.ts";
import type { HandlerTools, Register } from "../run.ts";
import { expectPermits } from "./lock-errors.ts";
import { readIndex, since } from "./lock-reads.ts";
import { claimOf, holderOf } from "./principals.ts";

export function semaphoreOperations(register: Register, tools: HandlerTools): void {
  const { group } = tools;

  register(acquirePermits, async (input, context) => {
    const { semaphore, permits, limit, timeout: waitMs } = input;
    const result = await group.submit(
      { type: "acquirePermits", semaphore, permits, limit, ...claimOf(input, tools), waitMs },
      context,
    );
    const grant = expectPermits(result, "permitsGranted");
    const { leader, term } = group.leadership();
    return {
      status: "acquired" as const,
      semaphore: grant.semaphore,
      permits: grant.permits,
      limit: grant.limit,
      slots: grant.slots,
      owner: grant.owner,
      fencing_token: grant.fencingToken,
      session: grant.principalId,
      expires_in_ms: grant.expiresInMs,
      leader: leader ?? null,
      term,
    };
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
    const released = expectPermits(result, "permitsReleased");
    return {
      status: "released" as const,
      semaphore: released.semaphore,
      released_by: released.releasedBy,
      granted_to: released.grantedTo ?? null,
    };
  });

  register(inspectSemaphore, async ({ semaphore, consistency }) => {
    const index = await readIndex(group, consistency);
    const view = group.state.semaphore(semaphore);
    const nowMs = group.leaseTimeMs();
    return {
      semaphore: view.semaphore,
      limit: view.limit ?? null,
      available: view.available ?? null,
      holders: view.holders.map(({ owner, slots, fencingToken, grantedAtMs, endsAtMs }) => ({
        owner,
        permits: slots.length,
        slots,
        fencing_token: fencingToken,
        held_for_ms: since(grantedAtMs, nowMs),
        expires_in_ms: since(nowMs, endsAtMs),
      })),
      queue: view.waiters.map(({ owner, permits, enqueuedAtMs }) => ({
        owner,
        permits,
        waiting_for_ms: since(enqueuedAtMs, nowMs),
      })),
      as_of_index: index,
    };
  });
}
