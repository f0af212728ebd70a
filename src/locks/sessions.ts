import { type Hashed, HashTable, hashText } from "../kernel/hash-table.ts";
import { type Linked, LinkedList } from "../kernel/linked-list.ts";
import type { Timed } from "./records.ts";
import { changes, type Transitions } from "./transitions.ts";

/** An explicit session: the lease of all that it holds. */
export class Session implements Timed, Hashed<Session>, Linked<Session> {
  readonly kind = "session";
  readonly hash: number;
  /** `session-N`, what others are shown. */
  readonly name: string;
  chained: Session | undefined = undefined;
  previous: Session | undefined = undefined;
  next: Session | undefined = undefined;
  heapIndex = -1;
  deadlineMs = 0;

  constructor(
    /** Secret: whoever knows it is the session. */
    readonly id: string,
    /** Rises from session to session. */
    readonly number: number,
    readonly serial: number,
    public ttlMs: number,
  ) {
    this.hash = hashText(id);
    this.name = `session-${number}`;
  }

  get key(): string {
    return this.id;
  }
}

export class Sessions {
  private readonly byId = new HashTable<Session>();
  /** In the order of their numbers. */
  private readonly opened = new LinkedList<Session>();
  /** Of the session opened last. */
  lastNumber = 0;

  constructor(private readonly transitions: Transitions) {}

  get size(): number {
    return this.byId.size;
  }

  /** @param hash `hashText(id)`, where it is known */
  find(id: string, hash?: number): Session | undefined {
    return this.byId.get(id, hash);
  }

  add(id: string, serial: number, ttlMs: number): Session {
    const session = new Session(id, this.lastNumber + 1, serial, ttlMs);
    this.transitions.note(changes.sessionOpened, session.hash, session.number, serial);
    this.insert(session);
    return session;
  }

  /** Its number must be above {@link lastNumber}, which it becomes. */
  insert(session: Session): void {
    this.lastNumber = session.number;
    this.byId.add(session);
    this.opened.push(session);
  }

  remove(session: Session): void {
    this.transitions.note(changes.sessionEnded, session.hash, session.number);
    this.byId.remove(session);
    this.opened.remove(session);
  }

  /** By number, above `after`. A walk: there are at most `maxSessions`. */
  page(after: number, limit: number): Session[] {
    const page: Session[] = [];
    for (let session = this.opened.first; session !== undefined && page.length < limit; session = session.next) {
      if (session.number > after) page.push(session);
    }
    return page;
  }

  /** By number. */
  *inOrder(): Generator<Session> {
    for (let session = this.opened.first; session !== undefined; session = session.next) yield session;
  }

  /** In no order that may matter. */
  values(): Iterable<Session> {
    return this.byId.values();
  }
}
