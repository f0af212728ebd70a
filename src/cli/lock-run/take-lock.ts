import type { acquireLock } from "../../api/locks.ts";
import type { OperationOutput } from "../../api/operation.ts";
import { type ClientAnswer, type ClusterClient, errorCode, errorMessage, Unreachable } from "../cluster-client.ts";
import { pause } from "../pause.ts";
import { SessionKeeper } from "./session-keeper.ts";

export interface LockWish {
  readonly client: ClusterClient;
  /** Of the lock, in the HTTP interface. */
  readonly path: string;
  readonly lockType: "exclusive" | "shared";
  readonly ttlMs: number;
  readonly graceMs: number;
  /** When to give up waiting, by `performance.now()`; Infinity: never. */
  readonly deadlineMs: number;
  /** The longest that one request may wait. */
  readonly stepMs: number;
  /** Aborts when somebody asked us to stop. */
  readonly signal: AbortSignal;
}

export type Taken =
  | { readonly type: "granted"; readonly keeper: SessionKeeper; readonly fencingToken: number }
  | { readonly type: "held"; readonly answer: ClientAnswer }
  | { readonly type: "refused"; readonly sentence: string }
  | { readonly type: "stopped" };

type Step = ClientAnswer | Unreachable;

/** Beyond the wait itself: forwarding and an election. */
const SLACK_MS = 10_000;
/** How long no node may answer before a run that waits without an end is given up. */
const SILENCE_MS = 30_000;

/**
 * Opens a session and waits for the lock, beginning anew with another session when that one is lost meanwhile.
 *
 * @throws {Unreachable}
 */
export async function takeLock(wish: LockWish): Promise<Taken> {
  const { client, ttlMs, graceMs, deadlineMs, signal } = wish;
  for (;;) {
    const untilMs = Math.min(deadlineMs, performance.now() + SILENCE_MS);
    let keeper: SessionKeeper;
    try {
      keeper = await SessionKeeper.open({ client, ttlMs, graceMs, untilMs, signal });
    } catch (error) {
      if (signal.aborted) return { type: "stopped" };
      throw error;
    }
    const taken = await waitWith(keeper, wish).catch(async (error: unknown) => {
      await keeper.close();
      throw error;
    });
    if (taken?.type === "granted" && keeper.lostBecause === undefined) return taken;
    await keeper.close();
    if (taken !== undefined && taken.type !== "granted") return taken;
    if (performance.now() >= deadlineMs) {
      throw new Unreachable("the cluster did not keep the session that waited for the lock.");
    }
  }
}

/** @returns undefined when the session was lost */
async function waitWith(keeper: SessionKeeper, wish: LockWish): Promise<Taken | undefined> {
  const over = new AbortController();
  const stop = (): void => over.abort();
  wish.signal.addEventListener("abort", stop, { once: true });
  void keeper.lost.then(stop);
  if (wish.signal.aborted) stop();
  try {
    return await waitForGrant(keeper, wish, over.signal);
  } finally {
    wish.signal.removeEventListener("abort", stop);
    over.abort();
  }
}

/**
 * Asks in steps of what one request may wait. The next step is sent well before the last one ends and joins its place
 * in the queue: with a pause between them each step would begin at the end of the queue.
 */
async function waitForGrant(keeper: SessionKeeper, wish: LockWish, signal: AbortSignal): Promise<Taken | undefined> {
  let older: Promise<Step> | undefined;
  for (;;) {
    const leftMs = Math.max(0, wish.deadlineMs - performance.now());
    const stepMs = Math.min(leftMs, wish.stepMs);
    const newer = ask(keeper, wish, performance.now() + stepMs, signal);
    const isLast = stepMs === leftMs;
    const step = await firstOf(newer, older, isLast ? undefined : stepMs * 0.75, signal);
    if (wish.signal.aborted) return { type: "stopped" };
    if (keeper.lostBecause !== undefined) return undefined;
    if (step === undefined) {
      older = newer;
      continue;
    }
    if (step instanceof Unreachable) throw step;
    if (step.status === 200) {
      const grant = step.body as OperationOutput<typeof acquireLock>;
      return { type: "granted", keeper, fencingToken: grant.fencing_token };
    }
    const code = errorCode(step);
    if (code === "session_expired") return undefined;
    if (code !== "lock_held" && code !== "cancelled") return { type: "refused", sentence: errorMessage(step) };
    if (isLast) return { type: "held", answer: step };
    older = undefined;
  }
}

/** The newer request's end, or the older one's grant; undefined when it is time for the next step. */
async function firstOf(
  newer: Promise<Step>,
  older: Promise<Step> | undefined,
  pauseMs: number | undefined,
  signal: AbortSignal,
): Promise<Step | undefined> {
  const ends: Promise<Step | undefined>[] = [newer];
  const decided = new AbortController();
  if (older !== undefined) ends.push(older.then((step) => (isGrant(step) ? step : newer)));
  if (pauseMs !== undefined) {
    ends.push(pause(pauseMs, AbortSignal.any([signal, decided.signal])).then(() => undefined));
  }
  try {
    return await Promise.race(ends);
  } finally {
    decided.abort();
  }
}

function isGrant(step: Step): boolean {
  return !(step instanceof Unreachable) && step.status === 200;
}

async function ask(keeper: SessionKeeper, wish: LockWish, endsAtMs: number, signal: AbortSignal): Promise<Step> {
  const leftSeconds = (): number => Math.max(0, Math.round(endsAtMs - performance.now())) / 1000;
  const fields = `lock_type=${wish.lockType}&session=${encodeURIComponent(keeper.id)}`;
  try {
    return await wish.client.call({
      method: "POST",
      target: () => `${wish.path}?${fields}&timeout=${leftSeconds()}`,
      attemptMs: Math.max(0, endsAtMs - performance.now()) + SLACK_MS,
      // A longer silence loses the session, which ends this, too.
      untilMs: endsAtMs,
      signal,
    });
  } catch (error) {
    if (error instanceof Unreachable) return error;
    throw error;
  }
}
