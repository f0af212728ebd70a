import { limits } from "../kernel/limits.ts";
import type { ForwardedProposal } from "./peer-messages.ts";

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

export type OperationFailure = "no_leader" | "outcome_unknown" | "limit";

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
  readonly settle: Settle<Result> | undefined;
  readonly cancellable: boolean;
  readonly createdAtMs: number;
  readonly waitMs: number;
  /** Proposals that may have reached a log and were not refused. */
  unrefused: number;
  /** In `unsent`: goes out with the next pump. */
  unsent: boolean;
  lastTriedMs: number;
  /** A proposal was refused by a leader for load. */
  overloaded: boolean;
}

/** The leader is waited for this long, also by requests that wait for nothing else (DESIGN §10 `leaderWaitMs`). */
export const LEADER_WAIT_MS = 5_000;
/** An operation without an outcome is proposed again, under its id, after this long. */
const REPROPOSE_MS = 1_000;
/** One that was refused because there is no leader there: sooner. */
const REFUSED_RETRY_MS = 100;
/** Between two looks at deadlines. */
const SWEEP_MS = 50;
/** Beyond its wait in lease time, which stops with every election, a waiter is answered after this long. */
const WAIT_GRACE_MS = 10_000;

/**
 * Operations that this node took in and has not seen through (PROTOCOLS L7, Q1, Q2). Their outcomes come from this
 * node's own apply; until then each is proposed again, under the same id, whenever the leader may have changed.
 */
export class Ingress<Command, Result> {
  /** Not yet seen applied, by sequence, ascending. */
  private readonly outstanding = new Map<number, Operation<Result>>();
  /** Applied and waiting in the state machine. */
  private readonly queued = new Map<number, Operation<Result>>();
  private unsent: Operation<Result>[] = [];
  private nextSequence = 1;
  /** Sequence of the registration on its way; 0: none. */
  private registering = 0;
  private registered = false;
  private lastSweepMs = 0;

  constructor(
    readonly identity: number,
    private readonly protocol: OperationProtocol<Command, Result>,
  ) {}

  get outstandingCount(): number {
    return this.outstanding.size;
  }

  get queuedCount(): number {
    return this.queued.size;
  }

  get isRegistered(): boolean {
    return this.registered;
  }

  get hasUnsent(): boolean {
    return this.unsent.length > 0;
  }

  /** @returns the sequence with which {@link abandon} names the operation; undefined when it was refused for load */
  submit(
    command: Command,
    nowMs: number,
    options: OperationOptions,
    settle: Settle<Result> | undefined,
  ): number | undefined {
    const reserved = options.reserved ?? false;
    const share = reserved ? 1 : 0.9;
    const full =
      this.outstanding.size >= limits.maxOutstandingOperations * share ||
      this.nextSequence - this.floor >= limits.maxOperationWindow * share;
    if (full) {
      settle?.({ failure: "limit" });
      return undefined;
    }
    const sequence = this.nextSequence++;
    const envelope = {
      ingress: this.identity,
      sequence,
      floor: this.outstanding.size === 0 ? sequence : this.floor,
      idempotencyKey: options.idempotencyKey,
      command,
    };
    const operation: Operation<Result> = {
      ingress: this.identity,
      sequence,
      reserved,
      payload: this.protocol.encode(envelope),
      settle,
      cancellable: options.cancellable ?? false,
      createdAtMs: nowMs,
      waitMs: options.waitMs ?? 0,
      unrefused: 0,
      unsent: false,
      lastTriedMs: nowMs,
      overloaded: false,
    };
    this.outstanding.set(sequence, operation);
    this.sendLater(operation);
    return sequence;
  }

  /** Nobody listens to the operation any more: what it may hold is given back. */
  abandon(sequence: number, nowMs: number): void {
    const operation = this.outstanding.get(sequence) ?? this.queued.get(sequence);
    if (operation === undefined) return;
    this.forget(sequence);
    if (operation.unrefused > 0) this.cancel(operation, nowMs);
  }

  /** An operation was answered, but the answer could not be delivered. */
  undelivered(sequence: number, nowMs: number): void {
    this.submit(this.protocol.cancel(this.identity, sequence), nowMs, { reserved: true }, undefined);
  }

