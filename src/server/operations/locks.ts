import { acquireLock, releaseLock } from "../../api/locks.ts";
import { defaultTtlMs } from "../../api/names.ts";
import type { LockCommand, Principal } from "../../locks/types.ts";
import type { HandlerTools, Register } from "../run.ts";
import { expectResult } from "./lock-errors.ts";

const OWNER = "owner:";
const ONCE = "once_";

type Holder = Extract<LockCommand, { type: "release" }>["holder"];

/** The operations that change locks: each is one command in the log. */
export function lockOperations(register: Register, { group, randomId }: HandlerTools): void {
  register(acquireLock, async (input, context) => {
    const { owner, session } = input;
    let principal: Principal;
    if (session !== undefined) principal = { kind: "session", id: session };
    else if (owner !== undefined) principal = { kind: "owner", name: owner };
    else principal = { kind: "once", id: ONCE + randomId(), node: group.nodeId };
    const result = await group.submit(
      {
        type: "acquire",
        lock: input.lock_name,
        mode: input.lock_type,
        principal,
        ttlMs: session === undefined ? (input.ttl ?? defaultTtlMs) : 0,
        waitMs: input.timeout,
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

/** `session` may be what a grant gave as such: of an owner or of a one-shot request, too. */
function holderOf(
  input: { readonly owner?: string | undefined; readonly session?: string | undefined },
  node: string,
): Holder {
  const { owner, session } = input;
  if (owner !== undefined) return { kind: "owner", name: owner };
  if (session === undefined) return { kind: "anonymous", node };
  if (session.startsWith(OWNER)) return { kind: "owner", name: session.slice(OWNER.length) };
  if (session.startsWith(ONCE)) return { kind: "onceId", id: session };
  return { kind: "session", id: session };
}
