import { Hash } from "../../kernel/hash.ts";
import type { LockCommand, LockMode, LockResult } from "../../locks/types.ts";
import { check } from "../violation.ts";
import type { AppliedLog } from "./applied-log.ts";

/** What everybody had been told of a lock or a resource at one moment. */
interface Told {
  /** Highest token of an exclusive grant that was returned, and to whom; of any grant. */
  readonly exclusive: number;
  readonly exclusiveHolder: string;
  readonly any: number;
  /** Highest token that the fence of this name accepted and said so. */
  readonly fence: number;
}

const NOTHING: Told = { exclusive: 0, exclusiveHolder: "", any: 0, fence: 0 };

/** What was known when a client asked: the answer must not contradict it. */
export interface Question {
  /** By lock, slot of a semaphore, or resource. */
  readonly told: ReadonlyMap<string, Told>;
  readonly acknowledgedIndex: number;
}

/** A grant of a lock or of one slot, which is exclusive. */
interface Granted {
  readonly name: string;
  readonly mode: LockMode;
  readonly token: number;
  readonly principalId: string;
}

/**
 * Real time as clients see it (PROTOCOLS, "what histories are checked against"): what was returned before a request
 * was made binds its answer. Kept as running maxima, so a check costs the same however long the history is.
 */
export class ClientChecks {
  private readonly told = new Map<string, Told>();
  /** Highest index whose effects some client was told of. */
  private acknowledgedIndex = 0;
  private readonly hash = new Hash();
  acknowledged = 0;
  reads = 0;

  constructor(private readonly applied: Pick<AppliedLog<LockResult, never>, "result" | "mustNotHappen">) {}

  /** A client asks now. For a retry, the question of the first attempt counts. */
  ask(command?: LockCommand): Question {
    const told = new Map<string, Told>();
    for (const name of command === undefined ? [] : namesOf(command)) told.set(name, this.told.get(name) ?? NOTHING);
    return { told, acknowledgedIndex: this.acknowledgedIndex };
  }

  /** A client is told the result. */
  answered(operation: number, command: LockCommand, result: LockResult, question: Question): void {
    this.acknowledged++;
    const first = this.applied.result(operation);
    check(first?.hash === this.hash.reset().value(result).finish(), "an answer is what the log says", () => {
      return `${JSON.stringify(command)} is answered ${JSON.stringify(result)}`;
    });
    this.acknowledgedIndex = Math.max(this.acknowledgedIndex, first?.index ?? 0);
    for (const grant of grantsOf(result)) this.granted(grant, question.told.get(grant.name) ?? NOTHING);
    if (command.type === "fence") {
      this.fenced(command.resource, command.token, result, question.told.get(command.resource) ?? NOTHING);
    }
  }

  /** A read barrier let a read through. */
  read(index: number, appliedIndex: number, question: Question): void {
    this.reads++;
    const fresh = index >= question.acknowledgedIndex && appliedIndex >= question.acknowledgedIndex;
    check(fresh, "R4 a read sees what was acknowledged before it", () => {
      return `a read at index ${Math.min(index, appliedIndex)} began after ${question.acknowledgedIndex} was acknowledged`;
    });
  }

  /** An operation ended in a definite refusal: it never happened and never will (PROTOCOLS Q2). */
  refused(operation: number): void {
    this.applied.mustNotHappen(operation);
  }

  private granted(grant: Granted, told: Told): void {
    const { name, token, mode, principalId } = grant;
    const bound = mode === "exclusive" ? told.any : told.exclusive;
    const own = token === told.exclusive && told.exclusiveHolder === principalId;
    const later = mode === "exclusive" ? token > bound || own || this.isOwnUpgrade(grant, told) : token > bound || own;
    check(later, "L2 later conflicting grants have larger tokens", () => {
      return `${principalId} gets ${name} ${mode} with ${token}, before it asked ${JSON.stringify(told)} was returned`;
    });
    const now = this.told.get(name) ?? NOTHING;
    const higher = mode === "exclusive" && token > now.exclusive;
    this.told.set(name, {
      ...now,
      any: Math.max(now.any, token),
      ...(higher ? { exclusive: token, exclusiveHolder: principalId } : {}),
    });
  }

  /** The highest token returned is this very grant's. */
  private isOwnUpgrade({ token, principalId }: Granted, told: Told): boolean {
    return token === told.any && told.exclusive === token && told.exclusiveHolder === principalId;
  }

  private fenced(resource: string, token: number, result: LockResult, told: Told): void {
    if (result.type === "fenceAccepted") {
      check(result.highest === token && token >= told.fence, "L3 a fence is a max-register", () => {
        return `${resource} accepts ${token} after ${told.fence} was accepted`;
      });
      const now = this.told.get(resource) ?? NOTHING;
      this.told.set(resource, { ...now, fence: Math.max(now.fence, token) });
    } else if (result.type === "error" && result.code === "stale_token") {
      check(result.highest > token && result.highest >= told.fence, "L3 a fence refuses smaller tokens only", () => {
        return `${resource} refuses ${token} for ${result.highest}, ${told.fence} was accepted`;
      });
    }
  }
}

function namesOf(command: LockCommand): string[] {
  switch (command.type) {
    case "acquire":
      return [command.lock];
    case "acquireAll":
      return command.locks.map(({ lock }) => lock);
    case "acquirePermits":
      return Array.from({ length: command.limit }, (_, slot) => slotName(command.semaphore, slot));
    case "fence":
      return [command.resource];
    default:
      return [];
  }
}

function grantsOf(result: LockResult): Granted[] {
  if (result.type === "permitsGranted") {
    const { semaphore, slots, fencingToken: token, principalId } = result;
    return slots.map((slot) => ({ name: slotName(semaphore, slot), mode: "exclusive", token, principalId }));
  }
  const grants = result.type === "granted" ? [result] : result.type === "grantedAll" ? result.grants : [];
  return grants.map(({ lock, mode, fencingToken, principalId }) => {
    return { name: lock, mode, token: fencingToken, principalId };
  });
}

function slotName(semaphore: string, slot: number): string {
  return `${semaphore}, slot ${slot}`;
}
