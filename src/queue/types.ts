/** The words of the queue. Wire names (snake_case) live in `api/`; here are the pure core's. All durations in ms, integers. */

/** A message as its publisher hands it in. */
export interface NewMessage {
  /** As received: the queue never looks into it. 0…`maxBodyBytes` bytes. */
  readonly body: Uint8Array;
  /** Not before this is over, counted from when it was published. 0…`maxDelayMs`. */
  readonly delayMs: number;
  /** 0…`maxPriority`: what is larger goes first, and within one priority what is older. */
  readonly priority: number;
  /** Published again under the same id within the queue's window, it is the same message. */
  readonly dedupeId: string | undefined;
  /** Of one group one message is in flight at a time, in the order in which they came. */
  readonly groupKey: string | undefined;
  /** Not delivered within this time it is dead-lettered; 0: it stays. */
  readonly expiresMs: number;
}

/** What became of one message of a publish. */
export interface Published {
  /** Opaque; unique in the cluster, and never used again. */
  readonly id: string;
  /** A message of that `dedupeId` was there already, and this is its id. */
  readonly duplicate: boolean;
}

/**
 * What names one delivery of one message (PROTOCOLS U1): an ack with it counts only while that attempt is the newest and has
 * not ended.
 */
export interface Receipt {
  /** Of the shard group, or of the Redis instance. */
  readonly shard: number;
  readonly queue: string;
  /** The message's number within its shard, from 1, rising. */
  readonly message: number;
  /** Deliveries of it so far, from 1. Never falls. */
  readonly attempt: number;
  /** Random, 0…2⁴⁸−1: where a store went back in time, an old receipt does not match a new attempt (PROTOCOLS U2). */
  readonly nonce: number;
}

export interface Delivery {
  readonly id: string;
  readonly body: Uint8Array;
  readonly attempt: number;
  readonly receipt: Receipt;
  readonly priority: number;
  readonly groupKey: string | undefined;
  /** Wall time when it was published, for people. */
  readonly publishedAtMs: number;
  /** How long the receipt is good, unless it is extended. */
  readonly visibilityMs: number;
}

/** What is asked with a receipt: all that an ack, a nack or an extension has in common. */
export type Settlement =
  | { readonly type: "ack" }
  /** Back to the queue: after `delayMs`, or without it after the queue's back-off. Counts as a failed delivery. */
  | { readonly type: "nack"; readonly delayMs: number | undefined }
  /** The receipt is good for `visibilityMs` from now on. */
  | { readonly type: "extend"; readonly visibilityMs: number };

/**
 * `done`; `dead`: a nack that was one too many, and the message is a dead letter now; `stale_attempt`: that attempt has ended, by an
 * ack, a nack, or its time; `unknown_receipt`: no such message was ever delivered from that queue.
 */
export type SettlementEnd = "done" | "dead" | "stale_attempt" | "unknown_receipt";

/** Where a message is. `dead`: in the dead-letter part of its queue, which has no dead-letter part of its own (PROTOCOLS U3). */
export type MessageState = "ready" | "delayed" | "in_flight" | "dead";

/** `deliveries`: it failed too often; `expired`: nobody took it in time. */
export type DeadReason = "deliveries" | "expired";

/** A message as it is shown without being taken. */
export interface MessageView {
  readonly id: string;
  readonly state: MessageState;
  readonly body: Uint8Array;
  readonly attempt: number;
  /** Deliveries that ended by nack or by time. */
  readonly failures: number;
  readonly priority: number;
  readonly groupKey: string | undefined;
  readonly publishedAtMs: number;
  /** Until it is ready (`delayed`), or back (`in_flight`); 0 otherwise. */
  readonly dueInMs: number;
  /** Of dead letters. */
  readonly deadReason: DeadReason | undefined;
}

/** What can be set for each queue. */
export interface QueueSettings {
  /** How long a delivery stays out without being acked, unless `receive` says otherwise. */
  readonly visibilityMs: number;
  /** Deliveries that may end by nack or by time before the message is dead-lettered; 0: as many as it takes. */
  readonly maxDeliveries: number;
  /** Back-off after the first nack; doubles with each. 0: none. */
  readonly backoffMs: number;
  /** The most that back-off comes to. */
  readonly maxBackoffMs: number;
  /** How long dedupe ids are remembered. */
  readonly dedupeWindowMs: number;
  /** Messages that may be out at once; 0: `maxInFlight` of the limits. */
  readonly maxInFlight: number;
  /** Deliveries in `rateIntervalMs`; 0: as fast as they are asked for. */
  readonly rateLimit: number;
  readonly rateIntervalMs: number;
  /** Of messages that do not say; 0: they stay. */
  readonly expiresMs: number;
}

export interface QueueStatistics {
  readonly queue: string;
  readonly paused: boolean;
  readonly ready: number;
  readonly delayed: number;
  readonly inFlight: number;
  readonly dead: number;
  /** Bodies of all of them, in bytes. */
  readonly bytes: number;
  /** Requests that wait for a message. */
  readonly receivers: number;
  /** Of the oldest that is ready; undefined: none is. */
  readonly oldestReadyMs: number | undefined;
  /** Since the queue exists. */
  readonly published: number;
  readonly duplicates: number;
  readonly delivered: number;
  readonly acked: number;
  readonly nacked: number;
  /** Deliveries whose time was over. */
  readonly timedOut: number;
  /** Deliveries that came back unstarted, which count for nothing. */
  readonly returned: number;
  readonly deadLettered: number;
  readonly redriven: number;
  readonly purged: number;
}

/** A message that is published again and again. */
export interface Schedule {
  /** Chosen by whoever makes it: 1…`maxNameBytes` bytes. */
  readonly id: string;
  /** Five fields, or six with seconds first. */
  readonly cron: string;
  /** IANA name, such as Asia/Jakarta. */
  readonly zone: string;
  /** Missed instants fire once all together (`once`), or not at all. */
  readonly missed: "once" | "skip";
  readonly message: Omit<NewMessage, "dedupeId">;
}

export interface ScheduleView extends Schedule {
  /** Wall time. The last instant that fired; undefined: none has. */
  readonly firedAtMs: number | undefined;
}
