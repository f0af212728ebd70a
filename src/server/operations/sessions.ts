import { ApiError } from "../../api/errors.ts";
import { closeSession, listSessions, openSession, renewSession } from "../../api/sessions.ts";
import type { HandlerTools, Register } from "../run.ts";
import { expectResult } from "./lock-errors.ts";
import { readIndex } from "./lock-reads.ts";
import { sessionClosedOutput, since } from "./outputs.ts";

const SESSION = "ses_";

export function sessionOperations(register: Register, { group, randomId }: HandlerTools): void {
  register(openSession, async ({ ttl }, context) => {
    const result = await group.submit({ type: "openSession", session: SESSION + randomId(), ttlMs: ttl }, context);
    const { session, expiresInMs } = expectResult(result, "sessionOpened");
    return { session, expires_in_ms: expiresInMs };
  });

  register(renewSession, async ({ session }) => {
    const expiresInMs = await group.keepalive(session);
    if (expiresInMs === undefined) throw new ApiError("session_expired");
    return { session, expires_in_ms: expiresInMs };
  });

  register(closeSession, async ({ session }, { idempotencyKey }) => {
    const result = await group.submit({ type: "closeSession", session }, { idempotencyKey });
    return sessionClosedOutput(session, expectResult(result, "sessionClosed"));
  });

  register(listSessions, async ({ after, limit, consistency }) => {
    const index = await readIndex(group, consistency);
    // One more than asked for tells whether there is a next page.
    const views = group.state.sessions(after, limit + 1);
    const shown = views.slice(0, limit);
    const last = views.length > limit ? shown.at(-1) : undefined;
    const nowMs = group.leaseTimeMs();
    return {
      sessions: shown.map(({ name, ttlMs, endsAtMs, holds, waiters }) => ({
        session: name,
        ttl_ms: ttlMs,
        expires_in_ms: since(nowMs, endsAtMs),
        holds,
        waiters,
      })),
      ...(last === undefined ? {} : { next: last.name }),
      as_of_index: index,
    };
  });
}
