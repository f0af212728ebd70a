import { type Dealings, type Granted, principalOf } from "../holds.ts";
import { wantedBy } from "../multi-locks.ts";
import type { PermitHolds } from "../permit-holds.ts";
import type { Request } from "../requests.ts";
import { type Check, type Evidence, violation } from "./violation.ts";

/** As a refusal shows it: who waits for which lock or semaphore, and because of whom. */
interface Edge {
  readonly owner: string;
  readonly lock_name?: string;
  readonly semaphore?: string;
  readonly blocked_by: string;
}

/** Who is refused because of a circle is shown one, of owners that really wait, back to the request itself. */
export const checkCircles: Check = (evidence) => {
  const { requests } = evidence.holds;
  const owners = new Set(requests.flatMap(({ input }) => (typeof input["owner"] === "string" ? [input["owner"]] : [])));
  return requests.flatMap((request) => {
    if (request.answer?.code !== "deadlock") return [];
    const error = request.answer.output?.["error"] as { readonly details?: { readonly cycle?: Edge[] } } | undefined;
    const circle = error?.details?.cycle ?? [];
    const why = oddity(request, circle, { ...evidence, owners });
    if (why === undefined) return [];
    const what = `${why}: ${circle.map((edge) => `${edge.owner} waits for ${nameOf(edge)}`).join(", ")}`;
    return [violation("a circle that is shown exists", what, request)];
  });
};

interface Known extends Evidence {
  /** Of sessions and one-shot requests the name that is shown says nothing. */
  readonly owners: ReadonlySet<string>;
}

function oddity(request: Request, circle: readonly Edge[], evidence: Known): string | undefined {
  const { input } = request;
  const closed = circle.every((edge, i) => edge.blocked_by === circle[(i + 1) % circle.length]?.owner);
  if (circle.length < 2 || !closed) return "no circle";
  const [own] = circle;
  if (own === undefined || !asksFor(request, own)) return "not of this request";
  if (typeof input["owner"] === "string" && own.owner !== input["owner"]) return "not of this owner";
  const idle = circle.slice(1).find((edge) => {
    const { acquires } = dealingsOf(edge, edge.owner, evidence);
    return acquires.length > 0 && !acquires.some((other) => overlaps(other, request));
  });
  if (idle !== undefined) return `${idle.owner} did not wait`;
  const apart = circle.find((edge) => isApart(edge, request, evidence));
  if (apart !== undefined) return `${apart.blocked_by} has nothing to do with ${nameOf(apart)}`;
  const served = circle.find((edge, i) => canBeServed(edge, i === 0 ? request : undefined, request, evidence));
  return served === undefined ? undefined : `${served.owner} can have its permits of ${nameOf(served)}`;
}

function nameOf({ lock_name, semaphore }: Edge): string {
  return String(semaphore ?? lock_name);
}

function asksFor(request: Request, { lock_name, semaphore }: Edge): boolean {
  if (semaphore !== undefined) return request.input["semaphore"] === semaphore;
  return wantedBy(request).some(({ name }) => name === lock_name);
}

function dealingsOf(edge: Edge, owner: string, { holds, permits }: Evidence): Dealings<Granted> {
  const principal = `owner:${owner}`;
  if (edge.semaphore !== undefined) return permits.of(edge.semaphore, principal);
  return holds.of(String(edge.lock_name), principal);
}

function overlaps(one: Request, other: Request): boolean {
  return one.invokedUs < (other.answer?.to_us ?? Infinity) && one.returnedUs > other.invokedUs;
}

/** Who blocks is an owner that certainly neither holds what is waited for nor waits for it. */
function isApart(edge: Edge, request: Request, evidence: Known): boolean {
  const { acquires, releases } = dealingsOf(edge, edge.blocked_by, evidence);
  if (!evidence.owners.has(edge.blocked_by)) return false;
  const may = acquires.filter((one) => one.outcome !== "error" || overlaps(one, request));
  if (!may.some(({ invokedUs }) => invokedUs < (request.answer?.to_us ?? Infinity))) return true;
  return releases.some(
    ({ outcome, invokedUs, returnedUs }) =>
      outcome === "ok" && returnedUs < request.invokedUs && may.every((one) => one.returnedUs < invokedUs),
  );
}

/**
 * True when those who wait for nothing certainly hold as many permits as this one wants, and as everybody else who may be
 * in the queue wants: then all of them are served in the end, and wait for nobody in the circle.
 */
function canBeServed(edge: Edge, own: Request | undefined, request: Request, { holds, permits }: Evidence): boolean {
  const { semaphore } = edge;
  if (semaphore === undefined) return false;
  const waiting = holds.requests.filter((one) => one !== request && mayWait(one) && overlaps(one, request));
  if (new Set(waiting.map(claimed)).size < waiting.length) return false;
  const free = freePermits(semaphore, request, new Set(waiting.map(claimed)), permits);
  const queued = waiting.filter(({ input }) => input["semaphore"] === semaphore);
  const wanted = [...queued, ...(own === undefined ? [] : [own])].map(({ input }) => Number(input["permits"] ?? 1));
  return wanted.length > 0 && Math.max(...wanted) <= free;
}

function mayWait({ operation }: Request): boolean {
  return operation.includes(".acquire");
}

function claimed({ input, attempts }: Request): string {
  return principalOf(input) ?? `#${attempts[0]?.n}`;
}

/** Permits that certainly stand all the time that the request took, of those who ask for nothing meanwhile. */
function freePermits(semaphore: string, request: Request, waiting: ReadonlySet<string>, permits: PermitHolds): number {
  const untilUs = request.answer?.to_us ?? Infinity;
  return permits
    .distinct()
    .filter((grant) => grant.semaphore === semaphore && grant.returnedUs < request.invokedUs)
    .filter((grant) => permits.standsUntilUs(grant) > untilUs)
    .filter(({ principal }) => !waiting.has(principal) && principal !== claimed(request))
    .reduce((sum, { slots }) => sum + slots.length, 0);
}
