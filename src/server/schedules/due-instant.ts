import { Cron } from "croner";

/** How the next instant of a cron expression is found. @returns undefined: there is none */
export type NextInstant = (afterMs: number) => number | undefined;

/** Looked at from close by first: after an hour of silence nobody walks through 3,600 seconds of it. */
const WINDOWS_MS = [60_000, 3_600_000, 86_400_000, 31 * 86_400_000];

/** @throws for an expression or a zone that cannot be read */
export function nextInstantOf(cron: string, zone: string): NextInstant {
  const parsed = new Cron(cron, { timezone: zone, paused: true, mode: "5-or-6-parts" });
  return (afterMs) => parsed.nextRun(new Date(afterMs))?.getTime();
}

/**
 * The last instant after `sinceMs` that has come by `nowMs`: of several that were missed the others are not made up for (PROTOCOLS T3).
 *
 * @returns undefined: none has come
 */
export function dueInstant(next: NextInstant, sinceMs: number, nowMs: number): number | undefined {
  const first = next(sinceMs);
  if (first === undefined || first > nowMs) return undefined;
  let due = first;
  for (const windowMs of WINDOWS_MS) {
    if (nowMs - windowMs <= due) break;
    const late = next(nowMs - windowMs);
    if (late === undefined || late > nowMs) continue;
    due = late;
    break;
  }
  for (let later = next(due); later !== undefined && later <= nowMs; later = next(due)) due = later;
  return due;
}
