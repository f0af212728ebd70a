import { z } from "zod";
import { defaultTtlMs, SessionId, Ttl } from "./names.ts";
import { operation } from "./operation.ts";

const SessionLease = z.strictObject({ session: z.string(), expires_in_ms: z.int() });

export const openSession = operation({
  name: "sessions.open",
  summary: "Open a session; its id is a secret that no read shows.",
  input: z.strictObject({ ttl: Ttl.default(defaultTtlMs) }),
  output: SessionLease,
  errors: ["no_leader", "outcome_unknown"],
});

export const renewSession = operation({
  name: "sessions.renew",
  summary: "Start a session's TTL, and so that of everything it holds, anew.",
  input: z.strictObject({ session: SessionId }),
  output: SessionLease,
  errors: ["session_expired", "no_leader", "outcome_unknown"],
});

export const closeSession = operation({
  name: "sessions.close",
  summary: "End a session and release what it holds.",
  input: z.strictObject({ session: SessionId }),
  output: z.strictObject({
    status: z.literal("released"),
    session: z.string(),
    /** Names of the locks that it held. */
    released: z.array(z.string()).readonly(),
  }),
  errors: ["session_expired", "no_leader", "outcome_unknown"],
});
