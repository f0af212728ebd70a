import type { OperationFailure } from "../engine/ingress.ts";
import type { LockCommand, LockResult, LockView, SemaphoreView } from "../locks/types.ts";

/** One request of a client to one node, or one read. Times in virtual ms. */
export type ClientRecord = AttemptRecord | ReadRecord;

export interface AttemptRecord {
  readonly type: "attempt";
  /** A client has one request at a time. */
  readonly client: number;
  readonly node: string;
  readonly command: LockCommand;
  /** Attempts with the same one are one request. */
  readonly idempotencyKey: string | undefined;
  readonly fromMs: number;
  readonly toMs: number;
  readonly end: AttemptEnd;
}

export type AttemptEnd =
  | { readonly type: "answered"; readonly result: LockResult }
  | { readonly type: "failed"; readonly failure: OperationFailure }
  /** The node does not run. */
  | { readonly type: "refused" }
  /** The connection broke, or the client went away: nobody knows. */
  | { readonly type: "cut" | "gone" };

export interface ReadRecord {
  readonly type: "read";
  readonly client: number;
  readonly node: string;
  readonly view: LockView | SemaphoreView;
  readonly index: number;
  readonly leaseTimeMs: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** All that clients asked and were told in one run, and what somebody needs to know who judges it. */
export interface SimHistory {
  readonly nodes: readonly string[];
  readonly clients: number;
  readonly faults: Readonly<Record<string, number>>;
  /** In the order of their ends. */
  readonly records: readonly ClientRecord[];
  /** Clocks of nodes run within this of real time. */
  readonly clockSkew: number;
  /** A lease may end earlier by so much, counted from when it was asked for. */
  readonly shortensMs: number;
  /** When the last fault was over; undefined if the run did not come so far. */
  readonly healedMs: number | undefined;
  readonly endMs: number;
}
