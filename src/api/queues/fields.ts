import { z } from "zod";
import { limits } from "../../kernel/limits.ts";
import { AnyJson } from "../json-text.ts";
import { duration, integer, Name, PageLimit, text } from "../names.ts";

/** Last segments of `/queue/…` that mean something else. */
const RESERVED: ReadonlySet<string> = new Set(["ack", "nack", "extend"]);

export const QueueName = Name.refine((name) => !RESERVED.has(name), {
  error: "is reserved: no queue can be named ack, nack or extend",
});
/** What a confirmation stands for (PROTOCOLS U2). */
export const Durability = z.enum(["majority_disk", "redis_always", "redis_everysec", "redis_memory"]);
/** Of every reply. */
export const confirmed = { queue: z.string(), node: z.string(), durability: Durability };

/** What a publisher says of a message beside its body. */
export const messageOptions = {
  /** Not delivered before this is over. */
  delay: duration(0, limits.maxDelayMs).default(0),
  /** Larger goes first. */
  priority: integer(0, limits.maxPriority).default(0),
  /** Dead-lettered when nobody took it in this time; absent: as the queue is set. */
  expires: duration(0, limits.maxExpiresMs).default(0),
  /** Messages of one group are delivered one after the other, in order. */
  group: text(limits.maxGroupKeyBytes).optional(),
};
/** Published again under the same id, it is the same message: what makes a retry safe. */
export const DedupeId = text(limits.maxDedupeIdBytes);
export const MessageData = AnyJson;

/** As JSON, or in a query as `1`. */
export const Switch = z
  .union([z.boolean(), z.enum(["0", "1", "true", "false"])], { error: "must be 0 or 1" })
  .transform((value) => value === true || value === "1" || value === "true");

export const Visibility = duration(limits.minVisibilityMs, limits.maxVisibilityMs);
export const ReceiveWait = duration(0, limits.maxWaitMs);
export const ReceiveMax = integer(1, limits.maxReceiveMessages);
export const MessageId = text(limits.maxNameBytes);
export const Page = PageLimit;

export const readErrors = ["no_leader", "store_unavailable", "group_stopped", "disk_full"] as const;
export const changeErrors = [...readErrors, "store_full", "outcome_unknown"] as const;
