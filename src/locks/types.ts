/** The words of the lock table. Wire names (snake_case) live in `api/`; here are the pure core's. */

export type LockMode = "exclusive" | "shared";

/** What stands where a mode does when a semaphore is held or waited for. */
export type ShownMode = LockMode | "semaphore";

/**
 * Who holds or waits (PROTOCOLS L1).
 * - `session`: an explicit session; its holds live by its TTL.
 * - `owner`: the implicit cluster-wide session of that name; each hold has its own TTL.
 * - `once`: one request of its own, identified by a secret made at the ingress; `node` is what others are shown.
 */
export type Principal =
  | { readonly kind: "session"; readonly id: string }
  | { readonly kind: "owner"; readonly name: string }
  | { readonly kind: "once"; readonly id: string; readonly node: string };

/** Commands in the log, decoded. All durations in ms of lease time, integers. */
export type LockCommand =
  /** A process of `node` starts to take requests; its predecessor's operations and sessionless waiters end (Q1, L7). */
  | { readonly type: "registerIngress"; readonly node: string }
  | { readonly type: "openSession"; readonly session: string; readonly ttlMs: number }
  /** Of many sessions at once: one entry a turn (T2). */
  | { readonly type: "keepalive"; readonly sessions: readonly string[] }
  | { readonly type: "closeSession"; readonly session: string }
  | {
      readonly type: "acquire";
      readonly lock: string;
      readonly mode: LockMode;
      readonly principal: Principal;
      /** 0 for a session's: it lives by the session. */
      readonly ttlMs: number;
      /** 0: do not wait. */
      readonly waitMs: number;
      /** What the holder is known by, kept with its hold: exclusive only. Without it a re-entry keeps what there is. */
      readonly value?: string | undefined;
    }
  /** All of the locks in one step or none of them (PROTOCOLS L6). */
  | {
      readonly type: "acquireAll";
      /** 1 to `maxLocksPerRequest`, no name twice. */
      readonly locks: readonly LockWish[];
      readonly principal: Principal;
      /** As of `acquire`. */
      readonly ttlMs: number;
      readonly waitMs: number;
    }
  | ({ readonly type: "release"; readonly lock: string } & ReleasedHold)
  /** Permits of a semaphore, whose names are apart from those of locks. */
  | {
      readonly type: "acquirePermits";
      readonly semaphore: string;
      /** 1…`limit` */
      readonly permits: number;
      /** 1…`maxPermits`: how many there are. A semaphore keeps that of its first request while it exists. */
      readonly limit: number;
      readonly principal: Principal;
      /** As of `acquire`. */
      readonly ttlMs: number;
      readonly waitMs: number;
    }
  /** All permits that the holder has of the semaphore. */
  | ({ readonly type: "releasePermits"; readonly semaphore: string } & ReleasedHold)
  /**
   * The client of that operation went away: its waiter leaves, or the grant that it got is given back, if no other
   * request was answered with the same hold. A later arrival of the operation itself is then refused.
   */
  | { readonly type: "cancel"; readonly ingress: number; readonly sequence: number }
  | { readonly type: "fence"; readonly resource: string; readonly token: number };

export interface LockWish {
  readonly lock: string;
  readonly mode: LockMode;
}

interface ReleasedHold {
  /** `anonymous`: the oldest `once` hold taken through that node. */
  readonly holder:
    | Principal
    | { readonly kind: "anonymous"; readonly node: string }
    | { readonly kind: "onceId"; readonly id: string };
  /** Release only the grant with this token; undefined: whatever grant it is. */
  readonly fencingToken: number | undefined;
}

/** A command with what deduplicates it (Q1). */
export interface CommandEnvelope {
  readonly ingress: number;
  readonly sequence: number;
  /** Lowest sequence of this ingress that it has not yet seen applied; below it everything is refused. */
  readonly floor: number;
  /** The client's `Idempotency-Key`, or undefined. */
  readonly idempotencyKey: string | undefined;
  readonly command: LockCommand;
}

/** A holder or waiter as others may see it: never a session's secret id. */
export interface PublicPrincipal {
  /** `owner` name, `session-N`, or the node of an anonymous request. */
  readonly owner: string;
  readonly mode: LockMode;
}

/** A holder as a refusal shows it, as of the entry that refused. */
export interface RefusingHolder {
  readonly owner: string;
  readonly mode: ShownMode;
  /** Since its first grant: a re-entry or an upgrade starts nothing anew. */
  readonly heldForMs: number;
  /** Unless it is renewed. */
  readonly expiresInMs: number;
}

/** One edge of a deadlock: `owner` waits for `lock` (or the semaphore of that name), which `blockedBy` holds or is ahead in. */
export interface WaitEdge {
  readonly owner: string;
  readonly lock: string;
  readonly mode: ShownMode;
  readonly blockedBy: string;
}

export interface LockGrant {
  readonly type: "granted";
  readonly lock: string;
  /** What is held: `exclusive` also when a holder of exclusive asked for shared. */
  readonly mode: LockMode;
  readonly owner: string;
  readonly fencingToken: number;
  /** The id with which the hold can be named: session id, `owner:NAME`, or the once-id. */
  readonly principalId: string;
  readonly expiresInMs: number;
}

export interface PermitGrant {
  readonly type: "permitsGranted";
  readonly semaphore: string;
  readonly permits: number;
  readonly limit: number;
  /** Which permits these are, 0…`limit`−1, rising. */
  readonly slots: readonly number[];
  readonly owner: string;
  /** One for all slots: larger than that of any earlier grant of each of them. */
  readonly fencingToken: number;
  /** As of {@link LockGrant}. */
  readonly principalId: string;
  readonly expiresInMs: number;
}

