import type { Timed } from "./records.ts";

/** An explicit session: the lease of all that it holds. */
export class Session implements Timed {
  readonly kind = "session";
  heapIndex = -1;
  deadlineMs = 0;

  constructor(
    /** Secret: whoever knows it is the session. */
    readonly id: string,
    /** `session-N`, what others are shown. */
    readonly name: string,
    readonly serial: number,
    public ttlMs: number,
  ) {}
}

export class Sessions {
  private readonly byId = new Map<string, Session>();
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
    this.byId.set(id, session);
    return session;
  }

  remove(session: Session): void {
    this.byId.delete(session.id);
  }

  /** In no order that may matter. */
  values(): Iterable<Session> {
    return this.byId.values();
  }
}
