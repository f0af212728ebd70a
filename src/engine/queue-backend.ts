import type {
  Delivery,
  MessageState,
  MessageView,
  NewMessage,
  Published,
  QueueSettings,
  QueueStatistics,
  Receipt,
  Schedule,
  ScheduleView,
  Settlement,
  SettlementEnd,
} from "../queue/types.ts";

/**
 * What a confirmation stands for (PROTOCOLS U2). `majority_disk`: fdatasync on a majority. `redis_always`, `redis_everysec`,
 * `redis_memory`: what Redis was set to; a failover of Redis may lose what it confirmed.
 */
export type Durability = "majority_disk" | "redis_always" | "redis_everysec" | "redis_memory";

/**
 * Why an operation came to nothing. `no_leader`, `store_unavailable`, `store_full`, `disk_full`, `limit`: it has not happened and never
 * will. `outcome_unknown`: it may have, or may yet: with a dedupe id a publish can be repeated. `aborted`: the client went away.
 */
export type QueueFailure =
  | "no_leader"
  | "store_unavailable"
  | "store_full"
  | "disk_full"
  | "limit"
  | "outcome_unknown"
  | "aborted";

export class QueueError extends Error {
  override name = "QueueError";

  constructor(
    readonly code: QueueFailure,
    message: string = code,
  ) {
    super(message);
  }
}

export interface AskOptions {
  /** Aborts when the client goes away. */
  readonly signal?: AbortSignal | undefined;
}

export interface ChangeOptions extends AskOptions {
  /** Of the client: asked again under the same key it is carried out once (PROTOCOLS Q1). Only the embedded backend keeps it. */
  readonly idempotencyKey?: string | undefined;
}

export interface ReceiveRequest {
  /** 1…`maxReceiveMessages`. */
  readonly max: number;
  /** How long to wait for the first; 0: not at all. */
  readonly waitMs: number;
  /** Undefined: as the queue is set. */
  readonly visibilityMs: number | undefined;
}

export interface BrowseRequest {
  readonly state: MessageState;
  /** Those behind the message of this id in the order of publishing; undefined: from the oldest on. */
  readonly after: string | undefined;
  readonly limit: number;
}

/**
 * The semantics of queues, whatever keeps them. One conformance suite runs over all of its implementations.
 *
 * A queue exists as soon as it is named. Delivery is at least once: what was confirmed is delivered, and delivered again,
 * until it is acked or a dead letter. Within one priority undelayed messages are delivered first in the order in which they
 * were published. All methods throw {@link QueueError}.
 */
export interface QueueBackend {
  readonly durability: Durability;

  /** All of them or none. In the order of the request. */
  publish(queue: string, messages: readonly NewMessage[], options?: ChangeOptions): Promise<readonly Published[]>;

  /**
   * Takes up to `max` messages. None: there is none that may be had, and none came in `waitMs`. When `signal` aborts before they are
   * handed over, they go back, and that attempt counts for nothing.
   */
  receive(queue: string, request: ReceiveRequest, options?: AskOptions): Promise<readonly Delivery[]>;

  /** What was received could not be handed on: it goes back at once, and the attempt counts for nothing. */
  giveBack(receipts: readonly Receipt[]): Promise<void>;

  /** All receipts of one queue; in the order of the request. */
  settle(
    queue: string,
    receipts: readonly Receipt[],
    settlement: Settlement,
    options?: ChangeOptions,
  ): Promise<readonly SettlementEnd[]>;

  browse(queue: string, request: BrowseRequest, options?: AskOptions): Promise<readonly MessageView[]>;
  statistics(queue: string, options?: AskOptions): Promise<QueueStatistics>;
  /** By name in code-unit order, after `after`, at most `limit`. */
  list(request: { prefix: string; after: string; limit: number }, options?: AskOptions): Promise<QueueStatistics[]>;
  settings(queue: string, options?: AskOptions): Promise<QueueSettings>;

  /** What is not named stays as it is. @returns all of them */
  configure(queue: string, changes: Partial<QueueSettings>, options?: ChangeOptions): Promise<QueueSettings>;
  /** Receivers get nothing while it is paused; everything else goes on. */
  pause(queue: string, paused: boolean, options?: ChangeOptions): Promise<void>;
  /** Drops what is ready or delayed, or the dead letters. What is in flight stays. @returns how many */
  purge(queue: string, part: "live" | "dead", options?: ChangeOptions): Promise<number>;
  /** The oldest dead letters are ready again, as if they had never been delivered; attempts go on. @returns how many */
  redrive(queue: string, max: number, options?: ChangeOptions): Promise<number>;

  /** Makes it, or puts it in the place of the one with that id. */
  setSchedule(queue: string, schedule: Schedule, options?: ChangeOptions): Promise<void>;
  /** @returns whether there was one */
  removeSchedule(queue: string, id: string, options?: ChangeOptions): Promise<boolean>;
  schedules(queue: string, options?: AskOptions): Promise<readonly ScheduleView[]>;

  close(): Promise<void>;
}
