import { type Hashed, hashText } from "../kernel/hash-table.ts";
import { Heap } from "../kernel/heap.ts";
import { type Linked, LinkedList } from "../kernel/linked-list.ts";
import type { Group } from "./groups.ts";
import { type PageHost, PagedList } from "./paged-list.ts";
import type { PagedMessage } from "./pages.ts";
import { ReadyMessages } from "./ready.ts";
import { type DedupeRecord, type Expiry, Message, type Receiver, type Timed } from "./records.ts";
import { DEFAULT_SETTINGS, isDefault } from "./settings.ts";
import type { MessageState, QueueSettings, Schedule } from "./types.ts";

/** What happened to a queue's messages since it exists. */
export interface QueueCounters {
  published: number;
  duplicates: number;
  delivered: number;
  acked: number;
  nacked: number;
  timedOut: number;
  returned: number;
  deadLettered: number;
  redriven: number;
  purged: number;
}

/** In the order in which they are written. */
export const COUNTERS = [
  "published",
  "duplicates",
  "delivered",
  "acked",
  "nacked",
  "timedOut",
  "returned",
  "deadLettered",
  "redriven",
  "purged",
] as const satisfies readonly (keyof QueueCounters)[];

export interface ScheduleRecord {
  readonly schedule: Schedule;
  /** Wall time at which it was set. */
  readonly setAtMs: number;
  /** Wall time of the last instant that fired; 0: none has. Never falls. */
  firedAtMs: number;
}

/** One queue. As something timed it is due when a delay, a life or the rate limit is over. */
export class Queue implements Hashed<Queue>, Timed, Linked<Queue> {
  readonly kind = "queue";
  readonly hash: number;
  chained: Queue | undefined = undefined;
  heapIndex = -1;
  deadlineMs = 0;
  /** In the list of those that may be forgotten. */
  previous: Queue | undefined = undefined;
  next: Queue | undefined = undefined;
  isForgettable = false;

  settings: QueueSettings = DEFAULT_SETTINGS;
  paused = false;
  readonly ready: ReadyMessages;
  /** Ready, and behind another message of their group. */
  grouped = 0;
  delayed = newDelayed();
  /** Of messages that are ready or delayed. */
  expiries = newExpiries();
  groups = new Map<string, Group>();
  inFlight = 0;
  /** In the order in which they died. */
  readonly dead: PagedList;
  readonly receivers = new LinkedList<Receiver>();
  readonly dedupe = new Map<string, DedupeRecord>();
  readonly schedules = new Map<string, ScheduleRecord>();
  /** Bodies of what is ready or delayed, in flight, dead. */
  liveBytes = 0;
  flightBytes = 0;
  deadBytes = 0;
  /** Of the rate limit: when the next delivery would come if they came evenly, in µs of lease time. */
  arrivalUs = 0;
  readonly counters: QueueCounters = {
    published: 0,
    duplicates: 0,
    delivered: 0,
    acked: 0,
    nacked: 0,
    timedOut: 0,
    returned: 0,
    deadLettered: 0,
    redriven: 0,
    purged: 0,
  };

  constructor(
    readonly key: string,
    readonly serial: number,
    host: PageHost,
  ) {
    this.hash = hashText(key);
    this.ready = new ReadyMessages(host, (paged) => this.revive(paged, "ready"));
    this.dead = new PagedList(host, (paged) => this.revive(paged, "dead"));
  }

  /** Ready, whether to be had now or behind another one of its group. */
  get readyCount(): number {
    return this.ready.size + this.grouped;
  }

  /** Of every state. */
  get messageCount(): number {
    return this.readyCount + this.delayed.size + this.inFlight + this.dead.size;
  }

  get bytes(): number {
    return this.liveBytes + this.flightBytes + this.deadBytes;
  }

  private revive(paged: PagedMessage, state: MessageState): Message {
    const { number, body, priority, groupKey, publishedAtMs } = paged;
    const message = new Message(number, this, body, priority, groupKey, publishedAtMs, 0);
    message.state = state;
    message.attempt = paged.attempt;
    message.failures = paged.failures;
    message.deadReason = paged.deadReason;
    return message;
  }

  /** Nothing but its counters would be missed. */
  get isIdle(): boolean {
    if (this.messageCount > 0 || this.receivers.size > 0 || this.dedupe.size > 0) return false;
    return this.schedules.size === 0 && !this.paused && isDefault(this.settings);
  }
}

export function newDelayed(): Heap<Message> {
  return new Heap<Message>(
    (a, b) => a.deadlineMs < b.deadlineMs || (a.deadlineMs === b.deadlineMs && a.number < b.number),
  );
}

export function newExpiries(): Heap<Expiry> {
  return new Heap<Expiry>(({ message: a }, { message: b }) => {
    return a.expiresAtMs < b.expiresAtMs || (a.expiresAtMs === b.expiresAtMs && a.number < b.number);
  });
}
