import { z } from "zod";
import { identity, leaseholder, oneIdentity, oneLease } from "./identity.ts";
import { Consistency, defaultWaitMs, FencingToken, Name, PermitLimit, Permits, Wait } from "./names.ts";
import { operation } from "./operation.ts";

/** Numbers of permits, from 0: each belongs to one holder at a time, and its tokens rise (PROTOCOLS L2). */
const Slots = z.array(z.int()).readonly();

export const acquirePermits = operation({
  name: "semaphores.acquire",
  summary: "Take permits of a semaphore, waiting up to `timeout` seconds for them.",
  input: z
    .strictObject({
      semaphore: Name,
      permits: Permits.default(1),
      /** How many there are: the same for everybody while somebody holds or waits. */
      limit: PermitLimit,
      timeout: Wait.default(defaultWaitMs),
      ...leaseholder,
    })
    .refine(oneIdentity.check, oneIdentity.params)
    .refine(oneLease.check, oneLease.params)
    .refine((input) => input.permits <= input.limit, {
      error: "must not be more than `limit`: they could never be had",
      path: ["permits"],
    }),
  output: z.strictObject({
    status: z.literal("acquired"),
    semaphore: z.string(),
    permits: z.int(),
    limit: z.int(),
    slots: Slots,
    owner: z.string(),
    /** Larger than that of every earlier grant of any of the slots. */
    fencing_token: z.int(),
    /** With this the permits can be released: the session, `owner:NAME`, or a secret of this request. */
    session: z.string(),
    expires_in_ms: z.int(),
    leader: z.string().nullable(),
    term: z.int(),
  }),
  errors: [
    "deadlock",
    "lock_held",
    "semaphore_limit",
    "permits_conflict",
    "session_expired",
    "cancelled",
    "no_leader",
    "group_stopped",
    "disk_full",
    "outcome_unknown",
  ],
});

export const releasePermits = operation({
  name: "semaphores.release",
  summary: "Release all permits of one holder; with `fencing_token`, only those of that grant.",
  input: z
    .strictObject({ semaphore: Name, ...identity, fencing_token: FencingToken.optional() })
    .refine(oneIdentity.check, oneIdentity.params),
  output: z.strictObject({
    status: z.literal("released"),
    semaphore: z.string(),
    released_by: z.string(),
    /** Who got permits in the same step. */
    granted_to: z.array(z.string()).readonly().nullable(),
  }),
  errors: [
    "not_owner",
    "not_held",
    "session_expired",
    "stale_token",
    "no_leader",
    "group_stopped",
    "disk_full",
    "outcome_unknown",
  ],
});

export const inspectSemaphore = operation({
  name: "semaphores.inspect",
  summary: "Who holds permits of a semaphore and who waits for them.",
  input: z.strictObject({ semaphore: Name, consistency: Consistency.default("linearizable") }),
  output: z.strictObject({
    semaphore: z.string(),
    /** null while nobody holds or waits: then there is none, and the next request says its limit. */
    limit: z.int().nullable(),
    /** Permits that nobody holds. */
    available: z.int().nullable(),
    /** At most 100 each, the oldest; ages in lease time, which stands still while there is no leader. */
    holders: z
      .array(
        z.strictObject({
          owner: z.string(),
          permits: z.int(),
          slots: Slots,
          fencing_token: z.int(),
          /** Since its first grant: acquiring again what one holds starts nothing anew. */
          held_for_ms: z.int(),
          /** Unless it is renewed. */
          expires_in_ms: z.int(),
        }),
      )
      .readonly(),
    queue: z.array(z.strictObject({ owner: z.string(), permits: z.int(), waiting_for_ms: z.int() })).readonly(),
    as_of_index: z.int(),
  }),
  errors: ["no_leader", "group_stopped", "disk_full"],
});
