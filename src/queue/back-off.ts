import type { QueueSettings } from "./types.ts";

/** Of the delay, in per cent, to either side: those that failed together do not come back together. */
const JITTER_PERCENT = 25;

/**
 * How long a message that was given back stays away: `backoffMs`, doubled with each failure after the first, up to `maxBackoffMs`, and up to a
 * quarter more or less. What is added is a function of the message and its attempt, so that all replicas add the same.
 *
 * @param failures deliveries that failed so far, at least 1
 * @returns ms, an integer
 */
export function backOffMs(settings: QueueSettings, failures: number, message: number, attempt: number): number {
  const { backoffMs, maxBackoffMs } = settings;
  if (backoffMs === 0) return 0;
  const fullMs = Math.min(maxBackoffMs, backoffMs * 2 ** Math.min(failures - 1, 40));
  const spreadMs = Math.floor((fullMs * JITTER_PERCENT) / 100);
  const offset = mix(message, attempt) % (2 * spreadMs + 1);
  return fullMs - spreadMs + offset;
}

/** A well-mixed integer in 0…2³²−1. */
export function mix(a: number, b: number): number {
  let hash = Math.imul((a | 0) ^ 0x2545f491, 0x9e3779b1) ^ Math.floor(a / 0x1_0000_0000);
  hash = Math.imul(hash ^ (hash >>> 15) ^ b, 0x85ebca77);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae3d);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * Of one delivery: random as the request's own is, and another one for each message of it.
 *
 * @param nonce of the request, 0…2⁴⁸−1
 * @returns 0…2⁴⁸−1
 */
export function deliveryNonce(nonce: number, message: number): number {
  const low = mix(nonce, message | 0);
  const high = mix(Math.floor(nonce / 0x1_0000), Math.floor(message / 0x1_0000_0000) ^ low) & 0xffff;
  return high * 0x1_0000_0000 + low;
}
