import { Heap } from "../kernel/heap.ts";
import type { KeyRecord } from "./idempotency.ts";
import type { Hold, Timed, Wait } from "./records.ts";
import type { PermitHold } from "./semaphores.ts";
import type { Session } from "./sessions.ts";
import { changes, type Transitions } from "./transitions.ts";

type Due = Hold | PermitHold | Wait | Session | KeyRecord;

/** Everything that ends by lease time, in the order in which it ends. Only a time entry takes from it (PROTOCOLS T2). */
export class Deadlines {
  private readonly heap = new Heap<Due>(isEarlier);

  constructor(private readonly transitions: Transitions) {}

  /** Sets or moves the deadline. */
  schedule(item: Due, deadlineMs: number): void {
    this.transitions.note(changes.scheduled, item.serial, deadlineMs);
    if (item.heapIndex === -1) {
      item.deadlineMs = deadlineMs;
      this.heap.push(item);
    } else if (item.deadlineMs !== deadlineMs) {
      item.deadlineMs = deadlineMs;
      this.heap.update(item);
    }
  }

  /** Does nothing for an item that has no deadline. */
  cancel(item: Due): void {
    if (item.heapIndex === -1) return;
    this.transitions.note(changes.unscheduled, item.serial);
    this.heap.remove(item);
  }

  get earliestMs(): number | undefined {
    return this.heap.peek()?.deadlineMs;
  }

  popDue(nowMs: number): Due | undefined {
    const first = this.heap.peek();
    if (first === undefined || first.deadlineMs > nowMs) return undefined;
    this.transitions.note(changes.due, first.serial);
    return this.heap.pop();
  }
}

function isEarlier(a: Timed, b: Timed): boolean {
  return a.deadlineMs < b.deadlineMs || (a.deadlineMs === b.deadlineMs && a.serial < b.serial);
}
