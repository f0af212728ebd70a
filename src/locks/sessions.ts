import { type Hashed, HashTable, hashText } from "../kernel/hash-table.ts";
import type { Timed } from "./records.ts";

/** An explicit session: the lease of all that it holds. */
export class Session implements Timed, Hashed<Session> {
  readonly kind = "session";
  readonly hash: number;
  chained: Session | undefined = undefined;
  heapIndex = -1;
  deadlineMs = 0;

  constructor(
    /** Secret: whoever knows it is the session. */
    readonly id: string,
    /** `session-N`, what others are shown. */
    readonly name: string,
    readonly serial: number,
    public ttlMs: number,
  ) {
    this.hash = hashText(id);
  }

  get key(): string {
    return this.id;
  }
}

export class Sessions {
  private readonly byId = new HashTable<Session>();
  /** Of the session opened last. */
  lastNumber = 0;

  get size(): number {
    return this.byId.size;
  }

  find(id: string): Session | undefined {
    return this.byId.get(id);
  }

  add(id: string, serial: number, ttlMs: number): Session {
    this.lastNumber += 1;
    const session = new Session(id, `session-${this.lastNumber}`, serial, ttlMs);
    this.byId.add(session);
    return session;
  }

  remove(session: Session): void {
    this.byId.remove(session);
  }

  /** In no order that may matter. */
  values(): Iterable<Session> {
    return this.byId.values();
  }
}
