import type { Engine } from "../engine/engine.ts";
import type { GroupHost } from "../engine/group-host.ts";
import type { OperationOptions } from "../engine/ingress.ts";
import { limits } from "../kernel/limits.ts";
import type { ApiError } from "../api/errors.ts";
import { GroupError, type SubmitOptions } from "./control-group.ts";

export interface GroupClientOptions<Command> {
  /** How the ingress treats a command. */
  readonly optionsOf: (command: Command, idempotencyKey: string | undefined) => OperationOptions;
  /** Why the group serves nothing any more; undefined: it does. */
  readonly stoppedError: () => ApiError | undefined;
}

/** One group as request handlers see it: promises over the engine's callbacks. */
export class GroupClient<Command, Result> {
  private pending = 0;
  private closed = false;

  constructor(
    private readonly engine: Engine,
    private readonly host: GroupHost<Command, Result>,
    private readonly options: GroupClientOptions<Command>,
  ) {}

  /** Requests that wait for an answer of the engine. */
  get pendingCount(): number {
    return this.pending;
  }

  /** New requests are refused; those that wait are answered as they end. */
  close(): void {
    this.closed = true;
  }

  /**
   * Proposes through the leader, wherever it is, and resolves with the result of the applied entry.
   *
   * @throws {GroupError}
   * @throws {ApiError} `group_stopped`
   */
  submit(command: Command, { idempotencyKey, signal }: SubmitOptions = {}): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const ingressOptions = this.options.optionsOf(command, idempotencyKey);
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

  /**
   * Resolves when this node's state covers everything acknowledged before the call (PROTOCOLS R4), with the applied index.
   *
   * @throws {GroupError} `no_leader`
   */
  readBarrier(): Promise<number> {
    return this.ask<number>((resolve, reject) => {
      this.host.readBarrier(this.engine.nowMs(), (index) => {
        if (index === undefined) reject(this.stoppedError() ?? this.noRoom(false) ?? new GroupError("no_leader"));
        else resolve(index);
      });
    });
  }

  /**
   * Asks the engine something that it answers once.
   *
   * @throws {GroupError} at once, when the group cannot be asked
   */
  ask<Value>(start: (resolve: (value: Value) => void, reject: (error: unknown) => void) => void): Promise<Value> {
    const { promise, resolve, reject } = Promise.withResolvers<Value>();
    const refusal = this.refusal(undefined);
    if (refusal !== undefined) {
      reject(refusal);
      return promise;
    }
    this.pending++;
    start(
      (value) => {
        this.pending--;
        resolve(value);
      },
      (error) => {
        this.pending--;
        reject(error);
      },
    );
    this.engine.wake();
    return promise;
  }

  private stoppedError(): ApiError | undefined {
    return this.host.stopped === undefined ? undefined : this.options.stoppedError();
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
}
