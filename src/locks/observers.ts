/**
 * Who wants to know when a lock changes. No part of the state: each replica has its own, and what they are told of is only
 * that it is time to look.
 */
export class Observers {
  private readonly listeners = new Map<string, Set<() => void>>();
  /** Locks that the entry being applied has changed, of those that somebody observes. */
  private readonly changed = new Set<string>();
  /** Whether there may be any of them: asked for with every entry. */
  private isChanged = false;
  private isObserved = false;

  /**
   * @param listener called after each entry that changed the lock's holders, mode or value, and after a restoration, until it is taken back; it
   *   must not throw, nor apply entries
   * @returns takes the listener back
   */
  observe(lock: string, listener: () => void): () => void {
    // A key of its own: one function may be given twice.
    const key = (): void => listener();
    this.isObserved = true;
    const known = this.listeners.get(lock);
    if (known === undefined) this.listeners.set(lock, new Set([key]));
    else known.add(key);
    return () => {
      const left = this.listeners.get(lock);
      if (left?.delete(key) === true && left.size === 0) this.listeners.delete(lock);
      this.isObserved = this.listeners.size > 0;
    };
  }

  touch(lock: string): void {
    if (!this.isObserved || !this.listeners.has(lock)) return;
    this.changed.add(lock);
    this.isChanged = true;
  }

  /** The state is another one: all are to look. */
  touchAll(): void {
    for (const lock of this.listeners.keys()) this.touch(lock);
  }

  /** The entry is applied. */
  notify(): void {
    if (!this.isChanged) return;
    this.isChanged = false;
    const listeners = [...this.changed].flatMap((lock) => [...(this.listeners.get(lock) ?? [])]);
    this.changed.clear();
    for (const listener of listeners) listener();
  }
}
