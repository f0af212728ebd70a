import { type Grant, type Holds, numberOf, principalOf } from "../holds.ts";
import type { Request } from "../requests.ts";
import { type Check, type Violation, violation } from "./violation.ts";

/** A wait that lasted its whole time-out: of whom, for what, and from when until when it certainly stood in the queue. */
interface Wait {
  readonly principal: string;
  readonly lock: string;
  readonly fromUs: number;
  readonly untilUs: number;
  readonly request: Request;
}

/**
 * Two holders of exclusive locks never wait for each other's: the request that closes the circle is refused at once. Judged
 * where both waited until their time-outs: a wait began its time-out before its end at the latest, and ended that after its
 * beginning at the earliest.
 */
export const checkDeadlocks: Check = ({ holds }) => {
  const waits = holds.requests.flatMap(waitOf);
  const byLock = Map.groupBy(waits, ({ lock }) => lock);
  const byHolder = Map.groupBy(holds.grants, ({ principal }) => principal);
  const held = (principal: string, lock: string | undefined, wait: Wait) =>
    (byHolder.get(principal) ?? []).filter(
      (grant) => grant.mode === "exclusive" && grant.lock === (lock ?? grant.lock) && stoodDuring(grant, wait, holds),
    );
  const found: Violation[] = [];
  for (const wait of waits) {
    for (const mine of held(wait.principal, undefined, wait)) {
      for (const other of byLock.get(mine.lock) ?? []) {
        const together = Math.max(wait.fromUs, other.fromUs) < Math.min(wait.untilUs, other.untilUs);
        // Each circle is found from both sides: told once.
        if (!together || wait.request.invokedUs > other.request.invokedUs) continue;
        const [theirs] = held(other.principal, wait.lock, other);
        if (theirs === undefined || other.principal === wait.principal) continue;
        const what = `${wait.principal} and ${other.principal} waited for each other`;
        const shown = [mine.request, theirs.request, wait.request, other.request];
        found.push(violation("a circle of waits is refused", what, ...shown));
      }
    }
  }
  return found;
};

function stoodDuring(grant: Grant, { fromUs, untilUs }: Wait, holds: Holds): boolean {
  return grant.returnedUs <= fromUs && holds.standsUntilUs(grant) >= untilUs;
}

function waitOf(request: Request): Wait[] {
  const { operation, input, attempts, answer } = request;
  const principal = principalOf(input);
  const waitUs = (numberOf(input, "timeout") ?? 10) * 1e6;
  const timedOut = operation === "locks.acquire" && attempts.length === 1 && answer?.code === "lock_held" && waitUs > 0;
  if (!timedOut || principal === undefined) return [];
  const fromUs = answer.to_us - waitUs;
  const untilUs = answer.from_us + waitUs;
  return fromUs < untilUs ? [{ principal, lock: String(input["lock_name"]), fromUs, untilUs, request }] : [];
}

/** As a refusal shows it: who waits for which lock, and because of whom. */
interface Edge {
  readonly owner: string;
  readonly lock_name: string;
  readonly blocked_by: string;
}

/** Who is refused because of a circle is shown one, of owners that really wait, back to the request itself. */
export const checkCircles: Check = ({ holds }) =>
  holds.requests.flatMap((request) => {
    if (request.answer?.code !== "deadlock") return [];
    const error = request.answer.output?.["error"] as { readonly details?: { readonly cycle?: Edge[] } } | undefined;
    const circle = error?.details?.cycle ?? [];
    const why = oddity(request, circle, holds);
    if (why === undefined) return [];
    const what = `${why}: ${circle.map(({ owner, lock_name }) => `${owner} waits for ${lock_name}`).join(", ")}`;
    return [violation("a circle that is shown exists", what, request)];
  });

function oddity(request: Request, circle: readonly Edge[], holds: Holds): string | undefined {
  const { input } = request;
  const closed = circle.every((edge, i) => edge.blocked_by === circle[(i + 1) % circle.length]?.owner);
  if (circle.length < 2 || !closed) return "no circle";
  const [own] = circle;
  if (own === undefined || own.lock_name !== input["lock_name"]) return "not of this request";
  if (typeof input["owner"] === "string" && own.owner !== input["owner"]) return "not of this owner";
  const idle = circle.slice(1).find(({ owner, lock_name }) => {
    const { acquires } = holds.of(lock_name, `owner:${owner}`);
    return acquires.length > 0 && !acquires.some((other) => overlaps(other, request));
  });
  return idle === undefined ? undefined : `${idle.owner} did not wait`;
}

function overlaps(one: Request, other: Request): boolean {
  return one.invokedUs < (other.answer?.to_us ?? Infinity) && one.returnedUs > other.invokedUs;
}
