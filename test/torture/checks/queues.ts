import type { Grant } from "../holds.ts";
import type { Request } from "../requests.ts";
import { described } from "./tokens.ts";
import { type Check, type Violation, violation } from "./violation.ts";

/**
 * Waiters are served first come, first served. Who came first is known from a read that shows the queue: those in it are
 * served in its order, and before whoever asks after the read. Judged for owners that asked once and were served: who
 * asks again, or goes away and comes back, may stand elsewhere by then.
 */
export const checkFifo: Check = ({ holds }) => {
  const served = new Map<string, Grant>();
  for (const { acquires, grants } of holds.dealings.values()) {
    const [grant] = grants;
    const once = acquires.length === 1 && grant?.request.attempts.length === 1;
    if (once && grant.principal.startsWith("owner:")) served.set(`${grant.lock}\n${grant.owner}`, grant);
  }
  const byInvocation = Map.groupBy(served.values(), ({ lock }) => lock);
  return holds.requests
    .filter(({ operation, outcome }) => operation === "locks.inspect" && outcome === "ok")
    .flatMap((read) => overtaken(read, served, byInvocation.get(String(read.output["lock_name"])) ?? []));
};

function overtaken(read: Request, served: ReadonlyMap<string, Grant>, ofLock: readonly Grant[]): Violation[] {
  const queue = read.output["waiters"] as readonly (readonly [string, string])[];
  if (queue.length === 0) return [];
  const waiting = queue
    .map(([owner]) => served.get(`${String(read.output["lock_name"])}\n${owner}`))
    .filter((grant) => grant !== undefined);
  const last = waiting.at(-1);
  // Enough of those that came later: the next ones were asked for before these had been served.
  const later = last === undefined ? [] : ofLock.slice(firstAfter(ofLock, read.returnedUs)).slice(0, 50);
  const inOrder = waiting.flatMap((grant, i) => waiting.slice(i + 1).map((next): [Grant, Grant] => [grant, next]));
  const newcomers = waiting.flatMap((grant) => later.map((next): [Grant, Grant] => [grant, next]));
  return [...inOrder, ...newcomers]
    .filter(([first, next]) => next.token < first.token)
    .map(([first, next]) => {
      const what = `${described(next)} overtook ${described(first)}, which stood before it in the queue`;
      return violation("waiters are served first come, first served", what, read, first.request, next.request);
    });
}

/** Grants are in the order in which they were asked for. */
function firstAfter(grants: readonly Grant[], atUs: number): number {
  let low = 0;
  let high = grants.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((grants[middle]?.invokedUs ?? Infinity) <= atUs) low = middle + 1;
    else high = middle;
  }
  return low;
}
