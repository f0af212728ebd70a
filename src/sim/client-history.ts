import { unreachable } from "../kernel/assert.ts";
import type { LockCommand, LockResult, LockView, Principal, SemaphoreView } from "../locks/types.ts";
import {
  type ClientAnswer,
  type ClientOperation,
  type ClientRequest,
  isRefusal,
  type ReleaseRequest,
} from "./checks/linearizability/client-operation.ts";

type Release = Extract<LockCommand, { type: "release" }>;

/** What a client wants once: all attempts under one idempotency key. */
export interface Asked {
  readonly command: LockCommand;
  readonly invokedMs: number;
  /** When attempts were made whose end nobody knows. */
  readonly unknownMs: number[];
  /** One of several locks that are asked for together. */
  readonly joint?: boolean;
  /** Undefined until the client is told. */
  answer: { readonly result: LockResult; readonly atMs: number } | undefined;
}

interface Read {
  readonly view: LockView | SemaphoreView;
  readonly invokedMs: number;
  readonly returnedMs: number;
}

/** Everything that clients asked and were told in one run, in virtual ms. */
export class ClientHistory {
  private readonly asked: Asked[] = [];
  private readonly reads: Read[] = [];

  ask(command: LockCommand, invokedMs: number): Asked {
    const asked: Asked = { command, invokedMs, unknownMs: [], answer: undefined };
    this.asked.push(asked);
    return asked;
  }

  read(view: Read["view"], invokedMs: number, returnedMs: number): void {
    this.reads.push({ view, invokedMs, returnedMs });
  }

  /** @param leastMs how long a lease of so many ms lasts at least in virtual time */
  operations(leastMs: (ttlMs: number) => number): ClientOperation<undefined>[] {
    const reads = this.reads.map(({ view, invokedMs, returnedMs }) => {
      const { input, output } = "semaphore" in view ? readPermits(view) : readLock(view);
      return operation(input, output, invokedMs, returnedMs);
    });
    return [...reads, ...this.asked.flatMap(apart).flatMap((asked) => operationsOf(asked, leastMs))];
  }
}

function readLock({ lock, mode, fencingToken: token, holders }: LockView): {
  input: ClientRequest;
  output: ClientAnswer;
} {
  const owners = holders.map(({ owner }) => owner);
  return { input: { type: "read", lock }, output: { type: "shown", mode, token, owners } };
}

function readPermits(view: SemaphoreView): { input: ClientRequest; output: ClientAnswer } {
  const { semaphore, limit, available } = view;
  const holders = view.holders.map(({ owner, slots, fencingToken: token }) => ({ owner, slots, token }));
  return { input: { type: "readPermits", semaphore }, output: { type: "permitsShown", limit, available, holders } };
}

/** A request for several locks as one for each. */
function apart(asked: Asked): readonly Asked[] {
  const { command, answer } = asked;
  if (command.type !== "acquireAll") return [asked];
  const { principal, ttlMs, waitMs } = command;
  return command.locks.map(({ lock, mode }) => {
    const one: LockCommand = { type: "acquire", lock, mode, principal, ttlMs, waitMs };
    return {
      ...asked,
      command: one,
      joint: true,
      answer: answer && { ...answer, result: partOf(answer.result, lock) },
    };
  });
}

/** A refusal does not say of which lock it tells, but that a session is over. */
function partOf(result: LockResult, lock: string): LockResult {
  if (result.type === "grantedAll") return result.grants.find((granted) => granted.lock === lock) ?? result;
  return result.type === "error" && result.code !== "session_expired" ? { type: "cancelled" } : result;
}

function operationsOf(asked: Asked, leastMs: (ttlMs: number) => number): ClientOperation<undefined>[] {
  const { command, unknownMs, answer, invokedMs } = asked;
  const known = requestOf(command, answer?.result, leastMs);
  if (known === undefined) return [];
  const input = known.type === "acquire" && asked.joint === true ? { ...known, joint: true } : known;
  const output = answer === undefined ? undefined : answerOf(command, answer.result);
  const answered =
    output === undefined || answer === undefined ? [] : [operation(input, output, invokedMs, answer.atMs)];
  // A request that nobody waits for any more is given up with its grant, and then forgotten: its key may be asked for anew.
  const claims = command.type === "acquire" || command.type === "acquirePermits";
  const attempts = claims ? unknownMs : answered.length > 0 ? [] : unknownMs.slice(0, 1);
  return [...answered, ...attempts.map((ms) => operation(input, undefined, ms, Number.POSITIVE_INFINITY))];
}

