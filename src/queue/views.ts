import type { StoredMessageView } from "./commands.ts";
import type { PagedList } from "./paged-list.ts";
import type { PagedMessage } from "./pages.ts";
import { COUNTERS, type Queue, type QueueCounters } from "./queue.ts";
import type { Message } from "./records.ts";
import { DEFAULT_SETTINGS } from "./settings.ts";
import type { QueueState } from "./state.ts";
import type { MessageState, QueueSettings, Schedule } from "./types.ts";

/** A queue, read from one replica's state. */
export interface QueueView extends Readonly<QueueCounters> {
  readonly queue: string;
  readonly settings: QueueSettings;
  readonly paused: boolean;
  readonly ready: number;
  readonly delayed: number;
  readonly inFlight: number;
  readonly dead: number;
  readonly bytes: number;
  readonly receivers: number;
  /** Wall time at which the oldest that is ready was published; undefined: none is. */
  readonly oldestReadyAtMs: number | undefined;
}

export interface ScheduleState {
  readonly schedule: Schedule;
  /** Wall time at which it was set, and of the last instant that fired; 0: none has. */
  readonly setAtMs: number;
  readonly firedAtMs: number;
}

const NO_COUNTERS = Object.fromEntries(COUNTERS.map((name) => [name, 0])) as unknown as QueueCounters;

export function viewOf(name: string, queue: Queue | undefined): QueueView {
  const { settings = DEFAULT_SETTINGS, paused = false, counters = NO_COUNTERS } = queue ?? {};
  return {
    ...counters,
    ...{ queue: name, settings, paused },
    ready: queue?.readyCount ?? 0,
    delayed: queue?.delayed.size ?? 0,
    inFlight: queue?.inFlight ?? 0,
    dead: queue?.dead.size ?? 0,
    bytes: queue?.bytes ?? 0,
    receivers: queue?.receivers.size ?? 0,
    oldestReadyAtMs: queue === undefined ? undefined : oldestReady(queue),
  };
}

export function schedulesOf(queue: Queue | undefined): ScheduleState[] {
  return [...(queue?.schedules.values() ?? [])].sort((a, b) => (a.schedule.id < b.schedule.id ? -1 : 1));
}

/**
 * Reads no more pages than it shows, but for one: those before `after` are skipped unread. Delayed messages and those in flight are
 * sorted: there are never so many of them as there may be of others.
 */
export function viewMessages(
  state: QueueState,
  queue: Queue,
  where: MessageState,
  after: number,
  limit: number,
): StoredMessageView[] {
  switch (where) {
    case "ready":
      return readyMessages(queue, after, limit);
    case "delayed":
      return records(queue.delayed.values(), after, limit);
    case "in_flight":
      return records(inFlightOf(state, queue), after, limit);
    case "dead":
      return deadMessages(queue.dead, after, limit);
  }
}

function oldestReady(queue: Queue): number | undefined {
  let oldest: number | undefined;
  for (const lane of queue.ready.lanes) {
    for (const atMs of [lane?.fresh.firstPublishedAtMs, lane?.returned.peek()?.publishedAtMs]) {
      if (atMs !== undefined && (oldest === undefined || atMs < oldest)) oldest = atMs;
    }
  }
  return oldest;
}

function readyMessages(queue: Queue, after: number, limit: number): StoredMessageView[] {
  const found: StoredMessageView[] = [];
  for (const lane of queue.ready.lanes) {
    if (lane === undefined) continue;
    found.push(...records(lane.returned.values(), after, limit));
    found.push(...listed(lane.fresh, "ready", after, limit));
  }
  for (const group of queue.groups.values()) {
    let room = limit;
    for (let next = group.waiting.first; next !== undefined && room > 0; next = next.next) {
      if (next.number <= after) continue;
      found.push(viewRecord(next));
      room -= 1;
    }
  }
  return found.sort((a, b) => a.message - b.message).slice(0, limit);
}

/** A list in the order of numbers. */
function listed(list: PagedList, where: MessageState, after: number, limit: number): StoredMessageView[] {
  const found: StoredMessageView[] = [];
  const add = (view: StoredMessageView): boolean => {
    if (view.message > after) found.push(view);
    return found.length < limit;
  };
  for (let next = list.head.first; next !== undefined; next = next.next) if (!add(viewRecord(next))) return found;
  for (const page of list.allPages()) {
    if (page.maxNumber <= after) continue;
    for (const paged of list.read(page)) if (!add(viewPaged(paged, where))) return found;
  }
  for (let next = list.tail.first; next !== undefined; next = next.next) if (!add(viewRecord(next))) return found;
  return found;
}

/** In the order in which they died: behind the one of that number, if it is there. */
function deadMessages(list: PagedList, after: number, limit: number): StoredMessageView[] {
  const found: StoredMessageView[] = [];
  let passed = after === 0;
  const add = (view: StoredMessageView): boolean => {
    if (passed) found.push(view);
    passed ||= view.message === after;
    return found.length < limit;
  };
  for (let next = list.head.first; next !== undefined; next = next.next) if (!add(viewRecord(next))) return found;
  for (const page of list.allPages()) {
    if (!passed && (after < page.minNumber || after > page.maxNumber)) continue;
    for (const paged of list.read(page)) if (!add(viewPaged(paged, "dead"))) return found;
  }
  for (let next = list.tail.first; next !== undefined; next = next.next) if (!add(viewRecord(next))) return found;
  return found;
}

function* inFlightOf(state: QueueState, queue: Queue): Generator<Message> {
  for (const message of state.inFlight.values()) if (message.queue === queue) yield message;
}

function records(messages: Iterable<Message>, after: number, limit: number): StoredMessageView[] {
  const found = [...messages].filter(({ number }) => number > after);
  return found
    .sort((a, b) => a.number - b.number)
    .slice(0, limit)
    .map(viewRecord);
}

function viewRecord(message: Message): StoredMessageView {
  const { number, state, body, attempt, failures, priority, groupKey, publishedAtMs, deadlineMs, deadReason } = message;
  const dueAtMs = state === "delayed" || state === "in_flight" ? deadlineMs : 0;
  return { message: number, state, body, attempt, failures, priority, groupKey, publishedAtMs, dueAtMs, deadReason };
}

function viewPaged({ number, ...rest }: PagedMessage, state: MessageState): StoredMessageView {
  return { ...rest, message: number, state, dueAtMs: 0 };
}
