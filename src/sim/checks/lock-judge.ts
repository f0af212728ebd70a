import { decodeCommand } from "../../locks/codec.ts";
import type { LockMachine } from "../../locks/lock-machine.ts";
import type { LockOutcome } from "../../locks/state.ts";
import type {
  CommandEnvelope,
  LockCommand,
  LockGrant,
  LockMode,
  LockResult,
  LockView,
  Principal,
} from "../../locks/types.ts";
import type { Entry } from "../../raft/types.ts";
import { check } from "../violation.ts";
import { operationKey } from "./operation-key.ts";

interface JudgedHold {
  readonly holder: string;
  /** Undefined unless a session holds. */
  readonly session: string | undefined;
  mode: LockMode;
  token: number;
  /** In lease time; a session's hold lives by the session. */
  deadlineMs: number;
  /** The acquire that alone was answered with this hold, or 0: a cancel of it gives the hold back. */
  operation: number;
  /** When the entry that began or renewed the lease was appended, in real ms. */
  sinceMs: number;
  lengthMs: number;
}

/** An idempotency key: what its request came to, and how many operations wait for that. */
interface JudgedKey {
  result: LockResult | undefined;
  waiting: number;
}

interface JudgedSession {
  /** What others are shown. */
  name: string;
  deadlineMs: number;
  ttlMs: number;
  sinceMs: number;
  /** Locks that it still waits for although the process that asked has ended: granted without an outcome. */
  readonly orphans: Set<string>;
}

/** Every lock that was ever granted. */
interface JudgedLock {
  holds: JudgedHold[];
  highestToken: number;
}

/**
 * A second, simple-minded reading of the applied log: which holds there are, from the commands and what the machine
 * said that they came to. It holds every grant to the rules (PROTOCOLS L1, L2, L5) and the machine's table to its own.
 */
export class LockJudge {
  private readonly locks = new Map<string, JudgedLock>();
  private readonly sessions = new Map<string, JudgedSession>();
  private readonly executed = new Map<number, CommandEnvelope>();
  private readonly finished = new Set<number>();
  private readonly keys = new Map<string, JudgedKey>();
  private readonly activeIngress = new Map<string, number>();
  private leaseMs = 0;
  /** When the entry being read was appended, in real ms. */
  private appendedMs = 0;
  /** The entry being read registers a new process of a node. */
  private ingressEnds = false;
  grants = 0;
  readonly errors = new Map<string, number>();

  /** @param leaseEnded told of every lease that ran out: how long it should have been, and was in real time */
  constructor(private readonly leaseEnded: (lengthMs: number, lastedMs: number) => void) {}

  /**
   * @param machine that has applied the entry
   * @param appendedMs when a leader appended it, in real ms
   */
  apply(entry: Entry, outcomes: readonly LockOutcome[], machine: LockMachine, appendedMs: number): void {
    this.appendedMs = appendedMs;
    this.leaseMs = Math.max(this.leaseMs, entry.leaseTimeMs);
    this.ingressEnds = false;
    if (entry.kind === "time") this.expire();
    else if (entry.kind === "command") this.execute(decodeCommand(entry.payload), outcomes);
    for (const outcome of outcomes) this.outcome(outcome);
    for (const [name, lock] of this.locks) this.compare(name, lock, machine);
  }

  private expire(): void {
    for (const [id, session] of this.sessions) {
      if (session.deadlineMs > this.leaseMs) continue;
      this.leaseEnded(session.ttlMs, this.appendedMs - session.sinceMs);
      this.endSession(id);
    }
    for (const lock of this.locks.values()) {
      lock.holds = lock.holds.filter((hold) => {
        if (hold.session !== undefined || hold.deadlineMs > this.leaseMs) return true;
        this.leaseEnded(hold.lengthMs, this.appendedMs - hold.sinceMs);
        return false;
      });
    }
  }

  /** What the command itself takes away comes before what its outcomes give. */
  private execute(envelope: CommandEnvelope, outcomes: readonly LockOutcome[]): void {
    const key = operationKey(envelope.ingress, envelope.sequence);
    if (this.executed.has(key)) return;
    const own = outcomes.find(
      ({ ingress, sequence }) => ingress === envelope.ingress && sequence === envelope.sequence,
    );
    if (own === undefined || (own.result?.type === "error" && own.result.code === "stale_operation")) return;
    this.executed.set(key, envelope);
    const { idempotencyKey, command } = envelope;
    // A keepalive is executed each time: its key means nothing.
    if (idempotencyKey !== undefined && command.type !== "keepalive") {
      const known = this.keys.get(idempotencyKey);
      if (known !== undefined) {
        this.repeated(key, command, own.result, known);
        return;
      }
      this.keys.set(idempotencyKey, { result: undefined, waiting: own.result === undefined ? 1 : 0 });
    }
    if (command.type === "acquire") this.renew(command.principal);
    if (own.result?.type !== "error") this.effect(envelope.ingress, command);
  }