function operation(
  input: ClientRequest,
  output: ClientAnswer | undefined,
  invokedMs: number,
  returnedMs: number,
): ClientOperation<undefined> {
  return { source: undefined, input, output, invokedUs: invokedMs * 1_000, returnedUs: returnedMs * 1_000 };
}

function requestOf(
  command: LockCommand,
  result: LockResult | undefined,
  leastMs: (ttlMs: number) => number,
): ClientRequest | undefined {
  switch (command.type) {
    case "openSession":
      return { type: "openSession", session: command.session, leaseUs: leastMs(command.ttlMs) * 1_000 };
    case "keepalive":
      return { type: "renewSession", session: command.sessions[0] ?? "" };
    case "closeSession":
      return { type: "closeSession", session: command.session };
    case "acquire": {
      const { lock, mode, principal, ttlMs } = command;
      const leaseUs = leastMs(ttlMs) * 1_000;
      const shown = result?.type === "granted" ? result.owner : publicName(principal);
      return { type: "acquire", lock, mode, principal: nameOf(principal), leaseUs, shown };
    }
    case "release":
      return { type: "release", lock: command.lock, ...meant(command) };
    case "fence":
      return { type: "offer", resource: command.resource, token: command.token };
    case "acquirePermits": {
      const { type, semaphore, permits, limit, principal, ttlMs } = command;
      const leaseUs = leastMs(ttlMs) * 1_000;
      const shown = result?.type === "permitsGranted" ? result.owner : publicName(principal);
      return { type, semaphore, permits, limit, principal: nameOf(principal), leaseUs, shown };
    }
    case "releasePermits":
      return { type: "releasePermits", semaphore: command.semaphore, ...meant(command) };
    case "registerIngress":
    case "cancel":
    // Asked for lock by lock, see `apart`.
    case "acquireAll":
      return undefined;
    default:
      return unreachable(command);
  }
}

/** The hold that a release means. */
function meant({
  holder,
  fencingToken: token,
}: Pick<Release, "holder" | "fencingToken">): Omit<ReleaseRequest, "type" | "lock"> {
  if (holder.kind === "anonymous") return { principal: undefined, shown: holder.node, token };
  return { principal: holder.kind === "onceId" ? `once:${holder.id}` : nameOf(holder), shown: undefined, token };
}

/** Undefined where the answer tells nothing and nothing happened. */
function answerOf(command: LockCommand, result: LockResult): ClientAnswer | undefined {
  switch (result.type) {
    case "granted":
      return { type: "granted", mode: result.mode, token: result.fencingToken, shown: result.owner };
    case "fenceAccepted":
      return { type: "highest", highest: result.highest };
    case "permitsGranted": {
      const { limit, slots, fencingToken: token, owner: shown } = result;
      return { type: "permitsGranted", limit, slots, token, shown };
    }
    case "sessionClosed":
      return { type: "closed", released: result.released, releasedSemaphores: result.releasedSemaphores };
    case "keptAlive":
      return result.expiresInMs[0] === undefined ? { type: "refused", code: "session_expired" } : { type: "done" };
    case "sessionOpened":
    case "released":
    case "permitsReleased":
      return { type: "done" };
    case "error": {
      if (!isRefusal(result.code)) return undefined;
      const highest = result.code === "stale_token" ? result.highest : undefined;
      const limit = result.code === "semaphore_limit" ? result.limit : undefined;
      const permits = result.code === "permits_conflict" ? result.permits : undefined;
      if (command.type !== "fence") return { type: "refused", code: result.code, highest, limit, permits };
      return highest === undefined ? undefined : { type: "highest", highest };
    }
    case "cancelled":
      return { type: "nothing" };
    case "registered":
    case "grantedAll":
      return undefined;
    default:
      return unreachable(result);
  }
}

function nameOf(principal: Principal): string {
  return `${principal.kind}:${principal.kind === "owner" ? principal.name : principal.id}`;
}

/** Of a session only who was granted something knows. */
function publicName(principal: Principal): string | undefined {
  if (principal.kind === "session") return undefined;
  return principal.kind === "owner" ? principal.name : principal.node;
}
