import { limits } from "../kernel/limits.ts";
import type { ForwardedProposal, ProposalRefusal, RefusedAttempt } from "./peer-messages.ts";

/** How the ingress speaks to its state machine without knowing it. */
export interface OperationProtocol<Command, Result> {
  encode(envelope: {
    ingress: number;
    sequence: number;
    floor: number;
    idempotencyKey: string | undefined;
    command: Command;
  }): Uint8Array;
  /** Registers this process: nothing else is executed before (PROTOCOLS Q1). */
  readonly register: Command;
  cancel(ingress: number, sequence: number): Command;
  /** Never executed because the ingress is unknown or the sequence is below the window. */
  isStale(result: Result): boolean;
}

export type OperationFailure = "no_leader" | "outcome_unknown" | Refusal;
/** What a leader refuses for: too much under way, or no room on the disks of a majority. Definite. */
type Refusal = "limit" | "disk_full";

/** What became of one attempt to propose: `sent`: the leader may have it. `unsent`: it goes again soon. */
export type Tried = "sent" | "unsent" | Exclude<ProposalRefusal, "notLeader">;
type Propose = (operation: ForwardedProposal) => Tried;

/** What becomes of an operation; called exactly once, unless it is abandoned first. */
export type Settle<Result> = (end: { result: Result } | { failure: OperationFailure }) => void;

export interface OperationOptions {
  readonly idempotencyKey?: string | undefined;
  /** Draws on the reserved tenth of every limit (PROTOCOLS R9). */
  readonly reserved?: boolean;
  /** May hold a lock or a place in a queue that must be given back when nobody listens any more (L7). */
  readonly cancellable?: boolean;
  /** How long the operation may wait in the state machine, in ms of lease time. */
  readonly waitMs?: number;
}

interface Operation<Result> extends ForwardedProposal {
  attempt: number;
  readonly settle: Settle<Result> | undefined;
  readonly cancellable: boolean;
  readonly createdAtMs: number;
  /** When it was handed in, or asked about again. */
  sinceMs: number;
  readonly waitMs: number;
  /** It had been seen applied and waiting before a snapshot took the place of entries that it may have ended in. */
  resumed: boolean;
  /** Attempts that may have reached a log: sent and not refused. */
  readonly open: number[];
  /** Without an outcome it is proposed again then. */
  retryAtMs: number;
  /** Why a leader refused a proposal of it. */
  refusal: Refusal | undefined;
}

/** The leader is waited for this long, also by requests that wait for nothing else (DESIGN §10 `leaderWaitMs`). */
export const LEADER_WAIT_MS = 5_000;
/** An operation without an outcome is proposed again, under its id, after this long. */
const REPROPOSE_MS = 1_000;
/** One that was refused: sooner. Also between two registrations, should two processes of one name fight. */
const REFUSED_RETRY_MS = 100;
/** Between two looks at deadlines, and at those of waiters, which are many and not pressing. */
const SWEEP_MS = 50;
const SWEEP_QUEUED_MS = 1_000;
/** Beyond its wait in lease time, which stops with every election, a waiter is answered after this long. */
const WAIT_GRACE_MS = 10_000;
/** Shares of the limits: for anything, for cancels, for what is reserved (PROTOCOLS R9). */
const SHARE = 0.9;
const CANCEL_SHARE = 0.95;
const RESERVED_SHARE = 1;

/**
 * Operations that this node took in and has not seen through (PROTOCOLS L7, Q1, Q2). Their outcomes come from this
 * node's own apply; until then each is proposed again, under the same id, whenever the leader may have changed.
 */
