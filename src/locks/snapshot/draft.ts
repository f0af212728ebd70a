import { demand } from "../../kernel/bytes.ts";
import type { LockState } from "../state.ts";
import type { KnownIngresses } from "./ingresses.ts";
import type { NumberedSessions } from "./sessions.ts";

/** A state that comes in, with what later parts of a snapshot refer to, and what earlier ones leave open. */
export class Draft {
  /** Locks and semaphores that nobody holds: somebody must wait for each. */
  openNames = 0;
  /** Places of requests for several locks that are not in their queues yet. */
  openPlaces = 0;

  constructor(
    readonly state: LockState,
    readonly known: KnownIngresses,
    readonly sessions: NumberedSessions,
    /** Keys whose request is not over: an operation with each must wait. */
    public openKeys: number,
  ) {}

  close(): void {
    demand(this.openKeys === 0, "a key of a request that neither waits nor is over");
    demand(this.openNames === 0, "a name that nobody holds or waits for");
    demand(this.openPlaces === 0, "a request for several locks that does not stand in all their queues");
  }
}
