import { z } from "zod";
import { limits } from "../kernel/limits.ts";
import { leaseholder, oneIdentity, oneLease } from "./identity.ts";
import { defaultWaitMs, LockType, Name, shownName, Wait } from "./names.ts";
import { operation } from "./operation.ts";

const countError = `must be a list of 1 to ${limits.maxLocksPerRequest} locks, such as {"name": "a", "lock_type": "shared"}`;
const REPEATED = "is in the list already: name each lock once";

const WantedLocks = z
  .array(
    z.strictObject(
      { name: Name, lock_type: LockType.default("exclusive") },
      { error: 'must be an object such as {"name": "a", "lock_type": "shared"}' },
    ),
    { error: countError },
  )
  .min(1, { error: countError })
  .max(limits.maxLocksPerRequest, { error: countError })
  .superRefine((locks, context) => {
    const seen = new Set<string>();
    for (const [at, { name }] of locks.entries()) {
      if (seen.has(name))
        context.addIssue({ code: "custom", path: [at, "name"], message: `${shownName(name)} ${REPEATED}` });
      seen.add(name);
    }
  });

export const acquireLocks = operation({
  name: "locks.acquireAll",
  summary: "Take several locks in one step, all or none, waiting up to `timeout` seconds (PROTOCOLS L6).",
  input: z
    .strictObject({ locks: WantedLocks, timeout: Wait.default(defaultWaitMs), ...leaseholder })
    .refine(oneIdentity.check, oneIdentity.params)
    .refine(oneLease.check, oneLease.params),
  output: z.strictObject({
    status: z.literal("acquired"),
    /** In the order of the request. */
    locks: z
      .array(
        z.strictObject({
          lock_name: z.string(),
          lock_type: LockType,
          fencing_token: z.int(),
          expires_in_ms: z.int(),
        }),
      )
      .readonly(),
    owner: z.string(),
    /** With this each of them can be released: the session, `owner:NAME`, or a secret of this request. */
    session: z.string(),
    leader: z.string().nullable(),
    term: z.int(),
  }),
  errors: [
    "deadlock",
    "lock_held",
    "upgrade_conflict",
    "session_expired",
    "cancelled",
    "no_leader",
    "group_stopped",
    "disk_full",
    "outcome_unknown",
  ],
});
