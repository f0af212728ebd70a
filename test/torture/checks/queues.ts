import { type Grant, type Holds, numberOf, principalOf } from "../holds.ts";
import type { Request } from "../requests.ts";
import { described } from "./tokens.ts";
import { type Check, type Violation, violation } from "./violation.ts";

/**
 * Waiters are served first come, first served. Who came first is known from a read that shows the queue: those in it are served in
 * its order, and before whoever asks after the read. Judged for owners that asked once and were served: who asks again, or
 * goes away and comes back, may stand elsewhere by then.
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
