import { partsOf } from "./multi-locks.ts";
import { type Request, requestsOf } from "./requests.ts";
import type { Fields, HistoryRecord } from "./history.ts";

/** Something that a client knows it was given. */
export interface Granted {
  /** `owner:NAME`, `session:ID` or `once:SECRET` (PROTOCOLS L1). */
  readonly principal: string;
  /** What others are shown. */
  readonly owner: string;
  readonly token: number;
  readonly invokedUs: number;
  readonly returnedUs: number;
  readonly request: Request;
}

/** A lock; of several that were asked for together each. */
export interface Grant extends Granted {
  readonly lock: string;
  /** What was given, which is more than was asked for when an exclusive holder asks for shared. */
  readonly mode: "exclusive" | "shared";
}

/** What became of one session. */
export interface SessionFacts {
  readonly id: string;
  /** Renewals that were acknowledged, the opening included. */
  readonly renewals: Request[];
  readonly closes: Request[];
  /** Everything that was asked in its name. */
  readonly requests: Request[];
  ttlUs: number;
}

/** What one principal asked about one lock, or one semaphore. */
export interface Dealings<G = Grant> {
  readonly acquires: Request[];
  readonly releases: Request[];
  readonly grants: G[];
}

/** Everything about locks and sessions that follows from a history, by principal. */
export class Holds {
  readonly requests: readonly Request[];
  readonly grants: Grant[] = [];
  readonly sessions = new Map<string, SessionFacts>();
  /** By lock and principal. */
  readonly dealings = new Map<string, Dealings>();
  private readonly ends = new Map<Grant, number>();

  constructor(records: readonly HistoryRecord[]) {
    this.requests = requestsOf(records).toSorted((a, b) => a.invokedUs - b.invokedUs);
    for (const request of this.requests) this.take(request);
  }

  of(lock: string, principal: string): Dealings {
    const place = `${lock}\n${principal}`;
    let known = this.dealings.get(place);
    if (known === undefined) {
      known = { acquires: [], releases: [], grants: [] };
      this.dealings.set(place, known);
    }
    return known;
  }

  session(id: string): SessionFacts {
    let known = this.sessions.get(id);
    if (known === undefined) {
      known = { id, renewals: [], closes: [], requests: [], ttlUs: 0 };
      this.sessions.set(id, known);
    }
    return known;
  }

  /**
   * Until when the grant certainly stood: its lease, counted from before it or its last acknowledged renewal was asked
   * for, unless something before that may have ended it.
   */
  standsUntilUs(grant: Grant): number {
    const known = this.ends.get(grant) ?? this.endOf(grant);
    this.ends.set(grant, known);
    return known;
  }

  /** The same of what was granted with a token, whatever it is; without regard to upgrades. */
  stoodUntilUs<G extends Granted>(grant: G, { acquires, releases, grants }: Dealings<G>): number {
    const session = grant.principal.startsWith("session:") ? this.session(idOf(grant.principal)) : undefined;
    let untilUs = session === undefined ? leaseUs(grant, grants, acquires) : promisedUs(session);
    for (const release of releases) {
      const named = numberOf(release.input, "fencing_token");
      if (named === undefined || named === grant.token) untilUs = Math.min(untilUs, mayEndUs(release, grant));
    }
    for (const close of session?.closes ?? []) untilUs = Math.min(untilUs, mayEndUs(close, grant));
    return untilUs;
  }

  private endOf(grant: Grant): number {
    const dealings = this.of(grant.lock, grant.principal);
    const { grants } = dealings;
    let untilUs = this.stoodUntilUs(grant, dealings);
    // An upgrade gives the same hold another token, by which it is then released.
    for (const later of grants) {
      const upgraded = grant.mode === "shared" && later.mode === "exclusive" && later.token > grant.token;
      if (upgraded) untilUs = Math.min(untilUs, later.invokedUs);
    }
    return untilUs;
  }

