import type { HeapElement } from "../kernel/heap.ts";
import { type Hashed, hashText } from "../kernel/hash-table.ts";
import type { Linked } from "../kernel/linked-list.ts";
import type { Group } from "./groups.ts";
import type { Queue } from "./queue.ts";
import type { DeadReason, MessageState } from "./types.ts";
import type { QueueResult } from "./commands.ts";

/** What ends by lease time. Invariant: in the heap of deadlines at most once. */
export interface Timed extends HeapElement {
  /** Lease time. */
  deadlineMs: number;
  /** Of equal deadlines the smaller goes first: unique among what is timed. */
  readonly serial: number;
}

/** A message that is kept as a record. Where it is, `state` says; it is in one list or heap at most. */
export class Message implements Timed, Linked<Message> {
  readonly kind = "message";
  state: MessageState = "ready";
  /** Deliveries so far. Never falls. */
  attempt = 0;
  /** Deliveries that ended by nack or by time. Invariant: failures ≤ attempt. */
  failures = 0;
  /** Of the newest delivery. */
  nonce = 0;
  /** `delayed`: when it is ready. `in_flight`: when it comes back. */
  deadlineMs = 0;
  heapIndex = -1;
  previous: Message | undefined = undefined;
  next: Message | undefined = undefined;
  /** Its group, while it is not a dead letter and has been ready once. */
  group: Group | undefined = undefined;
  /** While it is ready or delayed and may expire. */
  expiry: Expiry | undefined = undefined;
  /** While it is in flight: the request that took it. */
  taking: Taking | undefined = undefined;
  deadReason: DeadReason | undefined = undefined;

  constructor(
    /** From 1, rising, within the shard. */
    readonly number: number,
    readonly queue: Queue,
    readonly body: Uint8Array,
    readonly priority: number,
    readonly groupKey: string | undefined,
    readonly publishedAtMs: number,
    /** Lease time; 0: it does not expire, as no dead letter does. */
    public expiresAtMs: number,
  ) {}

  get serial(): number {
    return this.number;
  }
}

/** In a heap of its queue's, while the message may expire. */
export class Expiry implements HeapElement {
  heapIndex = -1;

  constructor(readonly message: Message) {}
}

/** What one receive took, for a cancel that comes after its window is over. */
export class Taking {
  /** Some of them may have left since. */
  readonly messages: Message[] = [];
  /** How many have not. */
  left = 0;

  constructor(
    readonly ingress: number,
    readonly sequence: number,
  ) {}
}

/** A request that waits for messages: it has its place in the log (PROTOCOLS L7). */
export class Receiver implements Timed, Linked<Receiver> {
  readonly kind = "receiver";
  heapIndex = -1;
  previous: Receiver | undefined = undefined;
  next: Receiver | undefined = undefined;

  constructor(
    readonly serial: number,
    readonly queue: Queue,
    readonly operation: Operation,
    readonly max: number,
    readonly visibilityMs: number | undefined,
    readonly nonce: number,
    public deadlineMs: number,
  ) {}
}

/** A dedupe id within its window. */
export class DedupeRecord implements Timed {
  readonly kind = "dedupe";
  heapIndex = -1;

  constructor(
    readonly serial: number,
    readonly queue: Queue,
    readonly id: string,
    /** The message that was published under it. */
    readonly message: number,
    public deadlineMs: number,
  ) {}
}

/** A client's `Idempotency-Key` with what its request came to. */
export class KeyRecord implements Timed, Hashed<KeyRecord> {
  readonly kind = "key";
  readonly hash: number;
  chained: KeyRecord | undefined = undefined;
  heapIndex = -1;

  constructor(
    readonly serial: number,
    readonly key: string,
    readonly fingerprint: number,
    readonly result: QueueResult,
    public deadlineMs: number,
  ) {
    this.hash = hashText(key);
  }
}

export interface Operation {
  readonly ingress: number;
  readonly sequence: number;
  /** To be remembered by it once the operation has ended. */
  readonly key: { readonly key: string; readonly fingerprint: number } | undefined;
}
