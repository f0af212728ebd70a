import { z } from "zod";
import { Consistency, defaultTtlMs, PageLimit, SessionId, SessionName, Ttl } from "./names.ts";
import { operation } from "./operation.ts";

const SessionLease = z.strictObject({ session: z.string(), expires_in_ms: z.int() });

export const openSession = operation({
  name: "sessions.open",
  summary: "Open a session; its id is a secret that no read shows.",
  input: z.strictObject({ ttl: Ttl.default(defaultTtlMs) }),
  output: SessionLease,
  errors: ["no_leader", "group_stopped", "disk_full", "outcome_unknown"],
});

export const renewSession = operation({
  name: "sessions.renew",
  summary: "Start a session's TTL, and so that of everything it holds, anew.",
  input: z.strictObject({ session: SessionId }),
  output: SessionLease,
  errors: ["session_expired", "no_leader", "group_stopped", "disk_full", "outcome_unknown"],
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
    /** Names of the semaphores that it held permits of. */
    released_semaphores: z.array(z.string()).readonly(),
  }),
  errors: ["session_expired", "no_leader", "group_stopped", "disk_full", "outcome_unknown"],
});

export const listSessions = operation({
  name: "sessions.list",
  summary: "Sessions in the order in which they were opened, a page at a time, without their ids.",
  input: z.strictObject({
    /** The name of the session before the page. */
    after: SessionName.default(0),
    limit: PageLimit.default(1000),
    consistency: Consistency.default("linearizable"),
  }),
  output: z.strictObject({
    sessions: z
      .array(
        z.strictObject({
          /** The name that others are shown as an owner: the id is a secret. */
          session: z.string(),
          ttl_ms: z.int(),
          /** In lease time, which stands still while there is no leader. */
          expires_in_ms: z.int(),
          /** How many locks it holds, and how many it waits for. */
          holds: z.int(),
          waiters: z.int(),
        }),
      )
      .readonly(),
    /** Present when there is more: the `after` of the next page. */
    next: z.string().optional(),
    as_of_index: z.int(),
  }),
  errors: ["no_leader", "group_stopped", "disk_full"],
});
