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
  PermitGrant,
  Principal,
  ShownMode,
} from "../../locks/types.ts";
import type { Entry } from "../../raft/types.ts";
import { type AnyAcquire, isAcquire } from "../client.ts";
import { check } from "../violation.ts";
import { type JudgedLease, type JudgedSession, takeOrphans } from "./judged.ts";
import { operationKey } from "./operation-key.ts";
import { PermitJudge } from "./permit-judge.ts";
import { type Place, QueueJudge, whoIs } from "./queue-judge.ts";
import type { JudgedClaim, JudgedResource } from "./stuck-waiters.ts";

interface JudgedHold extends JudgedLease {
  mode: LockMode;
  token: number;
}

/** An idempotency key: what its request came to, and how many operations wait for that. */
interface JudgedKey {
  readonly place: Place | undefined;
  result: LockResult | undefined;
  waiting: number;
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
  private readonly refused = new Set<number>();
  private readonly cancelledOperations = new Set<number>();
  private readonly keys = new Map<string, JudgedKey>();
  private readonly permits = new PermitJudge();
  private readonly queues = new QueueJudge();
  private readonly activeIngress = new Map<string, number>();
  private leaseMs = 0;
  /** When the entry being read was appended, in real ms. */
  private appendedMs = 0;
  /** The entry being read registers a new process of a node. */
  private ingressEnds = false;
  /** In the entry being read a reader became exclusive. */
  private upgraded = false;
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
    else if (entry.kind === "command") this.execute(decodeCommand(entry.payload), outcomes, machine);
    for (const outcome of outcomes) this.outcome(outcome);
    for (const [name, lock] of this.locks) this.compare(name, lock, machine);
    this.permits.compare(machine, this.sessions, appendedMs);
    this.queues.checkWaits(this.resource, this.upgraded);
    this.upgraded = false;
  }

  /** Whether the operation, of which its client has gone, has left nothing behind (PROTOCOLS L7). */
  isCleared(operation: number): boolean {
    const isOpen = this.executed.has(operation) && !this.refused.has(operation);
    return !isOpen || this.cancelledOperations.has(operation);
  }

  private expire(): void {
    for (const [id, session] of this.sessions) {
      if (session.deadlineMs > this.leaseMs) continue;
      this.leaseEnded(session.ttlMs, this.appendedMs - session.sinceMs);
      this.endSession(id);
    }
    this.endHolds((hold) => {
      if (hold.session !== undefined || hold.deadlineMs > this.leaseMs) return false;
      this.leaseEnded(hold.lengthMs, this.appendedMs - hold.sinceMs);
      return true;
    });
  }

  /** @returns whether there were any */
  private endHolds(isOver: (hold: JudgedLease) => boolean): boolean {
    let ended = false;
    const over = (hold: JudgedLease): boolean => {
      const end = isOver(hold);
      ended ||= end;
      return end;
    };
    for (const lock of this.locks.values()) lock.holds = lock.holds.filter((hold) => !over(hold));
    this.permits.end(over);
    return ended;
  }

  /** What the command itself takes away comes before what its outcomes give. */
  private execute(envelope: CommandEnvelope, outcomes: readonly LockOutcome[], machine: LockMachine): void {
    const key = operationKey(envelope.ingress, envelope.sequence);
    if (this.executed.has(key)) return;
    const own = outcomes.find(
      ({ ingress, sequence }) => ingress === envelope.ingress && sequence === envelope.sequence,
    );
    if (own === undefined || (own.result?.type === "error" && own.result.code === "stale_operation")) return;
    const { command } = envelope;
    this.checkIngress(envelope);
    this.executed.set(key, envelope);
    // A keepalive is executed each time: its key means nothing.
    const idempotencyKey = command.type === "keepalive" ? undefined : envelope.idempotencyKey;
    const known = idempotencyKey === undefined ? undefined : this.keys.get(idempotencyKey);
    if (known !== undefined) {
      this.repeated(key, command, own.result, known);
      return;
    }
    const waits = own.result === undefined;
    if (isAcquire(command)) this.checkAnswer(command, own.result);
    const place = waits ? this.queues.waits(key, command) : undefined;
    if (idempotencyKey !== undefined)
      this.keys.set(idempotencyKey, { place, result: undefined, waiting: waits ? 1 : 0 });
    if (isAcquire(command)) this.renew(command.principal);
    if (own.result?.type !== "error") this.effect(envelope.ingress, command, machine);
  }

  /** What is not of the process of its node that registered last is never executed (PROTOCOLS Q1). */
  private checkIngress({ ingress, sequence, command }: CommandEnvelope): void {
    if (command.type === "registerIngress") return;
    check(this.isActive(ingress), "Q1 operations of an unknown process are refused", () => {
      return `${ingress}:${sequence} is executed: ${JSON.stringify(command)}`;
    });
  }

  private isActive(ingress: number): boolean {
    for (const active of this.activeIngress.values()) if (active === ingress) return true;
    return false;
  }

  /** Of what holds and waits before the command. */
  private checkAnswer(command: AnyAcquire, result: LockResult | undefined): void {
    const who = whoIs(command.principal);
    if (result === undefined && command.type === "acquire") {
      const holds = this.lock(command.lock).holds.some(({ holder }) => holder === who);
      check(!holds, "L5 a re-entry goes past all waiters", () => `${who} waits for ${command.lock}, which it holds`);
    }
    if (result?.type !== "error" || result.code !== "deadlock") return;
    this.queues.checkDeadlock(command, this.resource, (name, mode) => {
      const { holds, limit } = this.resource(name, mode);
      const isUpgraded = mode !== "semaphore" && wantedOf(command).some((wanted) => wanted.name === name);
      const upgraded = (hold: JudgedClaim): JudgedClaim => ({ ...hold, mode: "exclusive" });
      return { limit, holds: holds.map((hold) => (isUpgraded && hold.holder === who ? upgraded(hold) : hold)) };
    });
  }

  private readonly resource = (name: string, mode: ShownMode): JudgedResource => {
    if (mode === "semaphore") return this.permits.resource(name);
    return { limit: 0, holds: this.lock(name).holds.map((hold) => ({ ...hold, permits: 0 })) };
  };

  private effect(ingress: number, command: LockCommand, machine: LockMachine): void {
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
      case "releasePermits": {
        const { semaphore, holder, fencingToken } = command;
        this.permits.released(semaphore, (name) => isHeldBy(holder, name), fencingToken);
        return;
      }
      case "cancel":
        this.cancelled(command.ingress, operationKey(command.ingress, command.sequence), machine);
        return;
      case "acquire":
      case "acquireAll":
      case "acquirePermits":
      case "fence":
        return;
    }
  }

  /** A retry by idempotency key: the result of the first request, and nothing done (PROTOCOLS Q1). */
  private repeated(operation: number, command: LockCommand, result: LockResult | undefined, first: JudgedKey): void {
    if (result === undefined) {
      first.waiting++;
      if (first.place !== undefined) this.queues.joins(operation, first.place);
      return;
    }
    this.finished.add(operation);
    if (result.type === "error" && result.code === "idempotency_key_reused") return;
    check(JSON.stringify(result) === JSON.stringify(first.result), "Q1 a retry gets the first result", () => {
      return `${JSON.stringify(result)} after ${JSON.stringify(first.result)}`;
    });
    if (!isAcquire(command)) return;
    const { kind } = command.principal;
    if (result.type === "permitsGranted") {
      this.permits.answeredAgain(result.semaphore, holderOf(kind, result), result.fencingToken);
    }
    for (const grant of grantsOf(result)) {
      const holder = holderOf(kind, grant);
      const hold = this.lock(grant.lock).holds.find(
        (other) => other.holder === holder && other.token === grant.fencingToken,
      );
      if (hold !== undefined) hold.operation = 0;
    }
  }

  private outcome({ ingress, sequence, result }: LockOutcome): void {
    const key = operationKey(ingress, sequence);
    const envelope = this.executed.get(key);
    if (result === undefined || envelope === undefined || this.finished.has(key)) return;
    this.finished.add(key);
    if (result.type === "error") {
      this.errors.set(result.code, (this.errors.get(result.code) ?? 0) + 1);
      this.refused.add(key);
    }
    const { idempotencyKey, command } = envelope;
    if (idempotencyKey !== undefined) this.keyAnswered(idempotencyKey, result);
    if (result.type === "sessionOpened") this.session(result.session, (session) => (session.name = result.name));
    if (!isAcquire(command)) return;
    this.granted(key, command, result);
    // A new process of the node ends what the old one asked for, but not a session's place in the queue.
    const ended = this.ingressEnds && result.type === "error" && result.code === "cancelled";
    const orphan = ended && command.principal.kind === "session" ? command.principal.id : undefined;
    if (orphan !== undefined) {
      const wanted = wantedOf(command);
      const bundled = wanted.length > 1;
      this.session(orphan, ({ orphans }) => orphans.push(...wanted.map((each) => ({ ...each, bundled }))));
    }
    this.queues.ends(key, orphan !== undefined);
  }

  /** All that was asked for, or nothing (PROTOCOLS L6). */
  private granted(operation: number, command: AnyAcquire, result: LockResult): void {
    const { principal, ttlMs } = command;
    if (result.type === "permitsGranted") {
      this.grants++;
      const lease = this.leaseOf(operation, principal, ttlMs, result);
      const isNew = this.permits.granted(result, lease);
      if (isNew) this.queues.granted(operation, principal, { name: result.semaphore, mode: "semaphore" });
      return;
    }
    const grants = grantsOf(result);
    if (grants.length === 0) return;
    const got = grants.map(({ lock }) => lock).sort();
    check(
      got.join() ===
        wantedOf(command)
          .map(({ name }) => name)
          .sort()
          .join(),
      "L6 all or none",
      () => {
        return `${JSON.stringify(command)} got ${JSON.stringify(result)}`;
      },
    );
    for (const grant of grants) this.grantedLock(operation, command, grant);
  }

  private leaseOf(operation: number, principal: Principal, ttlMs: number, grant: LockGrant | PermitGrant): JudgedLease {
    const holder = holderOf(principal.kind, grant);
    const session = principal.kind === "session" ? principal.id : undefined;
    const text = (): string => `${holder} gets ${JSON.stringify(grant)}`;
    check(session === undefined || this.sessions.has(session), "L8 only a living session is granted", text);
    const { expiresInMs: lengthMs } = grant;
    check(session !== undefined || lengthMs >= ttlMs, "L1 a lease is as long as asked", text);
    const deadlineMs = this.leaseMs + lengthMs;
    return { holder, session, operation, lengthMs, deadlineMs, sinceMs: this.appendedMs };
  }

  private keyAnswered(name: string, result: LockResult): void {
    const key = this.keys.get(name);
    if (key === undefined) return;
    if (key.waiting > 0) key.waiting--;
    const forgotten = result.type === "error" && (result.code === "cancelled" || result.code === "limit");
    if (!forgotten) key.result ??= result;
    else if (key.waiting === 0 && key.result === undefined) this.keys.delete(name);
  }

  private grantedLock(operation: number, { principal, ttlMs }: AnyAcquire, grant: LockGrant): void {
    this.grants++;
    const lock = this.lock(grant.lock);
    const lease = this.leaseOf(operation, principal, ttlMs, grant);
    const { holder } = lease;
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
    const { mode, fencingToken: token } = grant;
    if (own === undefined) {
      // What its orphaned place was granted in the same step makes this a re-entry.
      const session = this.sessions.get(lease.session ?? "");
      const orphaned = session !== undefined && takeOrphans(session, grant.lock, mode);
      if (!orphaned) this.queues.granted(operation, principal, { name: grant.lock, mode });
      lock.holds.push({ ...lease, mode, token, ...(orphaned && { orphanOf: grant.lock }) });
    } else {
      this.upgraded ||= own.mode === "shared" && mode === "exclusive";
      Object.assign(own, lease, { mode, token, operation: 0 });
    }
  }

  private released({ lock: name, holder, fencingToken }: Extract<LockCommand, { type: "release" }>): void {
    const lock = this.lock(name);
    const index = lock.holds.findIndex((hold) => isHeldBy(holder, hold.holder));
    const hold = lock.holds[index];
    const right = hold !== undefined && (fencingToken === undefined || hold.token === fencingToken);
    check(
      right,
      "a release is of the holder's grant",
      () => `${name} by ${JSON.stringify(holder)}, token ${fencingToken}`,
    );
    lock.holds.splice(index, 1);
  }

  private cancelled(ingress: number, operation: number, machine: LockMachine): void {
    this.cancelledOperations.add(operation);
    if (!this.isActive(ingress)) return;
    const stays = ({ orphanOf, session = "" }: JudgedLease): boolean => {
      const owner = this.sessions.get(session)?.name;
      return orphanOf !== undefined && machine.view(orphanOf).holders.some((shown) => shown.owner === owner);
    };
    if (!this.endHolds((hold) => hold.operation === operation && !stays(hold))) return;
    const key = this.executed.get(operation)?.idempotencyKey;
    if (key !== undefined) this.keys.delete(key);
  }

  private opened(id: string, ttlMs: number): void {
    const deadlineMs = this.leaseMs + ttlMs;
    const known = this.sessions.get(id);
    const sinceMs = this.appendedMs;
    if (known === undefined) this.sessions.set(id, { name: "", ttlMs, deadlineMs, sinceMs, orphans: [] });
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
    this.endHolds((hold) => hold.session === id);
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
      if (
        shown === undefined ||
        lock.holds.some((hold) => hold.holder === holder) ||
        !takeOrphans(session, name, shown.mode)
      )
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
    const session = this.sessions.get(id);
    if (hold.mode !== "shared" || session === undefined || !takeOrphans(session, name, mode)) return;
    check(token > lock.highestToken, "L2 tokens rise", () => `${hold.holder} is upgraded on ${name} with ${token}`);
    lock.highestToken = token;
    Object.assign(hold, { mode, token, operation: 0 });
  }
}

/** A retry of an anonymous request waits in the place of the first one, whose id the grant names. */
function holderOf(kind: Principal["kind"], { principalId }: LockGrant | PermitGrant): string {
  return kind === "owner" ? principalId : `${kind}:${principalId}`;
}

function isHeldBy(holder: Extract<LockCommand, { type: "release" }>["holder"], name: string): boolean {
  if (holder.kind === "anonymous") return name.startsWith(`once:${holder.node}/`);
  if (holder.kind === "owner") return name === `owner:${holder.name}`;
  return name === (holder.kind === "session" ? `session:${holder.id}` : `once:${holder.id}`);
}

function grantsOf(result: LockResult): readonly LockGrant[] {
  if (result.type === "granted") return [result];
  return result.type === "grantedAll" ? result.grants : [];
}

/** Semaphores with a word before their names, which are apart from those of locks. */
function wantedOf(command: AnyAcquire): { name: string; mode: LockMode }[] {
  if (command.type === "acquire") return [{ name: command.lock, mode: command.mode }];
  if (command.type === "acquirePermits") return [{ name: `semaphore ${command.semaphore}`, mode: "exclusive" }];
  return command.locks.map(({ lock, mode }) => ({ name: lock, mode }));
}
