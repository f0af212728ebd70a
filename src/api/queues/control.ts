import { z } from "zod";
import { limits } from "../../kernel/limits.ts";
import { duration, integer } from "../names.ts";
import { operation } from "../operation.ts";
import { changeErrors, confirmed, QueueName, readErrors, Visibility } from "./fields.ts";

const Settings = z.strictObject({
  ...confirmed,
  visibility_ms: z.int(),
  max_deliveries: z.int(),
  backoff_ms: z.int(),
  max_backoff_ms: z.int(),
  dedupe_window_ms: z.int(),
  max_in_flight: z.int(),
  rate_limit: z.int(),
  rate_interval_ms: z.int(),
  expires_ms: z.int(),
});

export const readSettings = operation({
  name: "queues.settings",
  summary: "How a queue is set.",
  input: z.strictObject({ queue: QueueName }),
  output: Settings,
  errors: readErrors,
});

export const changeSettings = operation({
  name: "queues.configure",
  summary: "Set a queue; what is not named stays as it is.",
  input: z.strictObject({
    queue: QueueName,
    /** How long a delivery stays out without being acked. */
    visibility: Visibility.optional(),
    /** Failed deliveries before a message is a dead letter; 0: as many as it takes. */
    max_deliveries: integer(0, limits.maxDeliveries).optional(),
    /** After the first nack; doubles with each. */
    backoff: duration(0, limits.maxBackoffMs).optional(),
    max_backoff: duration(0, limits.maxBackoffMs).optional(),
    /** How long dedupe ids are remembered. */
    dedupe_window: duration(0, limits.maxDedupeWindowMs).optional(),
    /** Messages that may be out at once; 0: as many as a queue can have. */
    max_in_flight: integer(0, limits.maxInFlight).optional(),
    /** Deliveries in `rate_interval`; 0: as fast as they are asked for. */
    rate_limit: integer(0, limits.maxRate).optional(),
    rate_interval: duration(1, limits.maxRateIntervalMs).optional(),
    /** Of messages that do not say; 0: they stay. */
    expires: duration(0, limits.maxExpiresMs).optional(),
  }),
  output: Settings,
  errors: changeErrors,
});

export const purgeQueue = operation({
  name: "queues.purge",
  summary: "Drop what is ready or delayed, or the dead letters. What is in flight stays.",
  input: z.strictObject({
    queue: QueueName,
    part: z.enum(["live", "dead"], { error: 'must be "live" or "dead"' }).default("live"),
  }),
  output: z.strictObject({ status: z.literal("purged"), ...confirmed, purged: z.int() }),
  errors: changeErrors,
});

const DEFAULT_REDRIVE = 1000;

export const redriveQueue = operation({
  name: "queues.redrive",
  summary: "Make the oldest dead letters ready again, as if they had never been delivered.",
  input: z.strictObject({ queue: QueueName, max: integer(1, DEFAULT_REDRIVE).default(DEFAULT_REDRIVE) }),
  output: z.strictObject({ status: z.literal("redriven"), ...confirmed, redriven: z.int() }),
  errors: changeErrors,
});

export const pauseQueue = operation({
  name: "queues.pause",
  summary: "Give receivers nothing; everything else goes on.",
  input: z.strictObject({ queue: QueueName }),
  output: z.strictObject({ status: z.literal("paused"), ...confirmed }),
  errors: changeErrors,
});

export const resumeQueue = operation({
  name: "queues.resume",
  summary: "Give receivers messages again.",
  input: z.strictObject({ queue: QueueName }),
  output: z.strictObject({ status: z.literal("resumed"), ...confirmed }),
  errors: changeErrors,
});