export class Ingress<Command, Result> {
  /** Not yet seen applied, by sequence, ascending. */
  private outstanding = new Map<number, Operation<Result>>();
  /** Applied and waiting in the state machine. */
  private readonly queued = new Map<number, Operation<Result>>();
  /** Go out with the next pump. Invariant: each is outstanding. */
  private unsent = new Set<Operation<Result>>();
  /** Operations to be cancelled as soon as there is room: many clients may go away at once. */
  private readonly cancels = new Set<number>();
  private nextSequence = 1;
  private nextAttempt = 1;
  /** Invariant: no operation below is outstanding. */
  private lowest = 1;
  /** Sequence of the registration on its way; 0: none. */
  private registering = 0;
  private registered = false;
  private registerNotBeforeMs = Number.NEGATIVE_INFINITY;
  /** No attempt up to this one is still on its way: the way to the log and through it keeps their order. */
  private arrivedAttempt = 0;
  /** Outcomes so far, and when the last sweep that found new ones was. */
  private outcomes = 0;
  private sweptOutcomes = 0;
  private lastOutcomeMs = Number.NEGATIVE_INFINITY;
  private lastSweepMs = 0;
  private lastQueuedSweepMs = 0;

  constructor(
    readonly identity: number,
    private readonly protocol: OperationProtocol<Command, Result>,
  ) {}

  /** Operations whose entries this node has not seen applied, cancels that wait for room included. */
  get outstandingCount(): number {
    return this.outstanding.size + this.cancels.size;
  }

  get queuedCount(): number {
    return this.queued.size;
  }

  get isRegistered(): boolean {
    return this.registered;
  }

  /** @returns the sequence with which {@link abandon} names the operation; undefined when it was refused for load */
  submit(
    command: Command,
    nowMs: number,
    options: OperationOptions,
    settle: Settle<Result> | undefined,
  ): number | undefined {
    const reserved = options.reserved ?? false;
    if (!this.hasRoom(reserved ? RESERVED_SHARE : SHARE)) {
      settle?.({ failure: "limit" });
      return undefined;
    }
    const { floor, nextSequence: sequence } = this;
    const { idempotencyKey } = options;
    const payload = this.protocol.encode({ ingress: this.identity, sequence, floor, idempotencyKey, command });
    if (payload.length > limits.maxProposalBytes) {
      settle?.({ failure: "limit" });
      return undefined;
    }
    this.nextSequence++;
    const operation: Operation<Result> = {
      ingress: this.identity,
      sequence,
      attempt: 0,
      reserved,
      payload,
      settle,
      cancellable: options.cancellable ?? false,
      createdAtMs: nowMs,
      sinceMs: nowMs,
      resumed: false,
      waitMs: options.waitMs ?? 0,
      open: [],
      retryAtMs: nowMs,
      refusal: undefined,
    };
    this.outstanding.set(sequence, operation);
    this.unsent.add(operation);
    return sequence;
  }

  /** Nobody listens to the operation any more: what it may hold is given back. */
  abandon(sequence: number, nowMs: number): void {
    const operation = this.outstanding.get(sequence) ?? this.queued.get(sequence);
    if (operation === undefined) return;
    this.forget(operation);
    this.cancel(operation, nowMs);
  }

  /** An operation was answered, but the answer could not be delivered. */
  undelivered(sequence: number, nowMs: number): void {
    this.cancels.add(sequence);
    this.submitCancels(nowMs);
  }

  /** Calls `propose` for everything that should go to the leader now. It says whether the leader may have got it. */
  pump(nowMs: number, propose: Propose): void {
    this.register(nowMs);
    this.submitCancels(nowMs);
    if (this.unsent.size === 0) return;
    if (!this.registered) {
      // Before this process is registered the state machine refuses everything else.
      const registration = this.outstanding.get(this.registering);
      if (registration !== undefined && this.unsent.delete(registration)) this.offer(registration, nowMs, propose);
      return;
    }
    const batch = this.unsent;
    this.unsent = new Set();
    for (const operation of batch) {
      if (this.outstanding.has(operation.sequence)) this.offer(operation, nowMs, propose);
    }
  }

  /** Leader or term changed, or the way to it broke: what was sent may be lost. Asks for everything again. */
  repropose(): void {
    this.unsent = new Set(this.outstanding.values());
  }

