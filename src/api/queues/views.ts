import { z } from "zod";
import { NamePart } from "../names.ts";
import { operation } from "../operation.ts";
import { confirmed, Durability, MessageId, Page, QueueName, readErrors } from "./fields.ts";

const State = z.enum(["ready", "delayed", "in_flight", "dead"], {
  error: 'must be "ready", "delayed", "in_flight" or "dead"',
});
const DEFAULT_PAGE = 100;

const figures = {
  queue: z.string(),
  paused: z.boolean(),
  ready: z.int(),
  delayed: z.int(),
  in_flight: z.int(),
  dead: z.int(),
  /** Of all bodies. */
  bytes: z.int(),
  /** Requests that wait for a message. */
  receivers: z.int(),
  /** Age of the oldest that is ready; null: none is. */
  oldest_ready_ms: z.int().nullable(),
  /** From here on: since the queue exists. */
  published: z.int(),
  duplicates: z.int(),
  delivered: z.int(),
  acked: z.int(),
  nacked: z.int(),
  timed_out: z.int(),
  returned: z.int(),
  dead_lettered: z.int(),
  redriven: z.int(),
  purged: z.int(),
};

export const queueStatistics = operation({
  name: "queues.stats",
  summary: "How many messages a queue holds, and what became of those before.",
  input: z.strictObject({ queue: QueueName }),
  output: z.strictObject({ ...figures, node: z.string(), durability: Durability }),
  errors: readErrors,
});

export const listQueues = operation({
  name: "queues.list",
  summary: "Queues by name, a page at a time.",
  input: z.strictObject({
    prefix: NamePart.default(""),
    /** The name before the page. */
    after: NamePart.default(""),
    limit: Page.default(DEFAULT_PAGE),
  }),
  output: z.strictObject({
    queues: z.array(z.strictObject(figures)).readonly(),
    /** Present when there is more: the `after` of the next page. */
    next: z.string().optional(),
    node: z.string(),
    durability: Durability,
  }),
  errors: readErrors,
});

const page = {
  queue: QueueName,
  /** The id before the page. */
  after: MessageId.optional(),
  limit: Page.default(DEFAULT_PAGE),
};
const Messages = z.strictObject({
  ...confirmed,
  state: State,
  messages: z
    .array(
      z.strictObject({
        id: z.string(),
        data: z.unknown(),
        attempt: z.int(),
        /** Deliveries that ended by nack or by time: those that count towards `max_deliveries`. */
        failures: z.int(),
        priority: z.int(),
        group: z.string().optional(),
        published_at_ms: z.int(),
        /** Until it is ready, or back; 0 otherwise. */
        due_in_ms: z.int(),
        /** `deliveries`: it failed too often; `expired`: nobody took it in time. */
        dead_reason: z.enum(["deliveries", "expired"]).optional(),
      }),
    )
    .readonly(),
  /** Present when there may be more: the `after` of the next page. */
  next: z.string().optional(),
});

export const browseMessages = operation({
  name: "queues.browse",
  summary: "Look at messages without taking them.",
  input: z.strictObject({ ...page, state: State.default("ready") }),
  output: Messages,
  errors: readErrors,
});

export const deadMessages = operation({
  name: "queues.dead",
  summary: "Look at dead letters: messages that failed too often, or that nobody took in time.",
  input: z.strictObject(page),
  output: Messages,
  errors: readErrors,
});