/** What a command came to. Errors are values; each is definite (Q2). */
export type LockResult =
  | { readonly type: "registered" }
  | { readonly type: "sessionOpened"; readonly session: string; readonly name: string; readonly expiresInMs: number }
  /** In the order of the command's sessions: remaining ms, or undefined for an unknown session. */
  | { readonly type: "keptAlive"; readonly expiresInMs: readonly (number | undefined)[] }
  | {
      readonly type: "sessionClosed";
      readonly released: readonly string[];
      readonly releasedSemaphores: readonly string[];
    }
  | LockGrant
  /** In the order of the request that took the place in the queues. */
  | { readonly type: "grantedAll"; readonly grants: readonly LockGrant[] }
  | PermitGrant
  | {
      readonly type: "released";
      readonly lock: string;
      readonly releasedBy: string;
      /** Owners that the lock went to in the same step, or undefined when nobody got it. */
      readonly grantedTo: readonly string[] | undefined;
    }
  | {
      readonly type: "permitsReleased";
      readonly semaphore: string;
      readonly releasedBy: string;
      /** As of `released`. */
      readonly grantedTo: readonly string[] | undefined;
    }
  | { readonly type: "cancelled" }
  | { readonly type: "fenceAccepted"; readonly highest: number }
  | LockError;

export type LockError =
  /**
   * `lock`: of several the first that is in the way, or the semaphore. Without holders: somebody who waits for it and for
   * others is ahead.
   */
  | {
      readonly type: "error";
      readonly code: "lock_held";
      readonly lock: string;
      readonly holders: readonly RefusingHolder[];
    }
  | { readonly type: "error"; readonly code: "deadlock"; readonly cycle: readonly WaitEdge[] }
  | {
      readonly type: "error";
      readonly code: "upgrade_conflict";
      readonly lock: string;
      readonly holders: readonly RefusingHolder[];
    }
  /** The semaphore exists with another limit: this one. */
  | { readonly type: "error"; readonly code: "semaphore_limit"; readonly limit: number }
  /** The principal holds so many permits already, and asks for another number of them. */
  | { readonly type: "error"; readonly code: "permits_conflict"; readonly permits: number }
  | { readonly type: "error"; readonly code: "not_owner"; readonly holders: readonly RefusingHolder[] }
  | { readonly type: "error"; readonly code: "not_held" }
  | { readonly type: "error"; readonly code: "session_expired" }
  /** A fence saw `highest`, or the hold has another token (`highest` is that one). */
  | { readonly type: "error"; readonly code: "stale_token"; readonly highest: number }
  /** The waiter's request was cancelled; nobody is listening any more, except another request of the same kind. */
  | { readonly type: "error"; readonly code: "cancelled" }
  /** An operation below the window or of an unknown ingress: never executed (Q1). */
  | { readonly type: "error"; readonly code: "stale_operation" }
  | { readonly type: "error"; readonly code: "idempotency_key_reused" }
  | { readonly type: "error"; readonly code: "limit"; readonly limit: string };

/** `GET /lock/:name`, read from one replica's state. */
export interface LockView {
  readonly lock: string;
  /** undefined: available. */
  readonly mode: LockMode | undefined;
  readonly holders: readonly PublicPrincipal[];
  readonly waiters: readonly PublicPrincipal[];
  readonly fencingToken: number | undefined;
  /** That of the holder, if it gave one. */
  readonly value: string | undefined;
  /** Index of the entry that last changed holders, mode or value; 0 while nobody holds it. Equal on all replicas. */
  readonly revision: number;
  /** The oldest holders with their times, at most `maxShownHolders`. */
  readonly holderTimes: readonly HolderTimes[];
  /** The head of the queue with its times, at most `maxShownHolders`. */
  readonly waiterTimes: readonly WaiterTimes[];
}

/** In lease time, which runs on between entries: the reader of a view subtracts. */
export interface HolderTimes extends PublicPrincipal {
  readonly grantedAtMs: number;
  /** Of a session's hold: when the session ends, unless it is renewed. */
  readonly endsAtMs: number;
}

export interface WaiterTimes extends PublicPrincipal {
  readonly enqueuedAtMs: number;
}

/** `GET /semaphore/:name`, read from one replica's state. Holders and waiters as of {@link LockView}'s times. */
export interface SemaphoreView {
  readonly semaphore: string;
  /** How many permits there are, and how many of them are free; undefined while nobody holds or wants any. */
  readonly limit: number | undefined;
  readonly available: number | undefined;
  readonly holders: readonly PermitHolder[];
  readonly waiters: readonly PermitWaiterView[];
}

/** Times as of {@link HolderTimes}. */
export interface PermitHolder {
  readonly owner: string;
  readonly slots: readonly number[];
  readonly fencingToken: number;
  readonly grantedAtMs: number;
  readonly endsAtMs: number;
}

export interface PermitWaiterView {
  readonly owner: string;
  readonly permits: number;
  readonly enqueuedAtMs: number;
}

/** A session as others may see it: without its id, which is a secret. */
export interface SessionView {
  /** `session-N` */
  readonly name: string;
  readonly ttlMs: number;
  /** In lease time. */
  readonly endsAtMs: number;
  readonly holds: number;
  readonly waiters: number;
}