  /**
   * A snapshot took the place of entries, and of their outcomes. Everything is asked for again, under its id: what was
   * executed is answered from the state machine's memory, and what waits still waits in its place.
   */
  outcomesSkipped(nowMs: number): void {
    for (const operation of this.queued.values()) {
      operation.resumed = true;
      operation.sinceMs = nowMs;
    }
    this.outstanding = new Map([...this.queued, ...this.outstanding].toSorted(([one], [other]) => one - other));
    this.queued.clear();
    this.repropose();
  }

  /** The node that we took for the leader did not propose these. They go again with a later sweep or a new leader. */
  refused(attempts: readonly RefusedAttempt[], reason: ProposalRefusal, nowMs: number): void {
    for (const { sequence, attempt } of attempts) {
      const operation = this.outstanding.get(sequence);
      const at = operation?.open.indexOf(attempt) ?? -1;
      if (operation === undefined || at < 0) continue;
      operation.open.splice(at, 1);
      operation.retryAtMs = nowMs + REFUSED_RETRY_MS;
      if (reason !== "notLeader") this.refuse(operation, reason);
    }
  }

  /** This node applied an entry that speaks of one of its operations. */
  outcome(sequence: number, result: Result | undefined): void {
    const operation = this.outstanding.get(sequence);
    if (operation !== undefined) {
      // What has waited in the state machine says nothing of the way there.
      this.outcomes++;
      // Which of its attempts was carried out nobody says: the first at least was on its way before.
      this.arrivedAttempt = Math.max(this.arrivedAttempt, operation.open[0] ?? 0);
    }
    if (result === undefined) {
      if (operation === undefined) return;
      this.forget(operation);
      operation.resumed = false;
      this.queued.set(sequence, operation);
      return;
    }
    if (this.protocol.isStale(result)) {
      if (operation?.resumed === true) {
        this.lost(operation);
        return;
      }
      // A late copy of something that has ended is refused, and nobody asks. If it has not ended, another process
      // of this node's name has registered since: nothing was executed, so register again and go on.
      if (operation !== undefined) this.registerAgain();
      return;
    }
    const ended = operation ?? this.queued.get(sequence);
    if (ended === undefined) return;
    this.forget(ended);
    ended.settle?.({ result });
  }

  /** Deadlines and repeated proposals; costs nothing while all is young. */
  sweep(nowMs: number): void {
    if (nowMs - this.lastSweepMs < SWEEP_MS) return;
    this.lastSweepMs = nowMs;
    if (this.outcomes > this.sweptOutcomes) this.lastOutcomeMs = nowMs;
    this.sweptOutcomes = this.outcomes;
    for (const operation of this.outstanding.values()) {
      const ageMs = nowMs - operation.sinceMs;
      if (ageMs < SWEEP_MS) break;
      if (ageMs >= LEADER_WAIT_MS && operation.settle !== undefined) this.expire(operation, nowMs);
      else if (nowMs >= operation.retryAtMs && !this.isOnItsWay(operation, nowMs)) this.unsent.add(operation);
    }
    if (nowMs - this.lastQueuedSweepMs < SWEEP_QUEUED_MS) return;
    this.lastQueuedSweepMs = nowMs;
    for (const operation of this.queued.values()) {
      if (nowMs - operation.createdAtMs >= operation.waitMs + WAIT_GRACE_MS) this.expire(operation, nowMs);
    }
  }

  /** Nothing will be applied here any more: whoever waits is told what is known, and that is little. */
  giveUp(): void {
    this.cancels.clear();
    for (const operation of [...this.outstanding.values(), ...this.queued.values()]) {
      const isDefinite = operation.open.length === 0 && !this.queued.has(operation.sequence);
      this.forget(operation);
      operation.settle?.({ failure: isDefinite ? "no_leader" : "outcome_unknown" });
    }
    this.registered = false;
  }

