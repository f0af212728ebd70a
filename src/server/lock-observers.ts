import { ApiError } from "../api/errors.ts";
import { limits } from "../kernel/limits.ts";
import { GroupError, type ObserveOptions } from "./control-group.ts";

interface Observer {
  readonly after: number;
  /** Gives its place back and lets its request be answered. */
  readonly end: () => void;
}

/** The lock table of this node. */
interface ObservedLocks {
  /** 0 while nobody holds the lock. */
  revision(lock: string): number;
  /** Calls `listener` after each change of the lock's revision, until what it returns is called. */
  observe(lock: string, listener: () => void): () => void;
}

/** The observers of one lock. */
interface Watch {
  readonly observers: Set<Observer>;
  readonly stopListening: () => void;
}

/** Observers looked at in one turn of the event loop; the rest come in the next ones (PROTOCOLS D10). */
const PER_TURN = 256;

/**
 * Requests that wait for a lock to change. They are woken by this node's own apply: an observer costs the cluster no entry
 * of the log, outlives a change of leader, and can be asked for on any node.
 */
export class LockObservers {
  /** Invariant: each lock has an observer. */
  private readonly watches = new Map<string, Watch>();
  /** Locks whose observers are to be looked at. */
  private readonly changedLocks = new Set<string>();
  /** What is left of the pass over the changed locks that is under way. */
  private pass: Iterator<unknown> | undefined;
  private places = 0;
  private closed = false;
  private broken = false;

  constructor(private readonly locks: ObservedLocks) {}

  /** Requests that wait. Invariant: ≤ limits.maxObservers. */
  get count(): number {
    return this.places;
  }

  /**
   * Resolves when the lock has another revision than `after`, when the time is over, or when the node stops.
   *
   * @throws {ApiError} `limit`
   * @throws {GroupError} `aborted`, or `no_leader` after {@link break}
   */
  wait(lock: string, { after, waitMs, signal }: ObserveOptions): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (signal?.aborted === true) reject(new GroupError("aborted"));
    else if (this.broken) reject(new GroupError("no_leader"));
    else if (this.closed || waitMs <= 0 || this.locks.revision(lock) !== after) resolve();
    else if (this.places >= limits.maxObservers) reject(tooMany());
    else {
      const aborted = (): void => {
        leave();
        reject(new GroupError("aborted"));
      };
      const end = (): void => {
        leave();
        if (this.broken) reject(new GroupError("no_leader"));
        else resolve();
      };
      const observer: Observer = { after, end };
      const timer = setTimeout(end, waitMs);
      const leave = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", aborted);
        this.remove(lock, observer);
      };
      signal?.addEventListener("abort", aborted, { once: true });
      this.add(lock, observer);
    }
    return promise;
  }

  /** Everybody who waits is answered, and nobody waits any more. */
  close(): void {
    this.closed = true;
    for (const lock of this.watches.keys()) this.changedLocks.add(lock);
    this.schedule();
  }

  /** An entry may have changed the locks by half: nobody is told to look at them. */
  break(): void {
    this.broken = true;
    this.close();
  }

  private changed(lock: string): void {
    this.changedLocks.add(lock);
    this.schedule();
  }

  private schedule(): void {
    if (this.pass !== undefined || this.changedLocks.size === 0) return;
    this.pass = this.overChangedLocks();
    setImmediate(this.goOn);
  }

  private readonly goOn = (): void => {
    for (let looked = 0; looked < PER_TURN; looked++) {
      if (this.pass?.next().done !== true) continue;
      this.pass = undefined;
      this.schedule();
      return;
    }
    setImmediate(this.goOn);
  };

  /** Yields after each observer that it has looked at; what changes between two steps is seen by the later one. */
  private *overChangedLocks(): Generator<void> {
    for (const lock of this.changedLocks) {
      this.changedLocks.delete(lock);
      for (const observer of this.watches.get(lock)?.observers ?? []) {
        // A lock that nobody held may have been taken and released meanwhile: then there is nothing to tell.
        if (this.closed || this.locks.revision(lock) !== observer.after) observer.end();
        yield;
      }
    }
  }

  private add(lock: string, observer: Observer): void {
    let watch = this.watches.get(lock);
    if (watch === undefined) {
      const stopListening = this.locks.observe(lock, () => this.changed(lock));
      this.watches.set(lock, (watch = { observers: new Set(), stopListening }));
    }
    watch.observers.add(observer);
    this.places++;
  }

  private remove(lock: string, observer: Observer): void {
    const watch = this.watches.get(lock);
    if (watch?.observers.delete(observer) !== true) return;
    this.places--;
    if (watch.observers.size > 0) return;
    watch.stopListening();
    this.watches.delete(lock);
  }
}

function tooMany(): ApiError {
  return new ApiError("limit", {
    message: "Too many requests to this node wait for a lock to change: ask another node, or ask again later.",
    details: { limit: "maxObservers" },
  });
}