  private effect(ingress: number, command: LockCommand): void {
    switch (command.type) {
      case "registerIngress":
        this.activeIngress.set(command.node, ingress);
        this.ingressEnds = true;
        return;
      case "openSession":
        this.opened(command.session, command.ttlMs);
        return;
      case "keepalive":
        for (const id of command.sessions) this.renewSession(id);
        return;
      case "closeSession":
        this.endSession(command.session);
        return;
      case "release":
        this.released(command);
        return;
      case "cancel":
        this.cancelled(command.ingress, operationKey(command.ingress, command.sequence));
        return;
      case "acquire":
      case "acquireAll":
      case "acquirePermits":
      case "releasePermits":
      case "fence":
        return;
    }
  }

  /** A retry by idempotency key: the result of the first request, and nothing done (PROTOCOLS Q1). */
  private repeated(operation: number, command: LockCommand, result: LockResult | undefined, first: JudgedKey): void {
    if (result === undefined) {
      first.waiting++;
      return;
    }
    this.finished.add(operation);
    if (result.type === "error" && result.code === "idempotency_key_reused") return;
    check(JSON.stringify(result) === JSON.stringify(first.result), "Q1 a retry gets the first result", () => {
      return `${JSON.stringify(result)} after ${JSON.stringify(first.result)}`;
    });
    if (result.type !== "granted" || command.type !== "acquire") return;
    const holder = holderOf(command.principal.kind, result);
    const hold = this.lock(result.lock).holds.find(
      (other) => other.holder === holder && other.token === result.fencingToken,
    );
    if (hold !== undefined) hold.operation = 0;
  }

  private outcome({ ingress, sequence, result }: LockOutcome): void {
    const key = operationKey(ingress, sequence);
    const envelope = this.executed.get(key);
    if (result === undefined || envelope === undefined || this.finished.has(key)) return;
    this.finished.add(key);
    if (result.type === "error") this.errors.set(result.code, (this.errors.get(result.code) ?? 0) + 1);
    const { idempotencyKey, command } = envelope;
    if (idempotencyKey !== undefined) this.keyAnswered(idempotencyKey, result);
    if (result.type === "sessionOpened") this.session(result.session, (session) => (session.name = result.name));
    if (command.type !== "acquire") return;
    if (result.type === "granted") this.granted(key, command, result);
    // A new process of the node ends what the old one asked for, but not a session's place in the queue.
    const orphaned = this.ingressEnds && result.type === "error" && result.code === "cancelled";
    if (orphaned && command.principal.kind === "session")
      this.session(command.principal.id, ({ orphans }) => orphans.add(command.lock));
  }

  private keyAnswered(name: string, result: LockResult): void {
    const key = this.keys.get(name);
    if (key === undefined) return;
    if (key.waiting > 0) key.waiting--;
    const forgotten = result.type === "error" && (result.code === "cancelled" || result.code === "limit");
    if (!forgotten) key.result ??= result;
    else if (key.waiting === 0 && key.result === undefined) this.keys.delete(name);
  }

  private granted(operation: number, command: Extract<LockCommand, { type: "acquire" }>, grant: LockGrant): void {
    this.grants++;
    const { principal, ttlMs } = command;
    const lock = this.lock(grant.lock);
    const holder = holderOf(principal.kind, grant);
    const text = (): string => `${holder} gets ${grant.lock} ${grant.mode} with token ${grant.fencingToken}`;
    let own: JudgedHold | undefined;
    let reader = false;
    for (const hold of lock.holds) {
      if (hold.holder === holder) {
        own = hold;
        continue;
      }
      const together = hold.mode === "shared" && grant.mode === "shared";
      check(together, "lock safety", () => `${text()} while ${hold.holder} holds it ${hold.mode}`);
      check(
        hold.token === grant.fencingToken,
        "L2 one shared phase, one token",
        () => `${text()}, others ${hold.token}`,
      );
      reader = true;
    }
    const same = reader || own?.token === grant.fencingToken;
    check(
      same || grant.fencingToken > lock.highestToken,
      "L2 tokens rise",
      () => `${text()} after ${lock.highestToken}`,
    );
    lock.highestToken = Math.max(lock.highestToken, grant.fencingToken);
    const session = principal.kind === "session" ? principal.id : undefined;
    check(session === undefined || this.sessions.has(session), "L8 only a living session is granted", text);
    const leased = session !== undefined || grant.expiresInMs >= ttlMs;
    check(leased, "L1 a lease is as long as asked", () => `${text()} for ${grant.expiresInMs} of ${ttlMs} ms`);
    const lengthMs = grant.expiresInMs;
    const { mode, fencingToken: token } = grant;
    const lease = { mode, token, lengthMs, deadlineMs: this.leaseMs + lengthMs, sinceMs: this.appendedMs };
    if (own === undefined) lock.holds.push({ holder, session, ...lease, operation });
    else Object.assign(own, lease, { operation: 0 });
  }