  private take(request: Request): void {
    const { input, operation, outcome, output } = request;
    const session = typeof input["session"] === "string" ? input["session"] : undefined;
    switch (operation) {
      case "locks.acquire":
      case "locks.acquireAll":
        for (const part of partsOf(request)) this.takeAcquisition(part);
        this.takeUse(request);
        return;
      case "semaphores.acquire":
      case "semaphores.release":
        this.takeUse(request);
        return;
      case "locks.release": {
        const principal = principalOf(input);
        if (principal === undefined) return;
        this.of(String(input["lock_name"]), principal).releases.push(request);
        this.takeUse(request);
        return;
      }
      case "sessions.open": {
        if (outcome !== "ok") return;
        const facts = this.session(String(output["session"]));
        facts.ttlUs = Number(input["ttl"]) * 1e6;
        facts.renewals.push(request);
        return;
      }
      case "sessions.renew":
      case "sessions.close": {
        const facts = this.session(session ?? "");
        facts.requests.push(request);
        if (operation === "sessions.close") facts.closes.push(request);
        else if (outcome === "ok") facts.renewals.push(request);
        return;
      }
      default:
    }
  }

  private takeAcquisition(request: Request): void {
    const { input, outcome } = request;
    const principal = claimantOf(request);
    const { acquires, grants } = this.of(String(input["lock_name"]), principal);
    acquires.push(request);
    if (outcome !== "ok") return;
    const grant = grantOf(request, principal);
    grants.push(grant);
    this.grants.push(grant);
  }

  /** What is asked in a session's name; a grant keeps it alive. */
  private takeUse(request: Request): void {
    const principal = principalOf(request.input);
    if (principal?.startsWith("session:") !== true) return;
    const facts = this.session(idOf(principal));
    facts.requests.push(request);
    if (request.outcome === "ok" && request.operation.includes(".acquire")) facts.renewals.push(request);
  }
}

/** Until when an acknowledged session must live if nobody closes it. */
export function promisedUs({ renewals, ttlUs }: SessionFacts): number {
  return renewals.reduce((latest, { invokedUs }) => Math.max(latest, invokedUs + ttlUs), 0);
}

/** The principal of a request for a lock or permits; of one in nobody's name, who knows what it holds only if told. */
export function claimantOf({ input, outcome, output, attempts }: Request): string {
  const secret = outcome === "ok" ? String(output["session"]) : `of ${attempts[0]?.n}`;
  return principalOf(input) ?? `once:${secret}`;
}

/** The earliest time, in µs, at which the request may have ended the grant; infinite when it cannot have. */
function mayEndUs(request: Request, grant: Granted): number {
  if (request.outcome === "error") return Number.POSITIVE_INFINITY;
  // It took effect before the grant was even asked for.
  return request.returnedUs < grant.invokedUs ? Number.POSITIVE_INFINITY : request.invokedUs;
}

/** The lease of a hold that is no session's: the shortest that was asked for, after the last renewal. */
function leaseUs(grant: Granted, grants: readonly Granted[], acquires: readonly Request[]): number {
  const ttlUs = Math.min(...acquires.map(({ input }) => (numberOf(input, "ttl") ?? 30) * 1e6));
  const same = grants.filter(({ token }) => token === grant.token);
  return Math.max(...same.map(({ invokedUs }) => invokedUs)) + ttlUs;
}

function grantOf(request: Request, principal: string): Grant {
  const { output, invokedUs, returnedUs } = request;
  return {
    lock: String(output["lock_name"]),
    principal,
    owner: String(output["owner"]),
    mode: output["lock_type"] === "shared" ? "shared" : "exclusive",
    token: Number(output["fencing_token"]),
    invokedUs,
    returnedUs,
    request,
  };
}

/** Undefined for a request in nobody's name. */
export function principalOf(input: Fields): string | undefined {
  const { owner, session } = input;
  if (typeof owner === "string") return `owner:${owner}`;
  if (typeof session !== "string") return undefined;
  // What a grant gave as `session` names the holder, whatever kind it is.
  if (session.startsWith("owner:")) return session;
  return session.startsWith("once_") ? `once:${session}` : `session:${session}`;
}

function idOf(principal: string): string {
  return principal.slice(principal.indexOf(":") + 1);
}

export function numberOf(fields: Fields, name: string): number | undefined {
  const value = fields[name];
  return typeof value === "number" ? value : undefined;
}
