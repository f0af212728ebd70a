import type {
  AcquirePermitsRequest,
  PermitsGranted,
  PermitsShown,
  ReadPermitsRequest,
  Refused,
  ReleasePermitsRequest,
} from "./client-operation.ts";
import type { SessionEnd } from "./lock-operation.ts";
import type { Operation } from "./model.ts";

export type SemaphoreOperation = Operation<SemaphoreInput, SemaphoreOutput>;
export type SemaphoreInput = PermitAcquire | PermitRelease | ReadPermitsRequest | SessionEnd;

export interface PermitAcquire extends Pick<
  AcquirePermitsRequest,
  "type" | "principal" | "shown" | "permits" | "limit"
> {
  /** When the hold that it is granted or renews may end by itself. */
  readonly untilUs: number;
  /** It may have stood behind somebody who waits, so that enough was free and it was refused. */
  readonly behind: boolean;
}

export type PermitRelease = Omit<ReleasePermitsRequest, "semaphore">;

export type SemaphoreOutput =
  | PermitsGranted
  | { readonly type: "done" }
  | Refused
  | PermitsShown
  /** The session has ended now; undefined where it was not said whether it held any of these permits. */
  | { readonly type: "ended"; readonly held: boolean | undefined };
