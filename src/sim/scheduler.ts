import { Heap, type HeapElement } from "../kernel/heap.ts";

/** Something that happens at a moment of virtual time. */
export interface SimEvent extends HeapElement {
  atMs: number;
  /** Events of one moment happen in the order in which they were scheduled. */
  order: number;
  /** The node that it happens to, or 0: a paused node's events wait. */
  readonly node: number;
  readonly run: () => void;
}

/** Virtual time: the next event is whatever is due first. Nothing else passes time. */
export class Scheduler {
  nowMs = 0;
  private readonly events = new Heap<SimEvent>(isBefore);
  private lastOrder = 0;

  /** @param node 0 for what happens outside of nodes */
  after(delayMs: number, node: number, run: () => void): void {
    this.again({ atMs: this.nowMs + delayMs, order: 0, node, run, heapIndex: -1 });
  }

  /** Puts an event, taken out before, behind all that is due at its time. */
  again(event: SimEvent): void {
    event.order = ++this.lastOrder;
    if (event.atMs < this.nowMs) event.atMs = this.nowMs;
    this.events.push(event);
  }

  /** Takes the next event out and moves time to it. */
  next(): SimEvent | undefined {
    const event = this.events.pop();
    if (event !== undefined) this.nowMs = event.atMs;
    return event;
  }
}

function isBefore(a: SimEvent, b: SimEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
