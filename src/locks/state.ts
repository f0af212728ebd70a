import { FIRST_FEATURE_LEVEL } from "../kernel/feature-level.ts";
import { hashText } from "../kernel/hash-table.ts";
import { Ingresses } from "../kernel/ingresses.ts";
import type { limits } from "../kernel/limits.ts";
import { TransitionHash } from "../kernel/transition-hash.ts";
import { Claimants } from "./claimants.ts";
import { Deadlines } from "./deadlines.ts";
import { Fences } from "./fences.ts";
import { IdempotencyKeys } from "./idempotency.ts";
import type { Ingress } from "./ingresses.ts";
import { LockTable } from "./lock-table.ts";
import { Observers } from "./observers.ts";
import type { Lock } from "./records.ts";
import { type Semaphore, Semaphores } from "./semaphores.ts";
import { Sessions } from "./sessions.ts";
import { type Change, changes, codeOfMode } from "./transitions.ts";
import type { LockResult } from "./types.ts";

/** The bounds of the state machine: equal on all replicas. */
export type LockLimits = {
  readonly [
    Name in
      | "maxLocks"
      | "maxHolds"
      | "maxShownHolders"
      | "maxWaitersPerLock"
      | "maxWaiters"
      | "maxSessions"
      | "maxFences"
      | "maxIdempotencyKeys"
      | "idempotencyKeyKeepMs"
      | "maxOperationWindow"
      | "maxIngressNodes"
      | "maxRetiredIngresses"
      | "maxExpiriesPerEntry"
  ]: (typeof limits)[Name] | number;
};

/** What applying told about an operation; without a result: it waits. */
export interface LockOutcome {
  readonly ingress: number;
  readonly sequence: number;
  readonly result?: LockResult;
}

export type Emit = (outcome: LockOutcome) => void;

/** Tokens are generation · 2⁴⁰ + counter: a restored cluster never issues an old number again (PROTOCOLS L2). */
export const GENERATION_STEP = 2 ** 40;

/** The whole state of the lock subsystem. The rules are functions over it, one file an idea. */
export class LockState {
  /** Lease time: the largest that an applied entry carried. */
  nowMs = 0;
  appliedIndex = 0;
  /** Commands that nothing could be made of. */
  undecodable = 0;
  generation = 0;
  /** What entries mean may depend on it (PROTOCOLS R7). Never falls. */
  featureLevel = FIRST_FEATURE_LEVEL;
  tokenCounter = 0;
  serialCounter = 0;
  holds = 0;
  waiters = 0;
  /** Operations attached to waiters: several may share one. */
  waitingOperations = 0;

  /** Every change of what stands below is noted there, by whoever makes it. */
  readonly transitions = new TransitionHash<Change>();
  readonly locks = new LockTable(this.transitions);
  readonly semaphores = new Semaphores(this.transitions);
  readonly claimants = new Claimants();
  readonly sessions = new Sessions(this.transitions);
  readonly deadlines = new Deadlines(this.transitions);
  readonly fences = new Fences(this.transitions);
  readonly ingresses = new Ingresses<Ingress>((ingress, before) => {
    this.transitions.note(changes.ingress, ingress.id, hashText(ingress.node), before?.id);
  });
  readonly keys = new IdempotencyKeys(this.transitions);

  /** Lost a hold or a place in the entry being applied, and are not looked at yet. Empty between entries. */
  readonly freed = new Set<Lock | Semaphore>();

  /** Where outcomes of the entry being applied go. */
  emit: Emit = discard;

  constructor(
    readonly limits: LockLimits,
    /** Outlive a state that is replaced. */
    readonly observers = new Observers(),
  ) {}

  /** Locks and semaphores. */
  get names(): number {
    return this.locks.size + this.semaphores.size;
  }

  nextSerial(): number {
    this.serialCounter += 1;
    return this.serialCounter;
  }

  /** The lock's holders, mode, token or value have changed: whoever observes it is to look at it again. */
  touch(lock: Lock): void {
    lock.revision = this.appliedIndex;
    const { mode, value } = lock;
    this.transitions.note(changes.lockChanged, lock.hash, lock.token, codeOfMode(mode));
    if (value !== undefined) this.transitions.note(changes.lockValue, hashText(value), value.length);
    this.observers.touch(lock.name);
  }

  nextToken(): number {
    this.tokenCounter += 1;
    return this.lastToken;
  }

  /** Given out before the cluster was restored or recovered last: larger ones may have been, which this state has not seen. */
  isOfBefore(token: number): boolean {
    return token < this.generation * GENERATION_STEP;
  }

  /** No token so far is larger. */
  get lastToken(): number {
    return this.generation * GENERATION_STEP + this.tokenCounter;
  }
}

export function discard(): void {}
