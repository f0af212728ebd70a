import { z } from "zod";
import { limits } from "../../kernel/limits.ts";
import { Name, text } from "../names.ts";
import { operation } from "../operation.ts";
import { changeErrors, confirmed, MessageData, messageOptions, QueueName, readErrors } from "./fields.ts";

const Missed = z.enum(["once", "skip"], { error: 'must be "once" or "skip"' });
const ScheduleName = { queue: QueueName, schedule: Name };

export const setSchedule = operation({
  name: "schedules.set",
  summary: "Publish a message again and again; replaces the schedule of that name.",
  input: z.strictObject({
    ...ScheduleName,
    /** Five fields, or six with seconds first. */
    cron: text(limits.maxCronBytes),
    /** IANA name, such as Asia/Jakarta. */
    zone: text(limits.maxZoneBytes).default("UTC"),
    /** What becomes of instants at which there was no leader: one message for all of them, or none. */
    missed: Missed.default("once"),
    data: MessageData,
    ...messageOptions,
  }),
  output: z.strictObject({
    status: z.literal("scheduled"),
    ...confirmed,
    schedule: z.string(),
    /** By the clock of this node. */
    next_at_ms: z.int(),
  }),
  errors: ["limit", ...changeErrors],
});

export const removeSchedule = operation({
  name: "schedules.remove",
  summary: "Remove a schedule; what it has published stays.",
  input: z.strictObject(ScheduleName),
  output: z.strictObject({ status: z.literal("removed"), ...confirmed, schedule: z.string() }),
  errors: ["not_found", ...changeErrors],
});

export const listSchedules = operation({
  name: "schedules.list",
  summary: "The schedules of a queue.",
  input: z.strictObject({ queue: QueueName }),
  output: z.strictObject({
    ...confirmed,
    schedules: z
      .array(
        z.strictObject({
          schedule: z.string(),
          cron: z.string(),
          zone: z.string(),
          missed: Missed,
          data: z.unknown(),
          delay_ms: z.int(),
          priority: z.int(),
          group: z.string().optional(),
          expires_ms: z.int(),
          /** null: it has not fired yet. */
          fired_at_ms: z.int().nullable(),
          /** null: it will not fire again. */
          next_at_ms: z.int().nullable(),
        }),
      )
      .readonly(),
  }),
  errors: readErrors,
});
