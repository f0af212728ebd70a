import type { LockMode } from "../../../locks/types.ts";
import type { Operation } from "./model.ts";

/** What clients ask, of real processes or simulated ones, in the words of the models. Principals are `owner:NAME`, `session:ID` or `once:ID`. */
export type ClientRequest =
  | AcquireRequest
  | ReleaseRequest
  | ReadRequest
  | AcquirePermitsRequest
  | ReleasePermitsRequest
  | ReadPermitsRequest
  | { readonly type: "openSession"; readonly session: string; readonly leaseUs: number }
  | { readonly type: "renewSession"; readonly session: string }
  | { readonly type: "closeSession"; readonly session: string }
  | OfferRequest;

export interface AcquireRequest {
  readonly type: "acquire";
  readonly lock: string;
  readonly principal: string;
  readonly mode: LockMode;
  /** How long the hold must last, from the moment at which it was asked for. A session's lives by the session. */
  readonly leaseUs: number;
  /** What others are shown as the holder: the owner's name, or of `once:` the node. Of a session only a grant tells it. */
  readonly shown: string | undefined;
  /** One of several locks that one request takes together (PROTOCOLS L6): while it waits it holds none, and keeps others out. */
  readonly joint?: boolean;
}

export interface ReleaseRequest {
  readonly type: "release";
  readonly lock: string;
  /** Undefined: some `once:` hold that is shown as `shown`. */
  readonly principal: string | undefined;
  readonly shown: string | undefined;
  readonly token: number | undefined;
}

export interface ReadRequest {
  readonly type: "read";
  readonly lock: string;
}

export interface AcquirePermitsRequest extends Pick<AcquireRequest, "principal" | "leaseUs" | "shown"> {
  readonly type: "acquirePermits";
  readonly semaphore: string;
  readonly permits: number;
  readonly limit: number;
}

/** All permits of the hold; otherwise as of a lock. */
export interface ReleasePermitsRequest extends Pick<ReleaseRequest, "principal" | "shown" | "token"> {
  readonly type: "releasePermits";
  readonly semaphore: string;
}

export interface ReadPermitsRequest {
  readonly type: "readPermits";
  readonly semaphore: string;
}

export interface OfferRequest {
  readonly type: "offer";
  readonly resource: string;
  readonly token: number;
}

export type ClientAnswer =
  /** It is over, and tells nothing of its object. */
  | { readonly type: "nothing" }
  | { readonly type: "done" }
  | { readonly type: "granted"; readonly mode: LockMode; readonly token: number; readonly shown: string }
  | PermitsGranted
  | Refused
  /** A session and the locks and semaphores that it held, where that is known. */
  | {
      readonly type: "closed";
      readonly released: readonly string[] | undefined;
      readonly releasedSemaphores: readonly string[] | undefined;
    }
  | LockShown
  | PermitsShown
  | { readonly type: "highest"; readonly highest: number };

/** An error that tells something of the state. */
export interface Refused {
  readonly type: "refused";
  readonly code: RefusalCode;
  /** With `stale_token`: that of the hold. */
  readonly highest?: number | undefined;
  /** With `semaphore_limit`: the one that it has. */
  readonly limit?: number | undefined;
  /** With `permits_conflict`: how many the principal has. */
  readonly permits?: number | undefined;
}

export interface PermitsGranted {
  readonly type: "permitsGranted";
  readonly limit: number;
  /** Rising. */
  readonly slots: readonly number[];
  readonly token: number;
  readonly shown: string;
}

export interface ShownHolder {
  readonly owner: string;
  readonly slots: readonly number[];
  readonly token: number;
}

export interface PermitsShown {
  readonly type: "permitsShown";
  /** Undefined, both, while nobody holds any. */
  readonly limit: number | undefined;
  readonly available: number | undefined;
  readonly holders: readonly ShownHolder[];
}

export interface LockShown {
  readonly type: "shown";
  /** Undefined: available. */
  readonly mode: LockMode | undefined;
  readonly token: number | undefined;
  readonly owners: readonly string[];
}

const refusals = [
  "lock_held",
  "deadlock",
  "upgrade_conflict",
  "not_owner",
  "not_held",
  "stale_token",
  "session_expired",
  "semaphore_limit",
  "permits_conflict",
] as const;
export type RefusalCode = (typeof refusals)[number];

/** Other errors say that nothing happened, and nothing about the lock. */
export function isRefusal(code: string | undefined): code is RefusalCode {
  return refusals.some((refusal) => refusal === code);
}

/**
 * What a client did, as one operation: several attempts under one idempotency key are one. What was refused and tells nothing is none.
 *
 * @typeParam Source the records that it was made from
 */
export interface ClientOperation<Source> extends Operation<ClientRequest, ClientAnswer> {
  readonly source: Source;
}
