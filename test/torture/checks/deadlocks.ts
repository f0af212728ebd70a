import type { Fields } from "../history.ts";
import type { Holds } from "../holds.ts";
import type { Request } from "../requests.ts";
import { type Check, violation } from "./violation.ts";

/** What a read of all locks shows of one. */
interface ShownLock {
  readonly type?: string;
  readonly owners: readonly string[];
  readonly waiters: readonly (readonly [owner: string, type: string])[];
}

/**
 * No read of all locks shows a circle of waits: whoever would close one is refused at once, and never waits. A waiter
 * waits for every incompatible holder and every incompatible waiter before it (PROTOCOLS L4).
 */
export const checkDeadlocks: Check = ({ records, holds }) => {
  const [run] = records;
  // Requests in nobody's name are shown as the node that took them in: many share it, and none waits while it holds.
  const nodes = new Set(run?.type === "run" ? run.nodes : []);
  return holds.requests.flatMap((read) => {
    if (read.operation !== "locks.list" || read.outcome !== "ok") return [];
    const circle = circleIn(waitsOf(read.output["locks"] as Readonly<Record<string, ShownLock & Fields>>, nodes));
    if (circle === undefined) return [];
    return [violation("a circle of waits is refused", `${circle.join(" waits for ")}`, read)];
  });
};

/** Who waits for whom. */
function waitsOf(locks: Readonly<Record<string, ShownLock>>, nameless: ReadonlySet<string>): Map<string, Set<string>> {
  const waits = new Map<string, Set<string>>();
  for (const { type = "shared", owners, waiters } of Object.values(locks)) {
    const before = owners.map((owner) => [owner, type] as const);
    for (const [owner, wanted] of waiters) {
      const known = waits.get(owner) ?? new Set<string>();
      for (const [other, has] of before) {
        const together = wanted === "shared" && has === "shared";
        if (!together && other !== owner && !nameless.has(other)) known.add(other);
      }
      if (!nameless.has(owner)) waits.set(owner, known);
      before.push([owner, wanted]);
    }
  }
  return waits;
}

function circleIn(waits: ReadonlyMap<string, ReadonlySet<string>>): string[] | undefined {
  const finished = new Set<string>();
  const search = (path: readonly string[]): string[] | undefined => {
    const last = path.at(-1) ?? "";
    for (const next of waits.get(last) ?? []) {
      if (path.includes(next)) return [...path.slice(path.indexOf(next)), next];
      const found = finished.has(next) ? undefined : search([...path, next]);
      if (found !== undefined) return found;
    }
    finished.add(last);
    return undefined;
  };
  for (const start of waits.keys()) {
    const found = finished.has(start) ? undefined : search([start]);
    if (found !== undefined) return found;
  }
  return undefined;
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
