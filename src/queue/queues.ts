import { HashTable } from "../kernel/hash-table.ts";
import { LinkedList } from "../kernel/linked-list.ts";
import { Queue } from "./queue.ts";
import type { QueueState } from "./state.ts";
import { changes } from "./transitions.ts";

/** The queues of a shard by name. One exists as soon as something is asked of it, and is forgotten when there is no room for others. */
export class Queues {
  private readonly byName = new HashTable<Queue>();
  /** Those that hold nothing and are set to nothing, longest so first. */
  private readonly forgettable = new LinkedList<Queue>();

  constructor(private readonly state: QueueState) {}

  get size(): number {
    return this.byName.size;
  }

  find(name: string): Queue | undefined {
    return this.byName.get(name);
  }

  /** @returns undefined when there are as many as there may be, and none of them can be forgotten */
  findOrAdd(name: string): Queue | undefined {
    const known = this.byName.get(name);
    if (known !== undefined) return known;
    const { state } = this;
    if (this.byName.size >= state.limits.maxQueues) {
      const { first } = this.forgettable;
      if (first === undefined) return undefined;
      this.forget(first);
    }
    const queue = new Queue(name, state.nextSerial(), state);
    state.transitions.note(changes.queueAdded, queue.hash, queue.serial);
    this.byName.add(queue);
    this.mind(queue);
    return queue;
  }

  /** For one that is restored: {@link mind} comes once it is whole. */
  restore(queue: Queue): void {
    this.byName.add(queue);
  }

  /** It has changed: whether it could be forgotten now. */
  mind(queue: Queue): void {
    if (queue.isIdle === queue.isForgettable) return;
    queue.isForgettable = !queue.isForgettable;
    if (queue.isForgettable) this.forgettable.push(queue);
    else this.forgettable.remove(queue);
  }

  /** In the order in which they became so. */
  *idle(): Generator<Queue> {
    for (let queue = this.forgettable.first; queue !== undefined; queue = queue.next) yield queue;
  }

  /** In an order that tells nothing, the same on every replica. */
  ordered(): Iterable<Queue> {
    return this.byName.ordered();
  }

  /** By name in code-unit order, after `after`, at most `limit`. */
  page({ prefix, after, limit }: { prefix: string; after: string; limit: number }): Queue[] {
    const found: Queue[] = [];
    for (const queue of this.byName.values()) {
      if (queue.key > after && queue.key.startsWith(prefix)) found.push(queue);
    }
    return found.sort((a, b) => (a.key < b.key ? -1 : 1)).slice(0, limit);
  }

  private forget(queue: Queue): void {
    this.state.transitions.note(changes.queueForgotten, queue.hash, queue.serial);
    this.forgettable.remove(queue);
    this.state.deadlines.cancel(queue);
    this.byName.remove(queue);
  }
}
