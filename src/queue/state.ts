import { MEMBERSHIP_LEVEL } from "../kernel/feature-level.ts";
import { HashTable, hashText } from "../kernel/hash-table.ts";
import { Ingresses } from "../kernel/ingresses.ts";
import type { limits } from "../kernel/limits.ts";
import { TransitionHash } from "../kernel/transition-hash.ts";
import type { QueueResult } from "./commands.ts";
import { Deadlines } from "./deadlines.ts";
import type { Ingress } from "./ingress.ts";
import type { PageHost } from "./paged-list.ts";
import { MemoryPages, type PageStore } from "./pages.ts";
import type { Queue } from "./queue.ts";
import { Queues } from "./queues.ts";
import type { KeyRecord, Message } from "./records.ts";
import { type Change, changes } from "./transitions.ts";

/** The bounds of the state machine: equal on all replicas. */
export type QueueLimits = {
  readonly [
    Name in
      | "maxQueues"
      | "maxMessages"
      | "maxQueuedBytes"
      | "maxReceivers"
      | "maxReceiveBytes"
      | "maxDedupeIds"
      | "maxInFlight"
      | "maxSchedulesPerQueue"
      | "maxHotMessages"
      | "maxHotBytes"
      | "pageMessages"
      | "pageBytes"
      | "maxIdempotencyKeys"
      | "idempotencyKeyKeepMs"
      | "maxOperationWindow"
      | "maxIngressNodes"
      | "maxRetiredIngresses"
      | "maxExpiriesPerEntry"
  ]: (typeof limits)[Name] | number;
};

/** What applying told about an operation; without a result: it waits. */
export interface QueueOutcome {
  readonly ingress: number;
  readonly sequence: number;
  readonly result?: QueueResult;
}

export type Emit = (outcome: QueueOutcome) => void;

/** The whole state of one shard. The rules are functions over it, one file an idea. */
export class QueueState implements PageHost {
  /** Lease time: the largest that an applied entry carried. */
  nowMs = 0;
  appliedIndex = 0;
  /** Commands that nothing could be made of. */
  undecodable = 0;
  /**
   * What entries mean may depend on it (PROTOCOLS R7). Never falls. Every release that knows shards knows how members change: ↯ begun at
   * the first level, a shard loses a replica for ever before that one has said what it knows, and cannot let it go.
   */
  featureLevel = MEMBERSHIP_LEVEL;
  messageCounter = 0;
  serialCounter = 0;
  pageCounter = 0;
  /** Of every state, in all queues, and the bytes of their bodies. */
  messages = 0;
  bytes = 0;
  /** Of those, what is records. */
  hotMessages = 0;
  hotBytes = 0;
  receivers = 0;
  dedupeIds = 0;

  /** Every change of what stands below is noted there, by whoever makes it. */
  readonly transitions = new TransitionHash<Change>();
  readonly deadlines = new Deadlines(this.transitions);
  readonly ingresses = new Ingresses<Ingress>((ingress, before) => {
    this.transitions.note(changes.ingress, ingress.id, hashText(ingress.node), before?.id);
  });
  readonly queues = new Queues(this);
  readonly keys = new HashTable<KeyRecord>();
  /** Those that have schedules. */
  readonly scheduled = new Set<Queue>();
  /** By number. */
  readonly inFlight = new Map<number, Message>();

  /** Changed in the entry that is being applied, and not looked at yet. Empty between entries. */
  readonly touched = new Set<Queue>();
  /** Where outcomes of the entry being applied go. */
  emit: Emit = discard;

  constructor(
    readonly limits: QueueLimits,
    readonly pages: PageStore = new MemoryPages(),
  ) {}

  nextSerial(): number {
    this.serialCounter += 1;
    return this.serialCounter;
  }

  store(content: Uint8Array): number {
    this.pageCounter += 1;
    this.transitions.note(changes.paged, this.pageCounter, content.length);
    this.pages.put(this.pageCounter, content);
    return this.pageCounter;
  }

  load(id: number): Uint8Array {
    return this.pages.get(id);
  }

  drop(id: number): void {
    this.transitions.note(changes.unpaged, id);
    this.pages.delete(id);
  }

  heated(messages: number, bytes: number): void {
    this.hotMessages += messages;
    this.hotBytes += bytes;
  }
}

export function discard(): void {}
