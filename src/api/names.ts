import { z } from "zod";
import { limits } from "../kernel/limits.ts";
import { utf8Length } from "../kernel/utf8.ts";

/** Text of 1 to `maxBytes` bytes of UTF-8. A lone surrogate has no UTF-8 and would collide with U+FFFD in the log. */
export function text(maxBytes: number) {
  const error = `must be text of 1 to ${maxBytes} bytes of UTF-8`;
  // A UTF-16 unit is at most three bytes, so the common short text is counted only once it is written to the log.
  return z
    .string({ error })
    .refine(
      (value) =>
        value.length > 0 && value.isWellFormed() && (value.length * 3 <= maxBytes || utf8Length(value) <= maxBytes),
      {
        error,
      },
    );
}

/** A lock's or resource's name. */
export const Name = text(limits.maxNameBytes);
const SHOWN_CHARACTERS = 64;
/** A name in a sentence: in quotes, and as much of it as a reader needs. */
export function shownName(name: string): string {
  return JSON.stringify(name.length > SHOWN_CHARACTERS ? `${name.slice(0, SHOWN_CHARACTERS)}…` : name);
}
/** The label of an implicit cluster-wide session. */
export const Owner = text(limits.maxOwnerBytes);
/** A session's id as `sessions.open` gave it, or the `session` of a grant. */
export const SessionId = text(limits.maxNameBytes + 16);
/** What a session is shown as, to its number. */
export const SessionName = z
  .string()
  .regex(/^session-\d{1,15}$/, { error: "must be the name of a session, such as session-7" })
  .transform((name) => Number(name.slice("session-".length)));
const valueError = `must be text of at most ${limits.maxValueBytes} bytes of UTF-8`;
/** What an exclusive holder lets others see; may be empty. */
export const Value = z
  .string({ error: valueError })
  .refine((value) => value.isWellFormed() && utf8Length(value) <= limits.maxValueBytes, { error: valueError });
export const LockType = z.enum(["exclusive", "shared"], { error: 'must be "exclusive" or "shared"' });
/** `linearizable` reads cost a round to a majority; `local` ones may be old (PROTOCOLS Q3). */
export const Consistency = z.enum(["linearizable", "local"], { error: 'must be "linearizable" or "local"' });

/** Twenty digits hold whatever a language prints of a binary fraction. */
const decimal = /^\d{1,9}(\.\d{1,20})?$/;

/**
 * Decimal seconds, a JSON number or plain digits in a string, to integer ms.
 *
 * The range holds for what was asked; then it is rounded up, so that no lease is shorter than asked and no wait becomes
 * "do not wait". Noise of binary fractions below a microsecond does not count: 0.07 s is 70 ms.
 */
export function duration(minMs: number, maxMs: number) {
  const error = `must be a decimal number of seconds from ${minMs / 1000} to ${maxMs / 1000}`;
  return z.union([z.number({ error }), z.string({ error })], { error }).transform((value, context) => {
    const seconds = typeof value === "number" ? value : decimal.test(value) ? Number(value) : Number.NaN;
    const ms = Math.ceil(Math.round(seconds * 1e6) / 1e3);
    // Written so that NaN fails, too.
    if (seconds * 1000 >= minMs && seconds * 1000 <= maxMs) return ms;
    context.issues.push({ code: "custom", message: error, input: value });
    return z.NEVER;
  });
}

/** How long a hold or session lives without being renewed. */
export const Ttl = duration(limits.minTtlMs, limits.maxTtlMs);
/** How long to wait for a lock; 0 does not wait. */
export const Wait = duration(0, limits.maxWaitMs);
export const defaultTtlMs = 30_000;
export const defaultWaitMs = 10_000;

/** An integer, as a JSON number or plain digits in a string. */
export function integer(min: number, max: number, error = `must be an integer from ${min} to ${max}`) {
  return z.union([z.number({ error }), z.string({ error })], { error }).transform((value, context) => {
    const number = typeof value === "number" ? value : /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
    if (Number.isSafeInteger(number) && number >= min && number <= max) return number;
    context.issues.push({ code: "custom", message: error, input: value });
    return z.NEVER;
  });
}

/** How many permits of a semaphore a request asks for. */
export const Permits = integer(1, limits.maxPermits);
/** How many there are. */
export const PermitLimit = integer(
  1,
  limits.maxPermits,
  `must say how many permits the semaphore has, from 1 to ${limits.maxPermits}`,
);
/** Of a lock, as `GET /lock/:name` shows it. */
export const Revision = integer(0, Number.MAX_SAFE_INTEGER);
export const FencingToken = integer(1, Number.MAX_SAFE_INTEGER);
export const PageLimit = integer(1, 1000);
/** Compared by code unit and shown nowhere, so also a part of a name will do; empty is none. */
export const NamePart = z
  .string()
  .max(limits.maxNameBytes, { error: `must be at most ${limits.maxNameBytes} characters` });
