import { z } from "zod";
import { identity, leaseholder, oneIdentity, oneLease } from "./identity.ts";
import {
  Consistency,
  defaultWaitMs,
  FencingToken,
  LockType,
  Name,
  NamePart,
  PageLimit,
  Revision,
  Value,
  Wait,
} from "./names.ts";
import { operation } from "./operation.ts";

const Owners = z.array(z.string()).readonly();
const Waiters = z.array(z.tuple([z.string(), LockType])).readonly();

export const acquireLock = operation({
  name: "locks.acquire",
  summary: "Take a lock, waiting up to `timeout` seconds for it.",
  input: z
    .strictObject({
      lock_name: Name,
      lock_type: LockType.default("exclusive"),
      timeout: Wait.default(defaultWaitMs),
      ...leaseholder,
      /** Shown to everybody while the lock is held: who leads, and where to reach it. */
      value: Value.optional(),
    })
    .refine(oneIdentity.check, oneIdentity.params)
    .refine(oneLease.check, oneLease.params)
    .refine((input) => input.value === undefined || input.lock_type === "exclusive", {
      error: "goes with an exclusive lock alone: readers of a shared one would have many",
      path: ["value"],
    }),
  output: z.strictObject({
    status: z.literal("acquired"),
    lock_name: z.string(),
    lock_type: LockType,
    owner: z.string(),
    fencing_token: z.int(),
    /** With this the hold can be released: the session, `owner:NAME`, or a secret of this request. */
    session: z.string(),
    expires_in_ms: z.int(),
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

export const releaseLock = operation({
  name: "locks.release",
  summary: "Release a lock; with `fencing_token`, only that grant of it.",
  input: z
    .strictObject({
      lock_name: Name,
      ...identity,
      fencing_token: FencingToken.optional(),
    })
    .refine(oneIdentity.check, oneIdentity.params),
  output: z.strictObject({
    status: z.literal("released"),
    lock_name: z.string(),
    released_by: z.string(),
    /** Who got the lock in the same step. */
    granted_to: Owners.nullable(),
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

/** At most 100 each, the oldest; ages in lease time, which stands still while there is no leader. */
const Holders = z
  .array(
    z.strictObject({
      owner: z.string(),
      lock_type: LockType,
      /** Since its first grant: acquiring again what one holds starts nothing anew. */
      held_for_ms: z.int(),
      /** Unless it is renewed. */
      expires_in_ms: z.int(),
    }),
  )
  .readonly();
const Queue = z.array(z.strictObject({ owner: z.string(), lock_type: LockType, waiting_for_ms: z.int() })).readonly();

const LockState = z.strictObject({
  status: z.enum(["available", "held"]),
  /** Omitted when available. */
  type: LockType.optional(),
  owners: Owners,
  waiters: Waiters,
  fencing_token: z.int().nullable(),
  holders: Holders,
  queue: Queue,
  /** Log index of what last changed who holds the lock or its value; 0 while nobody holds it. */
  revision: z.int(),
});

export const inspectLock = operation({
  name: "locks.inspect",
  summary: "Who holds a lock and who waits for it; with `wait`, as soon as its revision is not `after`.",
  input: z
    .strictObject({
      lock_name: Name,
      consistency: Consistency.default("linearizable"),
      /** How long to wait for a change; then the state is told as it is. */
      wait: Wait.optional(),
      /** The revision that the client has seen last. */
      after: Revision.optional(),
    })
    .refine((input) => input.after === undefined || input.wait !== undefined, {
      error: "goes with `wait`: say for how many seconds to wait for another revision",
      path: ["after"],
    })
    .refine((input) => input.wait === undefined || input.after !== undefined, {
      error: "goes with `after`: say the `revision` that you have seen last, 0 if nobody held the lock",
      path: ["wait"],
    }),
  output: LockState.extend({
    lock_name: z.string(),
    /** Omitted when its holder gave none. */
    value: z.string().optional(),
    as_of_index: z.int(),
  }),
  errors: ["no_leader", "group_stopped", "disk_full"],
});

export const listLocks = operation({
  name: "locks.list",
  summary: "Locks held or waited for, by name, a page at a time.",
  input: z.strictObject({
    prefix: NamePart.default(""),
    after: NamePart.default(""),
    limit: PageLimit.default(1000),
    consistency: Consistency.default("linearizable"),
  }),
  output: z.strictObject({
    node_id: z.string(),
    raft_state: z.string(),
    leader: z.string().nullable(),
    current_leader: z.string().nullable(),
    is_leader: z.boolean(),
    locks: z.record(z.string(), LockState),
    /** The same object, where clients of the older system look. */
    lock_table: z.record(z.string(), LockState),
    /** Owner → those it waits for; at most 1,000 edges. */
    wait_for_graph: z.record(z.string(), Owners),
    /** Present when there is more: the `after` of the next page. */
    next: z.string().optional(),
    as_of_index: z.int(),
  }),
  errors: ["no_leader", "group_stopped", "disk_full"],
});
