import type { Engine } from "../engine/engine.ts";
import type { GroupHost } from "../engine/group-host.ts";
import { operationOptions } from "../engine/lock-protocol.ts";
import { limits } from "../kernel/limits.ts";
import type { MembershipChange, MembershipEnd } from "../engine/membership-change.ts";
import type { TransferEnd } from "../engine/transfers.ts";
import type { LockMachine } from "../locks/lock-machine.ts";
import type { LockCommand, LockResult } from "../locks/types.ts";
import type { ReplicaId } from "../raft/types.ts";
import type {
  ControlGroup,
  Leadership,
  MemberStatus,
  NodeStatus,
  ObserveOptions,
  SubmitOptions,
} from "./control-group.ts";
import { GroupClient } from "./group-client.ts";
import { LockObservers } from "./lock-observers.ts";
import { stoppedError } from "./stopped-group.ts";

interface WaitingKeepalive {
  readonly resolve: (expiresInMs: number | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** Group 0 as request handlers see it. */
export class EngineControlGroup implements ControlGroup {
  private readonly client: GroupClient<LockCommand, LockResult>;
  private keepalives = new Map<string, WaitingKeepalive[]>();
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
    this.client = new GroupClient(engine, host, {
      optionsOf: operationOptions,
      stoppedError: () => {
        const { stopped } = this.status();
        return stopped === undefined ? undefined : stoppedError(stopped);
      },
    });
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
    return this.client.pendingCount;
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
    this.client.close();
    this.observers.break();
  }

  /** New requests are refused; those that wait are answered as they end, and observers with the state as it is. */
  close(): void {
    this.client.close();
    this.observers.close();
  }

  submit(command: LockCommand, options?: SubmitOptions): Promise<LockResult> {
    return this.client.submit(command, options);
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
    return this.client.readBarrier();
  }

  observe(lock: string, options: ObserveOptions): Promise<void> {
    return this.observers.wait(lock, options);
  }

  transferLeadership(to: MemberStatus | undefined): Promise<TransferEnd> {
    return this.client.ask((resolve) => this.host.transferLeadership(to?.replica ?? 0, this.engine.nowMs(), resolve));
  }

  changeMembers(change: MembershipChange): Promise<MembershipEnd> {
    return this.client.ask((resolve) => this.host.changeMembers(change, this.engine.nowMs(), resolve));
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
