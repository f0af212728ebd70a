import type { ClientOperation, ClientRequest } from "./client-operation.ts";

/** What a whole history says of one session, before anything of it is judged. */
export interface SessionFacts {
  /** What others are shown, where that is known and the same throughout. */
  shown: string | undefined;
  /** Unless it is closed, it certainly lives until then. */
  untilUs: number;
  /** Locks that it may have held. */
  readonly locks: Set<string>;
  /** Semaphores of which it may have held permits. */
  readonly semaphores: Set<string>;
}

export function sessionFacts(operations: readonly ClientOperation<unknown>[]): ReadonlyMap<string, SessionFacts> {
  const facts = new Map<string, SessionFacts>();
  for (const [session, ofOne] of Map.groupBy(operations, ({ input }) => sessionOf(input))) {
    if (session !== undefined) facts.set(session, factsOf(ofOne));
  }
  return facts;
}

function factsOf(operations: readonly ClientOperation<unknown>[]): SessionFacts {
  const facts: SessionFacts = {
    shown: undefined,
    untilUs: Number.NEGATIVE_INFINITY,
    locks: new Set(),
    semaphores: new Set(),
  };
  const openings = operations.flatMap(({ input }) => (input.type === "openSession" ? [input] : []));
  for (const { input, output, invokedUs } of operations) {
    if (input.type === "acquire" && output?.type !== "refused") facts.locks.add(input.lock);
    if (input.type === "acquirePermits" && output?.type !== "refused") facts.semaphores.add(input.semaphore);
    // Opened a second time it may be another one: then its renewals do not promise one lease.
    if (openings.length > 1) continue;
    const grant = output?.type === "granted" || output?.type === "permitsGranted" ? output : undefined;
    if (grant !== undefined) facts.shown = grant.shown;
    const [opening] = openings;
    if (opening === undefined) continue;
    const isRelease = input.type === "release" || input.type === "releasePermits";
    const renews = output?.type === "done" ? !isRelease : grant !== undefined;
    if (renews) facts.untilUs = Math.max(facts.untilUs, invokedUs + opening.leaseUs);
  }
  return facts;
}

/** The session in whose name it is asked. */
export function sessionOf(input: ClientRequest): string | undefined {
  switch (input.type) {
    case "openSession":
    case "renewSession":
    case "closeSession":
      return input.session;
    case "acquire":
    case "release":
    case "acquirePermits":
    case "releasePermits":
      return input.principal?.startsWith("session:") === true ? input.principal.slice("session:".length) : undefined;
    default:
      return undefined;
  }
}
