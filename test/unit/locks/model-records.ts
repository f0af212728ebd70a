import type { LockMode } from "../../../src/locks/types.ts";

/** `owner:a`, `session:s`, `once:7` */
export type Who = string;

export interface ModelWish {
  readonly lock: string;
  readonly mode: LockMode;
}

export interface ModelHold {
  readonly lock: string;
  readonly who: Who;
  mode: LockMode;
  token: number;
  endsMs: number | undefined;
  readonly created: number;
  operation: number | undefined;
}

export interface ModelPermits {
  readonly semaphore: string;
  readonly limit: number;
  readonly who: Who;
  readonly slots: readonly number[];
  readonly token: number;
  endsMs: number | undefined;
  readonly created: number;
  operation: number | undefined;
}

/** For one lock, for all of several, or for permits: then without wishes. */
export interface ModelWait {
  readonly who: Who;
  readonly wishes: readonly ModelWish[];
  readonly all: boolean;
  readonly semaphore: string | undefined;
  readonly permits: number;
  readonly limit: number;
  value: string | undefined;
  endsMs: number;
  ttlMs: number;
  readonly created: number;
  operations: number[];
}

export interface ModelEnd {
  readonly code: string;
  /** Of a grant, one for each lock; of a `stale_token` the highest. */
  readonly tokens?: readonly number[];
  readonly slots?: readonly number[];
  /** What is in the way. */
  readonly lock?: string;
  /** All who would be stuck. */
  readonly stuck?: readonly string[];
}

export interface ModelKey {
  end: ModelEnd | undefined;
  readonly who: Who;
  endsMs: number | undefined;
  readonly created: number;
}

export interface Ask {
  readonly operation: number;
  readonly who: Who;
  readonly ttlMs: number;
  readonly waitMs: number;
  readonly key: string | undefined;
}

export function conflict(a: LockMode, b: LockMode): boolean {
  return a === "exclusive" || b === "exclusive";
}

/** Whether the wait has an incompatible place for that lock. */
export function wants(wait: ModelWait, { lock, mode }: ModelWish): boolean {
  return wait.wishes.some((wish) => wish.lock === lock && conflict(wish.mode, mode));
}

export function same(a: ModelWait, b: Pick<ModelWait, "wishes" | "all" | "semaphore" | "permits">): boolean {
  const text = (wishes: readonly ModelWish[]): string =>
    wishes
      .map(({ lock, mode }) => `${lock}/${mode}`)
      .sort()
      .join();
  return a.all === b.all && a.semaphore === b.semaphore && a.permits === b.permits && text(a.wishes) === text(b.wishes);
}
