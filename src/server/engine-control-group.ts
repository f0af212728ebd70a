import type { Engine } from "../engine/engine.ts";
import type { GroupHost } from "../engine/group-host.ts";
import { operationOptions } from "../engine/lock-protocol.ts";
import { limits } from "../kernel/limits.ts";
import type { MembershipChange, MembershipEnd } from "../engine/membership-change.ts";
import type { TransferEnd } from "../engine/transfers.ts";
import type { LockMachine } from "../locks/lock-machine.ts";
import type { LockCommand, LockResult } from "../locks/types.ts";
import type { ReplicaId } from "../raft/types.ts";
import type { ApiError } from "../api/errors.ts";
import {
  type ControlGroup,
  GroupError,
  type Leadership,
  type MemberStatus,
  type NodeStatus,
  type ObserveOptions,
  type SubmitOptions,
} from "./control-group.ts";
import { LockObservers } from "./lock-observers.ts";
import { stoppedError } from "./stopped-group.ts";

interface WaitingKeepalive {
  readonly resolve: (expiresInMs: number | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** Group 0 as request handlers see it: promises over the engine's callbacks. */
export class EngineControlGroup implements ControlGroup {
  private pending = 0;
  private keepalives = new Map<string, WaitingKeepalive[]>();
  private closed = false;
  private readonly observers: LockObservers;

  constructor(
    readonly nodeId: string,
    private readonly engine: Engine,
    private readonly host: GroupHost<LockCommand, LockResult>,
    readonly state: LockMachine,
    readonly status: () => NodeStatus,
    private readonly nodeIdOf: (replica: ReplicaId) => string | undefined,
  ) {
    this.observers = new LockObservers(state);
  }

  leadership(): Leadership {
    const { leader, term } = this.host.raft;
    return { leader: this.nodeIdOf(leader), term };
  }

  leaseTimeMs(): number {
    // An entry carries lease time as of when it was proposed, which may be ahead of what a round has confirmed.
    return Math.max(this.host.raft.leaseTime.nowMs, this.state.leaseTimeMs);
  }

  /** Requests that wait for an answer of the engine. */
  get pendingCount(): number {
    return this.pending;
  }

  /** Requests that wait for a lock to change. */
  get observerCount(): number {
    return this.observers.count;
  }

  /** The group applies nothing any more: nothing that observers wait for will happen here. */
  stopped(): void {
    this.observers.close();
  }

  /** A turn ended in the middle, perhaps of an entry: nothing of the state is shown any more. */
  break(): void {
    this.closed = true;
    this.observers.break();
  }

  /** New requests are refused; those that wait are answered as they end, and observers with the state as it is. */
  close(): void {
    this.closed = true;
    this.observers.close();
  }

  submit(command: LockCommand, options: SubmitOptions = {}): Promise<LockResult> {
    const { promise, resolve, reject } = Promise.withResolvers<LockResult>();
    const { signal } = options;
    const ingressOptions = operationOptions(command, options.idempotencyKey);
    const refusal = this.refusal(signal) ?? this.noRoom(ingressOptions.reserved ?? false);
    if (refusal !== undefined) {
      reject(refusal);
      return promise;
    }
    this.pending++;
    let sequence: number | undefined;
    const aborted = (): void => {
      this.pending--;
      if (sequence !== undefined) this.host.ingress.abandon(sequence, this.engine.nowMs());
      this.engine.wake();
      reject(new GroupError("aborted"));
    };
    sequence = this.host.ingress.submit(command, this.engine.nowMs(), ingressOptions, (end) => {
      this.pending--;
      signal?.removeEventListener("abort", aborted);
      if ("result" in end) resolve(end.result);
      else reject((end.failure === "no_leader" ? this.stoppedError() : undefined) ?? new GroupError(end.failure));
    });
    if (sequence !== undefined) signal?.addEventListener("abort", aborted, { once: true });
    this.engine.wake();
    return promise;
  }

  keepalive(session: string): Promise<number | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
    // The first of a turn sends for all that join it before the event loop comes round.
    if (this.keepalives.size === 0) setImmediate(() => this.sendKeepalives());
    const waiting = this.keepalives.get(session);
    if (waiting === undefined) this.keepalives.set(session, [{ resolve, reject }]);
    else waiting.push({ resolve, reject });
    return promise;
  }

  readBarrier(): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const refusal = this.refusal(undefined);
    if (refusal !== undefined) {
      reject(refusal);
      return promise;
    }
    this.pending++;
    this.host.readBarrier(this.engine.nowMs(), (index) => {
      this.pending--;
      if (index === undefined) reject(this.stoppedError() ?? this.noRoom(false) ?? new GroupError("no_leader"));
      else resolve(index);
    });
    this.engine.wake();
    return promise;
  }

  observe(lock: string, options: ObserveOptions): Promise<void> {
    return this.observers.wait(lock, options);
  }

  transferLeadership(to: MemberStatus | undefined): Promise<TransferEnd> {
    const { promise, resolve, reject } = Promise.withResolvers<TransferEnd>();
    const refusal = this.refusal(undefined);
    if (refusal !== undefined) {
      reject(refusal);
      return promise;
    }
    this.pending++;
    this.host.transferLeadership(to?.replica ?? 0, this.engine.nowMs(), (end) => {
      this.pending--;
      resolve(end);
    });
    this.engine.wake();
    return promise;
  }

  changeMembers(change: MembershipChange): Promise<MembershipEnd> {
    const { promise, resolve, reject } = Promise.withResolvers<MembershipEnd>();
    const refusal = this.refusal(undefined);
    if (refusal !== undefined) {
      reject(refusal);
      return promise;
    }
    this.pending++;
    this.host.changeMembers(change, this.engine.nowMs(), (end) => {
      this.pending--;
      resolve(end);
    });
    this.engine.wake();
    return promise;
  }

  private stoppedError(): ApiError | undefined {
    if (this.host.stopped === undefined) return undefined;
    const { stopped } = this.status();
    return stopped === undefined ? undefined : stoppedError(stopped);
  }

  private refusal(signal: AbortSignal | undefined): GroupError | ApiError | undefined {
    if (this.closed) return new GroupError("no_leader");
    if (this.host.stopped !== undefined) return this.stoppedError();
    if (signal?.aborted === true) return new GroupError("aborted");
    if (this.pending >= limits.maxPendingRequests) return new GroupError("limit");
    return undefined;
  }

  /**
   * What this node cannot write it never applies, and so sees no outcome of. What gives back or keeps alive is sent to the
   * leader all the same: that it happens matters more than that somebody sees it.
   */
  private noRoom(reserved: boolean): GroupError | undefined {
    return !reserved && this.engine.disk.state === "exhausted" ? new GroupError("disk_full") : undefined;
  }

  private sendKeepalives(): void {
    const batch = [...this.keepalives];
    this.keepalives = new Map();
    for (let start = 0; start < batch.length; start += limits.maxKeepaliveSessions) {
      void this.sendKeepalive(batch.slice(start, start + limits.maxKeepaliveSessions));
    }
  }

  private async sendKeepalive(
    batch: readonly (readonly [session: string, waiting: WaitingKeepalive[]])[],
  ): Promise<void> {
    const sessions = batch.map(([session]) => session);
    try {
      const result = await this.submit({ type: "keepalive", sessions });
      const expiresInMs = result.type === "keptAlive" ? result.expiresInMs : [];
      batch.forEach(([, waiting], index) => waiting.forEach((one) => one.resolve(expiresInMs[index])));
    } catch (error) {
      for (const [, waiting] of batch) for (const one of waiting) one.reject(error);
    }
  }
}
