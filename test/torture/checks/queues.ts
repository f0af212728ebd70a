import { type Dealings, type Grant, type Granted } from "../holds.ts";
import { isPart } from "../multi-locks.ts";
import { describedPermits, type PermitGrant } from "../permit-holds.ts";
import type { OperationName } from "../history.ts";
import type { Request } from "../requests.ts";
import { described } from "./tokens.ts";
import { type Check, type Violation, violation } from "./violation.ts";

/** What is granted from queues of one kind, and how a read shows such a queue. */
interface Queues<G extends Granted> {
  readonly inspected: OperationName;
  readonly nameOf: (grant: G) => string;
  readonly shownName: (read: Request) => string;
  readonly waiters: (read: Request) => readonly string[];
  readonly mayPass: (first: G, next: G) => boolean;
  readonly described: (grant: G) => string;
}

const lockQueues: Queues<Grant> = {
  inspected: "locks.inspect",
  nameOf: ({ lock }) => lock,
  shownName: ({ output }) => String(output["lock_name"]),
  waiters: ({ output }) => (output["waiters"] as readonly (readonly [string, string])[]).map(([owner]) => owner),
  // Readers pass a request for several locks that wants to read this one and waits for another.
  mayPass: (first, next) => isPart(first.request) && first.mode === "shared" && next.mode === "shared",
  described,
};

const permitQueues: Queues<PermitGrant> = {
  inspected: "semaphores.inspect",
  nameOf: ({ semaphore }) => semaphore,
  shownName: ({ output }) => String(output["semaphore"]),
  waiters: ({ output }) => (output["queue"] as readonly { readonly owner: string }[]).map(({ owner }) => owner),
  mayPass: () => false,
  described: describedPermits,
};

/**
 * Waiters are served first come, first served. Who came first is known from a read that shows the queue: those in it are
 * served in its order, and before whoever asks after the read. Judged for owners that asked once and were served: who
 * asks again, or goes away and comes back, may stand elsewhere by then.
 */
export const checkFifo: Check = ({ holds }) => overtakenIn(lockQueues, holds.dealings.values(), holds.requests);

/** The same for permits, however many: who wants one does not pass who wants many. */
export const checkPermitFifo: Check = ({ holds, permits }) =>
  overtakenIn(permitQueues, permits.dealings.values(), holds.requests);

function overtakenIn<G extends Granted>(
  queues: Queues<G>,
  dealings: Iterable<Dealings<G>>,
  requests: readonly Request[],
): Violation[] {
  const served = new Map<string, G>();
  for (const { acquires, grants } of dealings) {
    const [grant] = grants;
    const once = acquires.length === 1 && grant?.request.attempts.length === 1;
    if (once && grant.principal.startsWith("owner:")) served.set(`${queues.nameOf(grant)}\n${grant.owner}`, grant);
  }
  const inOrder = [...served.values()].toSorted((a, b) => a.invokedUs - b.invokedUs);
  const byInvocation = Map.groupBy(inOrder, queues.nameOf);
  return requests
    .filter(({ operation, outcome }) => operation === queues.inspected && outcome === "ok")
    .flatMap((read) => overtaken(queues, read, served, byInvocation.get(queues.shownName(read)) ?? []));
}

function overtaken<G extends Granted>(
  queues: Queues<G>,
  read: Request,
  served: ReadonlyMap<string, G>,
  ofOne: readonly G[],
): Violation[] {
  const queue = queues.waiters(read);
  if (queue.length === 0) return [];
  const waiting = queue
    .map((owner) => served.get(`${queues.shownName(read)}\n${owner}`))
    .filter((grant) => grant !== undefined);
  const last = waiting.at(-1);
  // Enough of those that came later: the next ones were asked for before these had been served.
  const later = last === undefined ? [] : ofOne.slice(firstAfter(ofOne, read.returnedUs)).slice(0, 50);
  const inOrder = waiting.flatMap((grant, i) => waiting.slice(i + 1).map((next): [G, G] => [grant, next]));
  const newcomers = waiting.flatMap((grant) => later.map((next): [G, G] => [grant, next]));
  return [...inOrder, ...newcomers]
    .filter(([first, next]) => next.token < first.token && !queues.mayPass(first, next))
    .map(([first, next]) => {
      const what = `${queues.described(next)} overtook ${queues.described(first)}, which stood before it in the queue`;
      return violation("waiters are served first come, first served", what, read, first.request, next.request);
    });
}

/** Grants are in the order in which they were asked for. */
function firstAfter(grants: readonly Granted[], atUs: number): number {
  let low = 0;
  let high = grants.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((grants[middle]?.invokedUs ?? Infinity) <= atUs) low = middle + 1;
    else high = middle;
  }
  return low;
}
