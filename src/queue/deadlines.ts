import { Heap } from "../kernel/heap.ts";
import type { Queue } from "./queue.ts";
import type { DedupeRecord, KeyRecord, Message, Receiver } from "./records.ts";
import { changes, type Transitions } from "./transitions.ts";

/** `message`: in flight. `queue`: a delay, a life or the rate limit of its messages. */
export type Due = Message | Receiver | Queue | DedupeRecord | KeyRecord;

/** Serials are unique within a kind. */
const RANKS: Readonly<Record<Due["kind"], number>> = { message: 0, queue: 1, receiver: 2, dedupe: 3, key: 4 };

/** Everything that ends by lease time, in the order in which it ends. Only a time entry takes from it (PROTOCOLS T2). */
export class Deadlines {
  private readonly heap = new Heap<Due>(isEarlier);

  constructor(private readonly transitions: Transitions) {}

  /** Sets or moves the deadline. */
  schedule(item: Due, deadlineMs: number): void {
    if (item.heapIndex === -1) {
      item.deadlineMs = deadlineMs;
      this.heap.push(item);
    } else if (item.deadlineMs !== deadlineMs) {
      item.deadlineMs = deadlineMs;
      this.heap.update(item);
    } else return;
    this.transitions.note(changes.timer, RANKS[item.kind], item.serial, deadlineMs);
  }

  /** Does nothing for an item that has no deadline. */
  cancel(item: Due): void {
    if (item.heapIndex !== -1) this.heap.remove(item);
  }

  get earliestMs(): number | undefined {
    return this.heap.peek()?.deadlineMs;
  }

  popDue(nowMs: number): Due | undefined {
    const first = this.heap.peek();
    if (first === undefined || first.deadlineMs > nowMs) return undefined;
    this.transitions.note(changes.due, RANKS[first.kind], first.serial);
    return this.heap.pop();
  }
}

function isEarlier(a: Due, b: Due): boolean {
  if (a.deadlineMs !== b.deadlineMs) return a.deadlineMs < b.deadlineMs;
  return a.kind === b.kind ? a.serial < b.serial : RANKS[a.kind] < RANKS[b.kind];
}
