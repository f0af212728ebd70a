import { limits } from "../../../src/kernel/limits.ts";
import { encodeCommand } from "../../../src/locks/codec.ts";
import { type LockEntry, LockMachine } from "../../../src/locks/lock-machine.ts";
import type { LockLimits, LockOutcome } from "../../../src/locks/state.ts";
import type {
  CommandEnvelope,
  LockCommand,
  LockMode,
  LockResult,
  LockWish,
  PermitGrant,
  Principal,
} from "../../../src/locks/types.ts";

export const NODE1 = 1001;

/** A lock machine, its twin that gets the same entries, and the log that both were fed. */
export class Harness {
  readonly machine: LockMachine;
  readonly twin: LockMachine;
  readonly log: LockEntry[] = [];
  /** Everything emitted, in order. */
  readonly outcomes: LockOutcome[] = [];
  /** What the last entry emitted. */
  last: LockOutcome[] = [];
  nowMs = 0;
  private sequences = new Map<number, number>();

  constructor(bounds: Partial<LockLimits> = {}) {
    this.machine = new LockMachine({ ...limits, ...bounds });
    this.twin = new LockMachine({ ...limits, ...bounds });
    this.register(NODE1, "node1");
  }

  entry(kind: LockEntry["kind"], payload: Uint8Array = new Uint8Array(0)): LockOutcome[] {
    const entry = { index: this.log.length + 1, kind, leaseTimeMs: this.nowMs, payload };
    this.log.push(entry);
    this.last = [];
    this.machine.apply(entry, (outcome) => this.last.push(outcome));
    this.twin.apply(entry, () => {});
    this.outcomes.push(...this.last);
    return this.last;
  }

  propose(command: LockCommand, options: Partial<CommandEnvelope> = {}): LockOutcome[] {
    const ingress = options.ingress ?? NODE1;
    const sequence = options.sequence ?? this.next(ingress);
    return this.entry(
      "command",
      encodeCommand({ ingress, sequence, floor: 1, idempotencyKey: undefined, command, ...options }),
    );
  }

  /** The sequence that the next operation of the ingress will get. */
  next(ingress = NODE1): number {
    const sequence = (this.sequences.get(ingress) ?? 0) + 1;
    this.sequences.set(ingress, sequence);
    return sequence;
  }

  /** @returns the command's own result; undefined when it waits */
  run(command: LockCommand, options: Partial<CommandEnvelope> = {}): LockResult | undefined {
    const sequence = options.sequence ?? this.next(options.ingress);
    const ingress = options.ingress ?? NODE1;
    this.propose(command, { ...options, ingress, sequence });
    return this.last.find((outcome) => outcome.ingress === ingress && outcome.sequence === sequence)?.result;
  }

  /** Final result of an operation, from whichever entry it came. */
  resultOf(sequence: number, ingress = NODE1): LockResult | undefined {
    return this.outcomes.findLast((outcome) => outcome.ingress === ingress && outcome.sequence === sequence)?.result;
  }

  register(ingress: number, node: string, options: Partial<CommandEnvelope> = {}): LockResult | undefined {
    return this.run({ type: "registerIngress", node }, { ingress, ...options });
  }

  acquire(lock: string, principal: Principal, options: AcquireOptions = {}): LockResult | undefined {
    return this.run(acquire(lock, principal, options), options.envelope);
  }

  /** An acquire that must wait; its sequence is returned. */
  wait(lock: string, principal: Principal, options: AcquireOptions = {}): number {
    return this.mustWait(acquire(lock, principal, { waitMs: 10_000, ...options }), options.envelope);
  }

  /** All of the locks, as `x` or `x/shared`. */
  acquireAll(locks: readonly string[], principal: Principal, options: AcquireOptions = {}): LockResult | undefined {
    return this.run(acquireAll(locks, principal, options), options.envelope);
  }

  /** As {@link wait}. */
  waitAll(locks: readonly string[], principal: Principal, options: AcquireOptions = {}): number {
    return this.mustWait(acquireAll(locks, principal, { waitMs: 10_000, ...options }), options.envelope);
  }

  /** So many permits of a semaphore that has `limit` of them, as `2/3`. */
  permits(
    semaphore: string,
    share: string,
    principal: Principal,
    options: AcquireOptions = {},
  ): LockResult | undefined {
    return this.run(acquirePermits(semaphore, share, principal, options), options.envelope);
  }

