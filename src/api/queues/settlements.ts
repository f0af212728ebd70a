import { z } from "zod";
import { limits } from "../../kernel/limits.ts";
import { AckToken } from "../ack-token.ts";
import { duration } from "../names.ts";
import { operation } from "../operation.ts";
import { changeErrors, Durability, Switch, Visibility } from "./fields.ts";

const tokensError = `must be a list of 1 to ${limits.maxReceiveMessages} ack_tokens`;
/** One delivery, or several of any queues. */
const tokens = {
  ack_token: AckToken.optional(),
  ack_tokens: z
    .array(AckToken, { error: tokensError })
    .min(1, { error: tokensError })
    .max(limits.maxReceiveMessages, { error: tokensError })
    .optional(),
};
const oneOrMore = {
  check: (input: { readonly ack_token?: unknown; readonly ack_tokens?: unknown }) =>
    (input.ack_token === undefined) !== (input.ack_tokens === undefined),
  params: { error: "must be given, or a list as `ack_tokens`, and not both", path: ["ack_token"] },
};

const errors = ["unknown_receipt", "stale_attempt", ...changeErrors] as const;
/** What can become of one of several: what it is when it went well, or the code that it alone would have got. */
const failures = ["unknown_receipt", "stale_attempt", ...changeErrors] as const;

/** @param done what a delivery is afterwards */
function replies<const Done extends string>(done: readonly [Done, ...Done[]]) {
  return z.union([
    /** Of `ack_token`. */
    z.strictObject({ status: z.enum(done), queue: z.string(), node: z.string(), durability: Durability }),
    /** Of `ack_tokens`: one result for each, in their order. `partial`: not all went well. */
    z.strictObject({
      status: z.enum([done[0], "partial"]),
      node: z.string(),
      durability: Durability,
      results: z.array(z.enum([...done, ...failures])).readonly(),
    }),
  ]);
}

export const ackMessages = operation({
  name: "queues.ack",
  summary: "A delivery is done with: its message is gone.",
  input: z.strictObject(tokens).refine(oneOrMore.check, oneOrMore.params),
  output: replies(["acknowledged"]),
  errors,
});

export const nackMessages = operation({
  name: "queues.nack",
  summary: "A delivery failed: its message comes again after `delay` seconds, or after the queue's back-off.",
  input: z
    .strictObject({
      ...tokens,
      delay: duration(0, limits.maxDelayMs).optional(),
      /** Nobody has begun with it: it goes back at once, and the attempt does not count as failed (PROTOCOLS U1). */
      unstarted: Switch.default(false),
    })
    .refine(oneOrMore.check, oneOrMore.params)
    .refine(({ delay, unstarted }) => delay === undefined || !unstarted, {
      error: "goes with a delivery that failed: one that was not started goes back at once",
      path: ["delay"],
    }),
  /** `dead_lettered`: that was one delivery too many. */
  output: replies(["returned", "dead_lettered"]),
  errors,
});

const DEFAULT_EXTENSION_MS = 30_000;

export const extendMessages = operation({
  name: "queues.extend",
  summary: "A delivery takes longer: its ack_token is good for `visibility` seconds from now on.",
  input: z
    .strictObject({ ...tokens, visibility: Visibility.default(DEFAULT_EXTENSION_MS) })
    .refine(oneOrMore.check, oneOrMore.params),
  output: replies(["extended"]),
  errors,
});
