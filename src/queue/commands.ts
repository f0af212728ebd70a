import type { MessageState, NewMessage, QueueSettings, Schedule, Settlement, SettlementEnd } from "./types.ts";

/** A receipt within its shard and queue: see {@link import("./types.ts").Receipt}. */
export interface DeliveryId {
  readonly message: number;
  readonly attempt: number;
  readonly nonce: number;
}

/** Commands in the log of a shard, decoded. Durations in ms of lease time, integers. */
export type QueueCommand =
  /** A process of `node` starts to take requests; its predecessor's operations end, and its receivers leave (PROTOCOLS Q1, L7). */
  | { readonly type: "registerIngress"; readonly node: string }
  /** All of them or none. `wallMs`: of the ingress, kept for people. */
  | {
      readonly type: "publish";
      readonly queue: string;
      readonly wallMs: number;
      /** 1…`maxPublishMessages`. */
      readonly messages: readonly NewMessage[];
    }
  | {
      readonly type: "receive";
      readonly queue: string;
      /** 1…`maxReceiveMessages`. */
      readonly max: number;
      /** 0: does not wait. */
      readonly waitMs: number;
      /** Undefined: as the queue is set. */
      readonly visibilityMs: number | undefined;
      /** Random, 0…2⁴⁸−1: what the nonces of its deliveries are made of. */
      readonly nonce: number;
    }
  /** Deliveries that nobody was given: they go back, and count for nothing. */
  | { readonly type: "giveBack"; readonly queue: string; readonly receipts: readonly DeliveryId[] }
  | {
      readonly type: "settle";
      readonly queue: string;
      /** 1…`maxReceiveMessages`. */
      readonly receipts: readonly DeliveryId[];
      readonly settlement: Settlement;
    }
  /** Nobody listens to that operation any more: its place is left, or what it was given goes back. It is never executed later. */
  | { readonly type: "cancel"; readonly ingress: number; readonly sequence: number }
  | { readonly type: "configure"; readonly queue: string; readonly changes: Partial<QueueSettings> }
  | { readonly type: "pause"; readonly queue: string; readonly paused: boolean }
  | { readonly type: "purge"; readonly queue: string; readonly part: "live" | "dead" }
  /** `max`: 1…`maxReceiveMessages`. */
  | { readonly type: "redrive"; readonly queue: string; readonly max: number }
  /** `wallMs`: of the ingress. Instants before it are none of this schedule's. */
  | { readonly type: "setSchedule"; readonly queue: string; readonly wallMs: number; readonly schedule: Schedule }
  | { readonly type: "removeSchedule"; readonly queue: string; readonly id: string }
  /** One firing of a schedule (PROTOCOLS T3): done once, and instants rise. */
  | { readonly type: "fireSchedule"; readonly queue: string; readonly id: string; readonly instantMs: number };

/** A command with what deduplicates it (PROTOCOLS Q1). */
export interface QueueEnvelope {
  readonly ingress: number;
  readonly sequence: number;
  /** Lowest sequence of this ingress that it has not yet seen applied; below it everything is refused. */
  readonly floor: number;
  /** The client's `Idempotency-Key`, or undefined. */
  readonly idempotencyKey: string | undefined;
  readonly command: QueueCommand;
}

/** A message as it is handed to a consumer, within its shard and queue. */
export interface TakenMessage extends DeliveryId {
  readonly body: Uint8Array;
  readonly priority: number;
  readonly groupKey: string | undefined;
  /** Wall time. */
  readonly publishedAtMs: number;
}

export interface PublishedMessage {
  readonly message: number;
  readonly duplicate: boolean;
}

/** What a command came to. Errors are values; each is definite (PROTOCOLS Q2). */
export type QueueResult =
  | { readonly type: "registered" }
  | { readonly type: "published"; readonly messages: readonly PublishedMessage[] }
  | { readonly type: "received"; readonly visibilityMs: number; readonly messages: readonly TakenMessage[] }
  | { readonly type: "settled"; readonly ends: readonly SettlementEnd[] }
  | { readonly type: "cancelled" }
  | { readonly type: "configured"; readonly settings: QueueSettings }
  | { readonly type: "done" }
  /** So many messages were purged or redriven; 0 or 1 of schedules that were removed or fired. */
  | { readonly type: "counted"; readonly count: number }
  | QueueRefusal;

export type QueueRefusal =
  /** Of a receive: nobody is listening any more. */
  | { readonly type: "error"; readonly code: "cancelled" }
  /** An operation below the window or of an unknown ingress: never executed (PROTOCOLS Q1). */
  | { readonly type: "error"; readonly code: "stale_operation" }
  | { readonly type: "error"; readonly code: "idempotency_key_reused" }
  | { readonly type: "error"; readonly code: "limit"; readonly limit: string };

/** A message as it stands in one replica's state. Times are lease times but for `publishedAtMs`. */
export interface StoredMessageView {
  readonly message: number;
  readonly state: MessageState;
  readonly body: Uint8Array;
  readonly attempt: number;
  readonly failures: number;
  readonly priority: number;
  readonly groupKey: string | undefined;
  readonly publishedAtMs: number;
  /** When it is ready, or back; 0: neither is to come. */
  readonly dueAtMs: number;
  readonly deadReason: "deliveries" | "expired" | undefined;
}
