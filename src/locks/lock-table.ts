import { assert } from "../kernel/assert.ts";
import { HashTable, hashText } from "../kernel/hash-table.ts";
import { LinkedList } from "../kernel/linked-list.ts";
import { OrderedNames } from "./ordered-names.ts";
import { Lock } from "./records.ts";
import { changes, type Transitions } from "./transitions.ts";

/** Locks that are held or waited for, by name. */
export class LockTable {
  private readonly byName = new HashTable<Lock>();
  private readonly names = new OrderedNames();
  /** Those with waiters: the wait-for graph is read from them alone. */
  readonly contested = new LinkedList<Lock>();

  constructor(private readonly transitions: Transitions) {}

  get size(): number {
    return this.byName.size;
  }

  find(name: string): Lock | undefined {
    return this.byName.get(name);
  }

  add(name: string): Lock {
    const hash = hashText(name);
    assert(this.byName.get(name, hash) === undefined, "a lock is in the table once");
    const lock = new Lock(name, hash);
    this.byName.add(lock);
    this.transitions.note(changes.lockAdded, hash);
    this.names.add(name);
    return lock;
  }

  /** As {@link add}; the name must be behind all that are there. */
  append(name: string): Lock {
    const lock = new Lock(name, hashText(name));
    this.byName.add(lock);
    this.names.append(name);
    return lock;
  }

  /** A free lock without waiters costs no memory. */
  dropIfIdle(lock: Lock): void {
    if (lock.holders.size > 0 || lock.queue.size > 0) return;
    this.transitions.note(changes.lockDropped, lock.hash);
    this.byName.remove(lock);
    this.names.remove(lock.name);
  }

  /** By name in code-unit order, after `after`. */
  page({ prefix, after, limit }: { readonly prefix: string; readonly after: string; readonly limit: number }): Lock[] {
    const page: Lock[] = [];
    if (limit < 1) return page;
    for (const name of this.names.from(prefix, after)) {
      const lock = this.byName.get(name);
      if (lock !== undefined) page.push(lock);
      if (page.length >= limit) break;
    }
    return page;
  }

  /** By name in code-unit order. */
  *inOrder(): Generator<Lock> {
    for (const block of this.names.inBlocks()) {
      for (const name of block) {
        const lock = this.byName.get(name);
        if (lock !== undefined) yield lock;
      }
    }
  }

  /** In no order that may matter. */
  values(): Iterable<Lock> {
    return this.byName.values();
  }
}
