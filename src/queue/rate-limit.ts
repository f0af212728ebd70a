import type { Queue } from "./queue.ts";

/*
 * The generic cell rate algorithm (ITU-T I.371, annex A): `rateLimit` deliveries in any `rateIntervalMs`, which may come all at once. One
 * number of state: when the next one would come if they came evenly. Integers, in µs of lease time.
 */

/** Between two deliveries that come evenly. */
function stepUs({ settings }: Queue): number {
  return Math.max(1, Math.floor((settings.rateIntervalMs * 1000) / settings.rateLimit));
}

/** Deliveries that the limit allows now. */
export function allowance(queue: Queue, nowMs: number): number {
  const { rateLimit } = queue.settings;
  if (rateLimit === 0) return Number.POSITIVE_INFINITY;
  const nowUs = nowMs * 1000;
  const aheadUs = Math.max(0, queue.arrivalUs - nowUs);
  return Math.max(0, rateLimit - Math.ceil(aheadUs / stepUs(queue)));
}

/** A message was given out. */
export function count(queue: Queue, nowMs: number): void {
  if (queue.settings.rateLimit === 0) return;
  queue.arrivalUs = Math.max(queue.arrivalUs, nowMs * 1000) + stepUs(queue);
}

/** Lease time from which on there is an allowance; now, if there is one. */
export function allowedAtMs(queue: Queue, nowMs: number): number {
  if (allowance(queue, nowMs) > 0) return nowMs;
  const step = stepUs(queue);
  return Math.ceil((queue.arrivalUs - (queue.settings.rateLimit - 1) * step) / 1000);
}
