import { hashText } from "../kernel/hash-table.ts";
import type { QueueCommand, QueueResult } from "./commands.ts";
import { limitReached } from "./operations.ts";
import { noRoom, publishNew } from "./publish.ts";
import type { Queue } from "./queue.ts";
import type { QueueState } from "./state.ts";
import { changes } from "./transitions.ts";

/** Made, or put in the place of the one of that id, whose last instant counts on: no instant fires twice. */
export function setSchedule(
  state: QueueState,
  queue: Queue,
  { schedule, wallMs }: Extract<QueueCommand, { type: "setSchedule" }>,
): QueueResult {
  const known = queue.schedules.get(schedule.id);
  if (known === undefined && queue.schedules.size >= state.limits.maxSchedulesPerQueue) {
    return limitReached("maxSchedulesPerQueue");
  }
  state.transitions.note(changes.scheduled, queue.serial, hashText(schedule.id), hashText(schedule.cron));
  state.scheduled.add(queue);
  queue.schedules.set(schedule.id, { schedule, setAtMs: wallMs, firedAtMs: known?.firedAtMs ?? 0 });
  return { type: "done" };
}

export function removeSchedule(state: QueueState, queue: Queue, id: string): QueueResult {
  state.transitions.note(changes.unscheduled, queue.serial, hashText(id));
  const count = queue.schedules.delete(id) ? 1 : 0;
  if (queue.schedules.size === 0) state.scheduled.delete(queue);
  return { type: "counted", count };
}

/**
 * One instant of a schedule: fires once, and none before it fires any more (PROTOCOLS T3). Which instants there are the leader knows, who
 * has calendars.
 *
 * ↯ Two leaders in a row propose the same instant, and the message comes twice.
 */
export function fireSchedule(state: QueueState, queue: Queue, id: string, instantMs: number): QueueResult {
  const record = queue.schedules.get(id);
  if (record === undefined || instantMs <= record.firedAtMs) return { type: "counted", count: 0 };
  const { message } = record.schedule;
  const refusal = noRoom(state, [{ ...message, dedupeId: undefined }]);
  if (refusal !== undefined) return refusal;
  record.firedAtMs = instantMs;
  const number = publishNew(state, queue, { ...message, dedupeId: undefined }, instantMs);
  state.transitions.note(changes.fired, queue.serial, number, instantMs);
  return { type: "counted", count: 1 };
}