  /** Calls `propose` for everything that should go to the leader now. It says whether the leader may have got it. */
  pump(nowMs: number, propose: (operation: ForwardedProposal) => "sent" | "unsent" | "overloaded"): void {
    this.register(nowMs);
    if (this.unsent.length === 0) return;
    const batch = this.unsent;
    this.unsent = [];
    for (const operation of batch) {
      operation.unsent = false;
      if (!this.outstanding.has(operation.sequence)) continue;
      // Before this process is registered the state machine refuses everything else.
      if (!this.registered && operation.sequence !== this.registering) {
        this.sendLater(operation);
        continue;
      }
      operation.lastTriedMs = nowMs;
      const sent = propose(operation);
      if (sent === "sent") operation.unrefused++;
      else if (sent === "overloaded") this.overloaded(operation);
      else this.sendLater(operation);
    }
  }

  /** Leader or term changed, or the way to it broke: what was sent may be lost. Asks for everything again. */
  repropose(): void {
    for (const operation of this.outstanding.values()) this.sendLater(operation);
  }

  /** The node that we took for the leader did not propose these. They go again with a later sweep or a new leader. */
  refused(sequences: readonly number[], reason: "notLeader" | "overloaded"): void {
    for (const sequence of sequences) {
      const operation = this.outstanding.get(sequence);
      if (operation === undefined) continue;
      operation.unrefused = Math.max(0, operation.unrefused - 1);
      if (reason === "overloaded") this.overloaded(operation);
      else operation.lastTriedMs -= REPROPOSE_MS - REFUSED_RETRY_MS;
    }
  }

  /** This node applied an entry that speaks of one of its operations. */
  outcome(sequence: number, result: Result | undefined): void {
    const operation = this.outstanding.get(sequence);
    if (result === undefined) {
      if (operation === undefined) return;
      this.outstanding.delete(sequence);
      this.queued.set(sequence, operation);
      return;
    }
    if (this.protocol.isStale(result)) {
      // A late copy of something that has ended is refused, and nobody asks. If it has not ended, another process
      // of this node's name has registered since: nothing was executed, so register again and go on.
      if (operation !== undefined) this.registerAgain();
      return;
    }
    const ended = operation ?? this.queued.get(sequence);
    this.forget(sequence);
    ended?.settle?.({ result });
  }

  /** Deadlines and repeated proposals; costs nothing while all is young. */
  sweep(nowMs: number): void {
    if (nowMs - this.lastSweepMs < SWEEP_MS) return;
    this.lastSweepMs = nowMs;
    for (const operation of this.outstanding.values()) {
      const ageMs = nowMs - operation.createdAtMs;
      if (ageMs < SWEEP_MS) break;
      if (ageMs >= LEADER_WAIT_MS && operation.settle !== undefined) this.expire(operation, nowMs);
      else if (nowMs - operation.lastTriedMs >= REPROPOSE_MS) this.sendLater(operation);
    }
    for (const operation of this.queued.values()) {
      if (nowMs - operation.createdAtMs >= operation.waitMs + WAIT_GRACE_MS) this.expire(operation, nowMs);
    }
  }

  private get floor(): number {
    for (const sequence of this.outstanding.keys()) return sequence;
    return this.nextSequence;
  }

  private register(nowMs: number): void {
    if (this.registered || this.registering !== 0) return;
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

  private sendLater(operation: Operation<Result>): void {
    if (operation.unsent) return;
    operation.unsent = true;
    this.unsent.push(operation);
  }

  private expire(operation: Operation<Result>, nowMs: number): void {
    this.forget(operation.sequence);
    if (operation.unrefused > 0) {
      operation.settle?.({ failure: "outcome_unknown" });
      this.cancel(operation, nowMs);
    } else operation.settle?.({ failure: operation.overloaded ? "limit" : "no_leader" });
  }

  private overloaded(operation: Operation<Result>): void {
    operation.overloaded = true;
    if (operation.unrefused > 0 || operation.reserved) return;
    this.forget(operation.sequence);
    operation.settle?.({ failure: "limit" });
  }

  private cancel(operation: Operation<Result>, nowMs: number): void {
    if (!operation.cancellable) return;
    this.submit(this.protocol.cancel(this.identity, operation.sequence), nowMs, { reserved: true }, undefined);
  }

  private forget(sequence: number): void {
    this.outstanding.delete(sequence);
    this.queued.delete(sequence);
  }
}
