import type { OperationRecord } from "../../torture/history.ts";
import { type Changes, operation } from "./records.ts";

export interface AskedPermits {
  readonly owner?: string;
  readonly semaphore?: string;
  readonly permits?: number;
  readonly limit?: number;
  /** In seconds. */
  readonly ttl?: number;
}

/** Of owner `a` for as many permits of semaphore `x`, of 3, as there are slots. */
export function permits(
  atMs: number,
  token: number,
  slots: readonly number[],
  asked: AskedPermits = {},
  changes: Changes = {},
): OperationRecord {
  const { semaphore = "x", owner = "a", limit = 3, ttl = 10, permits: count = slots.length } = asked;
  const output = {
    ...{ status: "acquired", semaphore, permits: count, limit, slots, owner, fencing_token: token },
    ...{ session: `owner:${owner}`, expires_in_ms: ttl * 1_000, leader: "node1", term: 1 },
  };
  const input = { semaphore, permits: count, limit, owner, ttl, timeout: 1 };
  return operation("semaphores.acquire", atMs, input, output, changes);
}

export function releasePermits(atMs: number, token: number | undefined, owner = "a", changes: Changes = {}) {
  const named = token === undefined ? {} : { fencing_token: token };
  const output = { status: "released", semaphore: "x", released_by: owner, granted_to: null };
  return operation("semaphores.release", atMs, { semaphore: "x", owner, ...named }, output, changes);
}

/** A refusal that speaks of another limit. */
export function limitIs(limit: number): Changes {
  const error = { code: "semaphore_limit", message: "", details: { limit } };
  return { outcome: "error", status: 409, code: "semaphore_limit", output: { detail: "", error } };
}

export interface ShownPermits {
  readonly limit?: number | null;
  readonly held?: Readonly<Record<string, readonly [token: number, ...slots: number[]]>>;
  readonly queue?: readonly string[];
  readonly available?: number;
}

/** What a read of semaphore `x` shows, which exists if anybody holds or waits. */
export function inspectSemaphore(atMs: number, index: number, { held = {}, queue = [], ...shown }: ShownPermits = {}) {
  const holders = Object.entries(held).map(([owner, [fencing_token, ...slots]]) => ({
    ...{ owner, permits: slots.length, slots, fencing_token, held_for_ms: 1, expires_in_ms: 1 },
  }));
  const used = holders.reduce((sum, { slots }) => sum + slots.length, 0);
  const exists = holders.length + queue.length > 0;
  const limit = shown.limit ?? (exists ? 3 : null);
  const available = shown.available ?? (limit === null ? null : limit - used);
  const waiting = queue.map((owner) => ({ owner, permits: 1, waiting_for_ms: 1 }));
  const output = { semaphore: "x", limit, available, holders, queue: waiting, as_of_index: index };
  return operation("semaphores.inspect", atMs, { semaphore: "x" }, output);
}
