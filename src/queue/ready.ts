import { limits } from "../kernel/limits.ts";
import { Heap } from "../kernel/heap.ts";
import { type PageHost, PagedList } from "./paged-list.ts";
import type { PagedMessage } from "./pages.ts";
import type { Message } from "./records.ts";

/** Messages of one priority: those that came last in a list, and in a heap those that come back to a place in front of it. */
export class Lane {
  readonly fresh: PagedList;
  readonly returned = new Heap<Message>((a, b) => a.number < b.number);

  constructor(host: PageHost, revive: (paged: PagedMessage) => Message) {
    this.fresh = new PagedList(host, revive);
  }

  get size(): number {
    return this.fresh.size + this.returned.size;
  }

  /** Number of the one that is next. */
  get firstNumber(): number {
    return Math.min(this.fresh.firstNumber, this.returned.peek()?.number ?? Number.POSITIVE_INFINITY);
  }

  shift(): Message | undefined {
    const returned = this.returned.peek();
    if (returned !== undefined && returned.number < this.fresh.firstNumber) return this.returned.pop();
    return this.fresh.shift();
  }
}

/** What of a queue is to be had now, in the order in which it goes: the larger priority first, then the smaller number. */
export class ReadyMessages {
  /** By priority; undefined: there never was one of it. */
  readonly lanes: (Lane | undefined)[] = new Array<Lane | undefined>(limits.maxPriority + 1).fill(undefined);
  size = 0;

  constructor(
    private readonly host: PageHost,
    private readonly revive: (paged: PagedMessage) => Message,
  ) {}

  lane(priority: number): Lane {
    return (this.lanes[priority] ??= new Lane(this.host, this.revive));
  }

  /** @param fresh its number is larger than that of any other of its priority */
  add(message: Message, fresh: boolean): void {
    const lane = this.lane(message.priority);
    if (fresh) lane.fresh.push(message);
    else lane.returned.push(message);
    this.size += 1;
  }

  shift(): Message | undefined {
    for (let priority = limits.maxPriority; priority >= 0; priority--) {
      const message = this.lanes[priority]?.shift();
      if (message === undefined) continue;
      this.size -= 1;
      return message;
    }
    return undefined;
  }

  /** A record that is ready. */
  remove(message: Message): void {
    const lane = this.lane(message.priority);
    if (message.heapIndex === -1) lane.fresh.remove(message);
    else lane.returned.remove(message);
    this.size -= 1;
  }

  /** All of them are gone. @returns how many were in pages, and the bytes of those */
  clear(): { paged: number; pagedBytes: number } {
    let paged = 0;
    let pagedBytes = 0;
    for (const lane of this.lanes) {
      const cleared = lane?.fresh.clear();
      paged += cleared?.paged ?? 0;
      pagedBytes += cleared?.pagedBytes ?? 0;
    }
    this.lanes.fill(undefined);
    this.size = 0;
    return { paged, pagedBytes };
  }
}
