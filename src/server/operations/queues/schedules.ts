import { Cron } from "croner";
import { ApiError } from "../../../api/errors.ts";
import { JsonText } from "../../../api/json-text.ts";
import { shownName } from "../../../api/names.ts";
import { listSchedules, removeSchedule, setSchedule } from "../../../api/queues/schedules.ts";
import type { ScheduleView } from "../../../queue/types.ts";
import type { HandlerTools, Register } from "../../run.ts";
import { newMessage } from "./messages.ts";
import { queueStore } from "./store.ts";

/** Messages that are published again and again (PROTOCOLS T3). What is wrong with a schedule is found before anything is asked. */
export function scheduleOperations(register: Register, tools: HandlerTools): void {
  const store = queueStore(tools);

  register(setSchedule, async ({ queue, schedule, cron, zone, missed, ...input }, { idempotencyKey }) => {
    const nextAtMs = firstInstant(cron, zone);
    const { dedupeId: _none, ...message } = newMessage(input);
    await store.backend.setSchedule(queue, { id: schedule, cron, zone, missed, message }, { idempotencyKey });
    return { status: "scheduled" as const, queue, ...store.confirmed(), schedule, next_at_ms: nextAtMs };
  });

  register(removeSchedule, async ({ queue, schedule }, { idempotencyKey }) => {
    if (await store.backend.removeSchedule(queue, schedule, { idempotencyKey })) {
      return { status: "removed" as const, queue, ...store.confirmed(), schedule };
    }
    throw new ApiError("not_found", { message: `The queue has no schedule ${shownName(schedule)}.` });
  });

  register(listSchedules, async ({ queue }, { signal }) => {
    const schedules = await store.backend.schedules(queue, { signal });
    return { queue, ...store.confirmed(), schedules: schedules.map(scheduleOutput) };
  });
}

/** @throws {ApiError} that names the field and the reason */
function firstInstant(cron: string, zone: string): number {
  // First the zone by itself: the parser would blame the expression for it.
  attempt(
    "zone",
    "is not the name of a time zone, such as Asia/Jakarta",
    () => new Intl.DateTimeFormat("en", { timeZone: zone }),
  );
  // A date, which the parser takes for an expression that is due once.
  if (cron.includes(":")) throw badField("cron", "is not a cron expression");
  const next = attempt("cron", "is not a cron expression", () => parsed(cron, zone).nextRun(), true);
  if (next === null) throw badField("cron", "is never due");
  return next.getTime();
}

function parsed(cron: string, zone: string): Cron {
  return new Cron(cron, { timezone: zone, paused: true, mode: "5-or-6-parts" });
}

function attempt<T>(field: string, refusal: string, work: () => T, saysWhy = false): T {
  try {
    return work();
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^Cron\w*: /, "").slice(0, 200) : "";
    throw badField(field, saysWhy && reason !== "" ? `${refusal}: ${reason}` : refusal);
  }
}

function badField(field: string, message: string): ApiError {
  return new ApiError("bad_request", {
    message: `${field}: ${message}`,
    details: { fields: [{ field, message }] },
  });
}

function scheduleOutput({ id, cron, zone, missed, message, firedAtMs }: ScheduleView) {
  return {
    ...{ schedule: id, cron, zone, missed, data: new JsonText(message.body) },
    delay_ms: message.delayMs,
    priority: message.priority,
    ...(message.groupKey === undefined ? {} : { group: message.groupKey }),
    expires_ms: message.expiresMs,
    fired_at_ms: firedAtMs ?? null,
    next_at_ms: nextInstant(cron, zone),
  };
}

/** null also for what a node of another version took and this one cannot read: a list must not fail for one of its rows. */
function nextInstant(cron: string, zone: string): number | null {
  try {
    return parsed(cron, zone).nextRun()?.getTime() ?? null;
  } catch {
    return null;
  }
}
