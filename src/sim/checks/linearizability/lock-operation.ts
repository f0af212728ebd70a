import type { LockMode } from "../../../locks/types.ts";
import type { LockShown, ReadRequest, Refused, ReleaseRequest } from "./client-operation.ts";
import type { Operation } from "./model.ts";

export type LockOperation = Operation<LockInput, LockOutput>;
export type LockInput = LockAcquire | LockRelease | ReadRequest | SessionEnd;

export interface LockAcquire {
  readonly type: "acquire";
  readonly principal: string;
  readonly mode: LockMode;
  readonly shown: string | undefined;
  /** When the hold that it is granted or renews may end by itself. */
  readonly untilUs: number;
  /** It may have stood behind somebody who waits for this lock and others, so that the lock was free and refused. */
  readonly behindJoint: boolean;
}

export type LockRelease = Omit<ReleaseRequest, "lock">;

/** The session ends, or is said to have ended, and with it its hold. */
export interface SessionEnd {
  readonly type: "endSession";
  readonly principal: string;
}

export type LockOutput =
  | LockGranted
  | { readonly type: "done" }
  | Refused
  | LockShown
  /** The session has ended now; undefined where it was not said whether it held this lock. */
  | { readonly type: "ended"; readonly held: boolean | undefined };

export interface LockGranted {
  readonly type: "granted";
  readonly mode: LockMode;
  readonly token: number;
}