  /** Lowest outstanding sequence; the next one when there is none. */
  private get floor(): number {
    while (this.lowest < this.nextSequence && !this.outstanding.has(this.lowest)) this.lowest++;
    return this.lowest;
  }

  private hasRoom(share: number): boolean {
    if (this.outstanding.size >= limits.maxOutstandingOperations * share) return false;
    return this.nextSequence - this.floor < limits.maxOperationWindow * share;
  }

  private register(nowMs: number): void {
    if (this.registered || this.registering !== 0 || nowMs < this.registerNotBeforeMs) return;
    this.registerNotBeforeMs = nowMs + REFUSED_RETRY_MS;
    const registering = this.submit(this.protocol.register, nowMs, { reserved: true }, (end) => {
      this.registering = 0;
      this.registered = "result" in end;
    });
    this.registering = registering ?? 0;
  }

  private registerAgain(): void {
    if (!this.registered) return;
    this.registered = false;
    this.repropose();
  }

  private offer(operation: Operation<Result>, nowMs: number, propose: Propose): void {
    operation.attempt = this.nextAttempt++;
    operation.retryAtMs = nowMs + REPROPOSE_MS;
    const tried = propose(operation);
    if (tried === "sent") operation.open.push(operation.attempt);
    else if (tried === "unsent") this.unsent.add(operation);
    else {
      operation.retryAtMs = nowMs + REFUSED_RETRY_MS;
      this.refuse(operation, tried);
    }
  }

  /**
   * The log is behind but moves, and none of those that were sent later has come through. ↯ 100,000 requests come at once,
   * the log is seconds behind, and every second all that wait in it are put into it once more: it never catches up.
   */
  private isOnItsWay({ open }: Operation<Result>, nowMs: number): boolean {
    return nowMs - this.lastOutcomeMs < REPROPOSE_MS && (open.at(-1) ?? 0) > this.arrivedAttempt;
  }

  private expire(operation: Operation<Result>, nowMs: number): void {
    this.forget(operation);
    if (operation.open.length > 0) operation.settle?.({ failure: "outcome_unknown" });
    else operation.settle?.({ failure: operation.refusal ?? "no_leader" });
    this.cancel(operation, nowMs);
  }

  /** It waited, ended in an entry that was skipped, and nobody remembers how: what it may hold is given back. */
  private lost(operation: Operation<Result>): void {
    this.forget(operation);
    operation.settle?.({ failure: "outcome_unknown" });
    if (operation.cancellable) this.cancels.add(operation.sequence);
  }

  /** A definite refusal of one attempt is one of the operation when no other attempt may have reached a log. */
  private refuse(operation: Operation<Result>, reason: Exclude<ProposalRefusal, "notLeader">): void {
    const failure = reason === "overloaded" ? "limit" : "disk_full";
    operation.refusal = failure;
    if (operation.open.length > 0) return;
    // What waits for this process to be registered would only wait in vain.
    if (operation.sequence === this.registering && failure === "disk_full") this.refuseUnregistered();
    if (operation.reserved) return;
    this.forget(operation);
    operation.settle?.({ failure });
  }

  private refuseUnregistered(): void {
    for (const operation of this.outstanding.values()) {
      if (operation.sequence !== this.registering) this.refuse(operation, "diskFull");
    }
  }

  private cancel({ cancellable, open, sequence }: Operation<Result>, nowMs: number): void {
    if (cancellable && open.length > 0) this.undelivered(sequence, nowMs);
  }

  private submitCancels(nowMs: number): void {
    for (const sequence of this.cancels) {
      if (!this.hasRoom(CANCEL_SHARE)) return;
      this.cancels.delete(sequence);
      this.submit(this.protocol.cancel(this.identity, sequence), nowMs, { reserved: true }, undefined);
    }
  }

  private forget(operation: Operation<Result>): void {
    this.outstanding.delete(operation.sequence);
    this.queued.delete(operation.sequence);
    this.unsent.delete(operation);
  }
}
