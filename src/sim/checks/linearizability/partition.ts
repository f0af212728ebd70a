import type {
  AcquirePermitsRequest,
  AcquireRequest,
  ClientAnswer,
  ClientOperation,
  ClientRequest,
} from "./client-operation.ts";
import type { FenceInput, FenceOutput } from "./fence-model.ts";
import type { LockAcquire, LockInput, LockOutput } from "./lock-operation.ts";
import type { Operation } from "./model.ts";
import type { PermitAcquire, SemaphoreInput, SemaphoreOutput } from "./semaphore-operation.ts";
import { type SessionFacts, sessionFacts, sessionOf } from "./session-facts.ts";
import type { SessionInput, SessionOutput } from "./session-model.ts";

/** Operations of one object, each with where it comes from. */
export type Part<Input, Output, Source> = (Operation<Input, Output> & { readonly source: Source })[];

/**
 * A history by object: it is linearizable exactly if the history of each object is (Herlihy & Wing, theorem 1).
 *
 * A session and its locks are one object in truth. They are judged apart: the end of a session is an operation on each
 * lock that it may have held, and its lease is what its answered renewals, wherever they stand, promise.
 */
export class Partition<Source> {
  readonly locks = new Map<string, Part<LockInput, LockOutput, Source>>();
  readonly semaphores = new Map<string, Part<SemaphoreInput, SemaphoreOutput, Source>>();
  readonly sessions = new Map<string, Part<SessionInput, SessionOutput, Source>>();
  readonly fences = new Map<string, Part<FenceInput, FenceOutput, Source>>();
  private readonly facts: ReadonlyMap<string, SessionFacts>;
  /** By lock: requests for it and others together. */
  private readonly joint = new Map<string, ClientOperation<Source>[]>();
  /** By semaphore: all requests for permits. */
  private readonly claims = new Map<string, ClientOperation<Source>[]>();

  constructor(operations: readonly ClientOperation<Source>[]) {
    this.facts = sessionFacts(operations);
    for (const operation of operations) {
      const { input } = operation;
      if (input.type === "acquire" && input.joint === true) add(this.joint, input.lock, operation);
      if (input.type === "acquirePermits") add(this.claims, input.semaphore, operation);
    }
    for (const operation of operations) {
      this.takeForLock(operation);
      this.takeForSemaphore(operation);
      this.takeForSession(operation);
    }
  }

  private takeForLock(operation: ClientOperation<Source>): void {
    const { input, output } = operation;
    switch (input.type) {
      case "offer":
        if (output === undefined || output.type === "highest")
          add(this.fences, input.resource, { ...operation, input: input.token, output: output?.highest });
        return;
      case "read":
        if (output?.type === "shown") add(this.locks, input.lock, { ...operation, input, output });
        return;
      case "acquire":
        if (output === undefined || output.type === "granted" || output.type === "refused")
          add(this.locks, input.lock, { ...operation, input: this.acquisition(input, operation), output });
        return;
      case "release":
        if (output === undefined || output.type === "done" || output.type === "refused")
          add(this.locks, input.lock, { ...operation, input, output });
        return;
      default:
    }
  }

  private acquisition(input: AcquireRequest, operation: ClientOperation<Source>): LockAcquire {
    const { principal, mode } = input;
    const behindJoint = this.joint.get(input.lock)?.some((other) => overlap(other, operation)) ?? false;
    return { type: "acquire", principal, mode, ...this.terms(input, operation), behindJoint };
  }

  private takeForSemaphore(operation: ClientOperation<Source>): void {
    const { input, output } = operation;
    switch (input.type) {
      case "readPermits":
        if (output?.type === "permitsShown") add(this.semaphores, input.semaphore, { ...operation, input, output });
        return;
      case "acquirePermits":
        if (output === undefined || output.type === "permitsGranted" || output.type === "refused")
          add(this.semaphores, input.semaphore, { ...operation, input: this.claim(input, operation), output });
        return;
      case "releasePermits":
        if (output === undefined || output.type === "done" || output.type === "refused")
          add(this.semaphores, input.semaphore, { ...operation, input, output });
        return;
      default:
    }
  }

  private claim(input: AcquirePermitsRequest, operation: ClientOperation<Source>): PermitAcquire {
    const { type, principal, permits, limit } = input;
    const isBehind = (other: ClientOperation<Source>): boolean => other !== operation && overlap(other, operation);
    // Only a refusal can come of it.
    const behind = operation.output?.type === "refused" && this.claims.get(input.semaphore)?.some(isBehind) === true;
    return { type, principal, permits, limit, ...this.terms(input, operation), behind };
  }

  /** What others are shown as the holder, and until when the hold certainly stands. */
  private terms(
    input: AcquireRequest | AcquirePermitsRequest,
    { output, invokedUs }: ClientOperation<Source>,
  ): { shown: string | undefined; untilUs: number } {
    const facts = this.facts.get(sessionOf(input) ?? "");
    const told = output?.type === "granted" || output?.type === "permitsGranted" ? output.shown : undefined;
    return { shown: told ?? facts?.shown ?? input.shown, untilUs: facts?.untilUs ?? invokedUs + input.leaseUs };
  }

  private takeForSession(operation: ClientOperation<Source>): void {
    const { input, output } = operation;
    const session = sessionOf(input);
    if (session === undefined) return;
    const expired = output?.type === "refused" && output.code === "session_expired";
    const use = useOf(input, output);
    if (use !== undefined) {
      const answer = output === undefined ? undefined : expired ? "expired" : "done";
      add(this.sessions, session, { ...operation, input: use, output: answer });
    }
    const ends = input.type === "closeSession" || (input.type === "renewSession" && expired);
    if (!ends) return;
    const facts = this.facts.get(session);
    const end = { type: "endSession", principal: `session:${session}` } as const;
    const closed = output?.type === "closed" ? output : undefined;
    const ended = (held: boolean | undefined) =>
      output === undefined || output.type === "refused" ? output : ({ type: "ended", held } as const);
    for (const lock of facts?.locks ?? []) {
      add(this.locks, lock, { ...operation, input: end, output: ended(closed?.released?.includes(lock)) });
    }
    for (const name of facts?.semaphores ?? []) {
      const held = closed?.releasedSemaphores?.includes(name);
      add(this.semaphores, name, { ...operation, input: end, output: ended(held) });
    }
  }
}

/** What an operation is to the session in whose name it was asked; undefined where it tells and does nothing. */
function useOf(input: ClientRequest, output: ClientAnswer | undefined): SessionInput | undefined {
  switch (input.type) {
    case "openSession":
      return { type: "open", leaseUs: input.leaseUs };
    case "closeSession":
      return { type: "close" };
    case "renewSession":
      return output === undefined ? undefined : { type: "renew" };
    case "acquire":
    case "acquirePermits":
      if (output === undefined || output.type === "nothing") return undefined;
      return { type: output.type === "granted" || output.type === "permitsGranted" ? "renew" : "use" };
    case "release":
    case "releasePermits":
      return output === undefined ? undefined : { type: "use" };
    default:
      return undefined;
  }
}

function overlap(a: ClientOperation<unknown>, b: ClientOperation<unknown>): boolean {
  return a.invokedUs <= b.returnedUs && b.invokedUs <= a.returnedUs;
}

function add<Item>(parts: Map<string, Item[]>, name: string, item: Item): void {
  const part = parts.get(name);
  if (part === undefined) parts.set(name, [item]);
  else part.push(item);
}
