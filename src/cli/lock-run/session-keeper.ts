import { type ClusterClient, errorCode, errorMessage, Unreachable } from "../cluster-client.ts";
import { pause } from "../pause.ts";

export interface KeeperOptions {
  readonly client: ClusterClient;
  readonly ttlMs: number;
  /** How long before the local deadline the session is given up, so that what depends on it can be stopped by then. */
  readonly graceMs: number;
  /** Until when to look for a node that opens the session, by `performance.now()`. */
  readonly untilMs: number;
  readonly signal: AbortSignal;
}

const PAUSE_AFTER_FAILURE_MS = 50;
const CLOSE_PATIENCE_MS = 5_000;

/**
 * A session that is renewed every third of its TTL, and given up before the cluster can have ended it.
 *
 * The cluster counts the TTL from the moment when it applies a renewal. Here it counts from just before the renewal
 * that was answered last was *sent*, by this machine's monotonic clock: that end is always the earlier one.
 */
export class SessionKeeper {
  private readonly closed = new AbortController();
  private readonly loss = Promise.withResolvers<string>();
  private lossReason: string | undefined;

  private constructor(
    private readonly options: KeeperOptions,
    readonly id: string,
    private renewedAtMs: number,
  ) {
    void this.renewUntilClosed();
    void this.watchDeadline();
  }

  /**
   * Opens a session and keeps it until it is closed.
   *
   * @throws {Unreachable}
   */
  static async open(options: KeeperOptions): Promise<SessionKeeper> {
    const { client, ttlMs, untilMs, signal } = options;
    // Not that of the attempt which was answered: an earlier one may have opened the session.
    const startedAtMs = performance.now();
    const answer = await client.call({
      method: "POST",
      target: () => `/session?ttl=${ttlMs / 1000}`,
      attemptMs: attemptMsOf(ttlMs),
      untilMs,
      idempotencyKey: crypto.randomUUID(),
      signal,
    });
    const id = (answer.body as { readonly session?: unknown } | undefined)?.session;
    if (answer.status !== 200 || typeof id !== "string") throw new Unreachable(errorMessage(answer));
    return new SessionKeeper(options, id, startedAtMs);
  }

  /** Resolves with the reason when the session has ended, or may end within the grace. Never after {@link close}. */
  get lost(): Promise<string> {
    return this.loss.promise;
  }

  /** Why it was lost, if it was; looks at the clock, and does not wait for a timer that is late. */
  get lostBecause(): string | undefined {
    if (performance.now() >= this.givenUpAtMs) this.lose(LATE);
    return this.lossReason;
  }

  /** Ends the session and releases what it holds. @returns false when the cluster had ended it before */
  async close(): Promise<boolean> {
    this.closed.abort();
    // Of a lost one nothing depends on its end any more: it is only a courtesy to those who wait.
    const patienceMs = this.lossReason === undefined ? Math.min(CLOSE_PATIENCE_MS, this.options.ttlMs) : 0;
    try {
      const answer = await this.options.client.call({
        method: "DELETE",
        target: () => `/session/${encodeURIComponent(this.id)}`,
        attemptMs: attemptMsOf(this.options.ttlMs),
        untilMs: performance.now() + patienceMs,
        // A retry must not take the success of the attempt before it for an end that came from elsewhere.
        idempotencyKey: crypto.randomUUID(),
      });
      return errorCode(answer) !== "session_expired";
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      // It ends by its TTL.
      return true;
    }
  }

  private get givenUpAtMs(): number {
    return this.renewedAtMs + this.options.ttlMs - this.options.graceMs;
  }

  private async renewUntilClosed(): Promise<void> {
    const { ttlMs, client } = this.options;
    const { signal } = this.closed;
    while (!signal.aborted) {
      await pause(this.renewedAtMs + ttlMs / 3 - performance.now(), signal);
      if (signal.aborted) return;
      try {
        const answer = await client.call({
          method: "PUT",
          target: () => `/session/${encodeURIComponent(this.id)}`,
          attemptMs: attemptMsOf(ttlMs),
          untilMs: this.givenUpAtMs,
          signal,
        });
        if (errorCode(answer) === "session_expired") this.lose("its session has ended");
        else if (answer.status === 200) this.renewedAtMs = answer.sentAtMs;
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
      }
      await pause(PAUSE_AFTER_FAILURE_MS, signal);
    }
  }

  private async watchDeadline(): Promise<void> {
    const { signal } = this.closed;
    while (!signal.aborted && this.lostBecause === undefined) {
      await pause(this.givenUpAtMs - performance.now(), signal);
    }
  }

  private lose(reason: string): void {
    if (this.closed.signal.aborted || this.lossReason !== undefined) return;
    this.lossReason = reason;
    this.loss.resolve(reason);
    // A renewal now could only make it look alive.
    this.closed.abort();
  }
}

const LATE = "its session could not be renewed in time";

/** So short that each of several nodes can be asked within a TTL. */
function attemptMsOf(ttlMs: number): number {
  return Math.min(5_000, Math.max(200, ttlMs / 6));
}
