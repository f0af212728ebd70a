import { z } from "zod";
import { limits } from "../../kernel/limits.ts";
import { operation } from "../operation.ts";
import {
  changeErrors,
  confirmed,
  DedupeId,
  MessageData,
  messageOptions,
  QueueName,
  ReceiveMax,
  ReceiveWait,
  Switch,
  Visibility,
} from "./fields.ts";

export const publishMessage = operation({
  name: "queues.publish",
  summary: "Put a message into a queue: any JSON.",
  input: z.strictObject({
    queue: QueueName,
    data: MessageData,
    ...messageOptions,
    dedupe_id: DedupeId.optional(),
    /** Whether the reply repeats the message. */
    echo: Switch.default(true),
  }),
  output: z.strictObject({
    status: z.literal("produced"),
    ...confirmed,
    message: z.unknown().optional(),
    id: z.string(),
    /** A message of that dedupe id was there already, and this is its id. */
    duplicate: z.boolean(),
  }),
  errors: changeErrors,
});

export const publishBatch = operation({
  name: "queues.publishBatch",
  summary: "Put several messages into a queue in one step: all of them or none.",
  input: z.strictObject({
    queue: QueueName,
    messages: z
      .array(z.strictObject({ data: MessageData, ...messageOptions, dedupe_id: DedupeId.optional() }), {
        error: `must be a list of 1 to ${limits.maxPublishMessages} messages`,
      })
      .min(1, { error: `must be a list of 1 to ${limits.maxPublishMessages} messages` })
      .max(limits.maxPublishMessages, { error: `must be a list of 1 to ${limits.maxPublishMessages} messages` }),
  }),
  output: z.strictObject({
    status: z.literal("produced"),
    ...confirmed,
    /** In the order of the request. */
    ids: z.array(z.string()).readonly(),
    /** Places, from 0, of those that were there already by their dedupe ids. */
    duplicates: z.array(z.int()).readonly(),
  }),
  errors: changeErrors,
});

const delivery = {
  id: z.string(),
  /** Deliveries of it so far, from 1. */
  attempt: z.int(),
  /** With this it is acked, returned or extended. */
  ack_token: z.string(),
  data: z.unknown(),
  priority: z.int(),
  group: z.string().optional(),
  published_at_ms: z.int(),
  /** How long the ack_token is good. */
  visibility_ms: z.int(),
};

export const receiveMessage = operation({
  name: "queues.receive",
  summary: "Take a message, waiting up to `wait` seconds for one.",
  input: z.strictObject({
    queue: QueueName,
    wait: ReceiveWait.default(0),
    /** Absent: as the queue is set. */
    visibility: Visibility.optional(),
  }),
  output: z.discriminatedUnion("status", [
    z.strictObject({
      status: z.literal("consumed"),
      ...confirmed,
      ...delivery,
      /** The same as `data`, where clients of the older system look. */
      message: z.unknown(),
    }),
    z.strictObject({ status: z.literal("empty"), ...confirmed }),
  ]),
  errors: changeErrors,
});

export const receiveBatch = operation({
  name: "queues.receiveBatch",
  summary: "Take up to `max` messages, waiting up to `wait` seconds for the first.",
  input: z.strictObject({
    queue: QueueName,
    max: ReceiveMax.default(1),
    wait: ReceiveWait.default(0),
    visibility: Visibility.optional(),
  }),
  output: z.strictObject({
    status: z.enum(["consumed", "empty"]),
    ...confirmed,
    messages: z.array(z.strictObject(delivery)).readonly(),
  }),
  errors: changeErrors,
});