  private released({ lock: name, holder, fencingToken }: Extract<LockCommand, { type: "release" }>): void {
    const lock = this.lock(name);
    const index = lock.holds.findIndex((hold) => {
      if (holder.kind === "anonymous") return hold.holder.startsWith(`once:${holder.node}/`);
      return hold.holder === holderName(holder);
    });
    const hold = lock.holds[index];
    const right = hold !== undefined && (fencingToken === undefined || hold.token === fencingToken);
    check(
      right,
      "a release is of the holder's grant",
      () => `${name} by ${JSON.stringify(holder)}, token ${fencingToken}`,
    );
    lock.holds.splice(index, 1);
  }

  private cancelled(ingress: number, operation: number): void {
    if (![...this.activeIngress.values()].includes(ingress)) return;
    for (const lock of this.locks.values()) {
      const left = lock.holds.filter((hold) => hold.operation !== operation);
      if (left.length === lock.holds.length) continue;
      lock.holds = left;
      const key = this.executed.get(operation)?.idempotencyKey;
      if (key !== undefined) this.keys.delete(key);
    }
  }

  private opened(id: string, ttlMs: number): void {
    const deadlineMs = this.leaseMs + ttlMs;
    const known = this.sessions.get(id);
    const sinceMs = this.appendedMs;
    if (known === undefined) this.sessions.set(id, { name: "", ttlMs, deadlineMs, sinceMs, orphans: new Set() });
    else Object.assign(known, { ttlMs, deadlineMs, sinceMs });
  }

  private renew(principal: Principal): void {
    if (principal.kind === "session") this.renewSession(principal.id);
  }

  private renewSession(id: string): void {
    this.session(id, (session) => {
      session.deadlineMs = this.leaseMs + session.ttlMs;
      session.sinceMs = this.appendedMs;
    });
  }

  private session(id: string, change: (session: JudgedSession) => unknown): void {
    const session = this.sessions.get(id);
    if (session !== undefined) change(session);
  }

  private endSession(id: string): void {
    this.sessions.delete(id);
    for (const lock of this.locks.values()) lock.holds = lock.holds.filter((hold) => hold.session !== id);
  }

  private lock(name: string): JudgedLock {
    let lock = this.locks.get(name);
    if (lock === undefined) {
      lock = { holds: [], highestToken: 0 };
      this.locks.set(name, lock);
    }
    return lock;
  }

  private compare(name: string, lock: JudgedLock, machine: LockMachine): void {
    const view = machine.view(name);
    if (view.holders.length > lock.holds.length) this.adoptOrphans(name, lock, view);
    if (view.fencingToken !== undefined && view.fencingToken !== lock.holds[0]?.token)
      this.upgradeOrphan(name, lock, view);
    const first = lock.holds[0];
    const same = view.holders.length === lock.holds.length && view.mode === first?.mode;
    check(same && (view.fencingToken ?? 0) === (first?.token ?? 0), "the table is what the log makes it", () => {
      return `${name} is ${JSON.stringify(view)}, by the log ${JSON.stringify(lock.holds)}`;
    });
  }

  private adoptOrphans(name: string, lock: JudgedLock, { holders, fencingToken: token = 0 }: LockView): void {
    for (const [id, session] of this.sessions) {
      const holder = `session:${id}`;
      const shown = holders.find(({ owner }) => owner === session.name);
      if (shown === undefined || lock.holds.some((hold) => hold.holder === holder) || !session.orphans.delete(name))
        continue;
      const reader = lock.holds.some((hold) => hold.token === token);
      check(reader || token > lock.highestToken, "L2 tokens rise", () => `${holder} has ${name} with ${token}`);
      lock.highestToken = Math.max(lock.highestToken, token);
      const lease = { lengthMs: 0, deadlineMs: 0, sinceMs: this.appendedMs };
      lock.holds.push({ holder, session: id, mode: shown.mode, token, operation: 0, ...lease });
    }
  }

  /** A session that was granted the lock shared had an exclusive place, too, that its former process left: an upgrade. */
  private upgradeOrphan(name: string, lock: JudgedLock, { mode, fencingToken: token = 0 }: LockView): void {
    const [hold] = lock.holds;
    const id = hold?.session;
    if (hold === undefined || id === undefined || lock.holds.length > 1 || mode !== "exclusive") return;
    if (hold.mode !== "shared" || this.sessions.get(id)?.orphans.delete(name) !== true) return;
    check(token > lock.highestToken, "L2 tokens rise", () => `${hold.holder} is upgraded on ${name} with ${token}`);
    lock.highestToken = token;
    Object.assign(hold, { mode, token, operation: 0 });
  }
}

/** A retry of an anonymous request waits in the place of the first one, whose id the grant names. */
function holderOf(kind: Principal["kind"], { principalId }: LockGrant): string {
  return kind === "owner" ? principalId : `${kind}:${principalId}`;
}

function holderName(
  holder: Exclude<Extract<LockCommand, { type: "release" }>["holder"], { kind: "anonymous" }>,
): string {
  if (holder.kind === "owner") return `owner:${holder.name}`;
  return holder.kind === "session" ? `session:${holder.id}` : `once:${holder.id}`;
}