  /** As {@link wait}. */
  waitPermits(semaphore: string, share: string, principal: Principal, options: AcquireOptions = {}): number {
    const command = acquirePermits(semaphore, share, principal, { waitMs: 10_000, ...options });
    return this.mustWait(command, options.envelope);
  }

  releasePermits(semaphore: string, holder: Holder, fencingToken?: number): LockResult | undefined {
    return this.run({ type: "releasePermits", semaphore, holder, fencingToken });
  }

  token(lock: string, principal: Principal, options: AcquireOptions = {}): number {
    return tokenOf(this.acquire(lock, principal, options));
  }

  mustWait(command: LockCommand, envelope: Partial<CommandEnvelope> = {}): number {
    const sequence = envelope.sequence ?? this.next(envelope.ingress);
    const result = this.run(command, { ...envelope, sequence });
    if (result !== undefined) throw new Error(`should wait, but ${JSON.stringify(result)}`);
    return sequence;
  }

  release(lock: string, holder: Holder, fencingToken?: number): LockResult | undefined {
    return this.run({ type: "release", lock, holder, fencingToken });
  }

  open(session: string, ttlMs = 10_000): LockResult | undefined {
    return this.run({ type: "openSession", session, ttlMs });
  }

  cancel(sequence: number, ingress = NODE1): LockResult | undefined {
    return this.run({ type: "cancel", ingress, sequence });
  }

  /** A time entry at that lease time. */
  time(nowMs: number): LockOutcome[] {
    this.nowMs = nowMs;
    return this.entry("time");
  }

  holders(lock: string): string[] {
    return this.machine.view(lock).holders.map((holder) => holder.owner);
  }

  waiters(lock: string): string[] {
    return this.machine.view(lock).waiters.map((waiter) => waiter.owner);
  }
}

type Holder = Extract<LockCommand, { type: "release" }>["holder"];

export interface AcquireOptions {
  readonly mode?: LockMode;
  readonly ttlMs?: number;
  readonly waitMs?: number;
  readonly value?: string;
  readonly envelope?: Partial<CommandEnvelope>;
}

export function acquire(lock: string, principal: Principal, options: AcquireOptions = {}): LockCommand {
  const { mode = "exclusive", ttlMs = 30_000, waitMs = 0, value } = options;
  const leaseMs = principal.kind === "session" ? 0 : ttlMs;
  return { type: "acquire", lock, mode, principal, ttlMs: leaseMs, waitMs, value };
}

export function acquireAll(locks: readonly string[], principal: Principal, options: AcquireOptions = {}): LockCommand {
  const { ttlMs = 30_000, waitMs = 0 } = options;
  const leaseMs = principal.kind === "session" ? 0 : ttlMs;
  return { type: "acquireAll", locks: locks.map(wish), principal, ttlMs: leaseMs, waitMs };
}

export function acquirePermits(
  semaphore: string,
  share: string,
  principal: Principal,
  { ttlMs = 30_000, waitMs = 0 }: AcquireOptions = {},
): LockCommand {
  const [permits = 0, limit = 0] = share.split("/").map(Number);
  const leaseMs = principal.kind === "session" ? 0 : ttlMs;
  return { type: "acquirePermits", semaphore, permits, limit, principal, ttlMs: leaseMs, waitMs };
}

function wish(text: string): LockWish {
  const [lock = "", mode = "exclusive"] = text.split("/");
  return { lock, mode: mode as LockMode };
}

export function owner(name: string): Principal {
  return { kind: "owner", name };
}

export function session(id: string): Principal {
  return { kind: "session", id };
}

export function once(id: string, node = "node1"): Principal {
  return { kind: "once", id, node };
}

export function tokenOf(result: LockResult | undefined): number {
  if (result?.type !== "granted") throw new Error(`should be granted, but ${JSON.stringify(result)}`);
  return result.fencingToken;
}

export function permitsOf(result: LockResult | undefined): PermitGrant {
  if (result?.type !== "permitsGranted") throw new Error(`should be granted, but ${JSON.stringify(result)}`);
  return result;
}

/** Of a multi-lock, in order. */
export function tokensOf(result: LockResult | undefined): number[] {
  if (result?.type !== "grantedAll") throw new Error(`should be granted, but ${JSON.stringify(result)}`);
  return result.grants.map((grant) => grant.fencingToken);
}

export function errorOf(result: LockResult | undefined): string | undefined {
  return result?.type === "error" ? result.code : result?.type;
}
