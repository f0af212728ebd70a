import type { LockGrant, LockResult, LockView, PermitGrant, SemaphoreView } from "../../locks/types.ts";
import { assert } from "../../kernel/assert.ts";
import type { Leadership } from "../control-group.ts";

type Result<Type extends LockResult["type"]> = Extract<LockResult, { readonly type: Type }>;

/** What the operations of the API give, from what the state machine says. */
export function grantOutput(grant: LockGrant, leadership: Leadership) {
  return {
    status: "acquired" as const,
    lock_name: grant.lock,
    lock_type: grant.mode,
    owner: grant.owner,
    fencing_token: grant.fencingToken,
    session: grant.principalId,
    expires_in_ms: grant.expiresInMs,
    ...shown(leadership),
  };
}

export function grantsOutput({ grants }: Result<"grantedAll">, leadership: Leadership) {
  const [first] = grants;
  assert(first !== undefined, "there is a grant for each of one or more locks");
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
    ...shown(leadership),
  };
}

export function permitsOutput(grant: PermitGrant, leadership: Leadership) {
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
    ...shown(leadership),
  };
}

export function releasedOutput({ lock, releasedBy, grantedTo }: Result<"released">) {
  return {
    status: "released" as const,
    lock_name: lock,
    released_by: releasedBy,
    granted_to: grantedTo ?? null,
  };
}

export function permitsReleasedOutput({ semaphore, releasedBy, grantedTo }: Result<"permitsReleased">) {
  return { status: "released" as const, semaphore, released_by: releasedBy, granted_to: grantedTo ?? null };
}

export function sessionClosedOutput(session: string, { released, releasedSemaphores }: Result<"sessionClosed">) {
  return { status: "released" as const, session, released, released_semaphores: releasedSemaphores };
}

/** With its value. @param nowMs lease time, to which ages are counted */
export function lockOutput(view: LockView, nowMs: number, index: number) {
  const { lock, value } = view;
  return {
    lock_name: lock,
    ...lockState(view, nowMs),
    ...(value === undefined ? {} : { value }),
    as_of_index: index,
  };
}

/** Without the value, which may be long: a page of locks would be many times as long as it is. */
export function lockState(view: LockView, nowMs: number) {
  const { mode, holders, waiters, fencingToken, revision, holderTimes, waiterTimes } = view;
  return {
    status: mode === undefined ? ("available" as const) : ("held" as const),
    ...(mode === undefined ? {} : { type: mode }),
    owners: holders.map((holder) => holder.owner),
    waiters: waiters.map((waiter): [string, LockView["waiters"][number]["mode"]] => [waiter.owner, waiter.mode]),
    fencing_token: fencingToken ?? null,
    holders: holderTimes.map(({ owner, mode: lockType, grantedAtMs, endsAtMs }) => ({
      owner,
      lock_type: lockType,
      held_for_ms: since(grantedAtMs, nowMs),
      expires_in_ms: since(nowMs, endsAtMs),
    })),
    queue: waiterTimes.map(({ owner, mode: lockType, enqueuedAtMs }) => ({
      owner,
      lock_type: lockType,
      waiting_for_ms: since(enqueuedAtMs, nowMs),
    })),
    revision,
  };
}

export function semaphoreOutput(view: SemaphoreView, nowMs: number, index: number) {
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
}

/** Ms from one lease time to another: what a node has heard of lease time may lag behind what it has applied. */
export function since(fromMs: number, toMs: number): number {
  return Math.max(0, toMs - fromMs);
}

function shown({ leader, term }: Leadership) {
  return { leader: leader ?? null, term };
}
