import { ApiError } from "../../api/errors.ts";
import { closeSession, openSession, renewSession } from "../../api/sessions.ts";
import type { HandlerTools, Register } from "../run.ts";
import { expectResult } from "./lock-errors.ts";

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
    return { status: "released" as const, session, released: expectResult(result, "sessionClosed").released };
  });
}
