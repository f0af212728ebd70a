import type { LockMode, Principal } from "../../../src/locks/types.ts";

interface ModelHold {
  readonly lock: string;
  readonly who: Principal;
  mode: LockMode;
  token: number;
  endsMs: number | undefined;
  readonly created: number;
  operation: number | undefined;
}

interface ModelWaiter {
  readonly lock: string;
  readonly who: Principal;
  readonly mode: LockMode;
  endsMs: number;
  ttlMs: number;
  readonly created: number;
  operations: number[];
}

export type ModelEnd = { readonly code: string; readonly token?: number };

/** The rules L1–L5, L7, L8 and T2 said as plainly as possible: lists, no index, everything looked for from the start. */
export class LockModel {
  holds: ModelHold[] = [];
  waiters: ModelWaiter[] = [];
  sessions = new Map<string, { ttlMs: number; endsMs: number; readonly created: number; readonly name: string }>();
  /** How each operation ended. */
  readonly ends = new Map<number, ModelEnd>();
  nowMs = 0;
  private tokens = 0;
  private created = 0;
  private opened = 0;
  /** Locks that lost a hold or a waiter, in that order: the order of what is granted then. */
  private freed: string[] = [];

  open(id: string, ttlMs: number): void {
    const known = this.sessions.get(id) ?? { created: this.created++, name: `session-${++this.opened}` };
    this.sessions.set(id, { ...known, ttlMs, endsMs: this.nowMs + ttlMs });
  }

  keepalive(id: string): void {
    const session = this.sessions.get(id);
    if (session !== undefined) session.endsMs = this.nowMs + session.ttlMs;
  }

  close(id: string, operation: number): void {
    const known = this.sessions.has(id);
    if (known) this.endSession(id);
    this.grantFreed();
    this.ends.set(operation, { code: known ? "sessionClosed" : "session_expired" });
  }

  acquire(operation: number, lock: string, mode: LockMode, who: Principal, ttlMs: number, waitMs: number): void {
    if (who.kind === "session") {
      if (!this.sessions.has(who.id)) return void this.ends.set(operation, { code: "session_expired" });
      this.keepalive(who.id);
    }
    const hold = this.holds.find((other) => other.lock === lock && same(other.who, who));
    if (hold !== undefined) return this.reenter(hold, mode, ttlMs, [operation]);
    const blocked = this.isHeldAgainst(lock, mode) || this.waiters.some((waiter) => waiter.lock === lock);
    if (!blocked) return this.grant(lock, mode, who, ttlMs, [operation]);
    if (waitMs === 0) return void this.ends.set(operation, { code: "lock_held" });
    const endsMs = this.nowMs + waitMs;
    const place = this.waiters.find((other) => other.lock === lock && other.mode === mode && same(other.who, who));
    if (place !== undefined) {
      place.operations.push(operation);
      place.endsMs = Math.max(place.endsMs, endsMs);
      place.ttlMs = Math.max(place.ttlMs, ttlMs);
      return;
    }
    const waiter = { lock, who, mode, endsMs, ttlMs, created: this.created++, operations: [operation] };
    this.waiters.push(waiter);
    if (!this.isInCycle(who)) return;
    this.waiters.pop();
    this.ends.set(operation, { code: "deadlock" });
  }

  release(operation: number, lock: string, who: Principal): void {
    if (who.kind === "session" && !this.sessions.has(who.id))
      return void this.ends.set(operation, { code: "session_expired" });
    const holders = this.holds.filter((hold) => hold.lock === lock);
    const hold = holders.find((other) => same(other.who, who));
    this.ends.set(operation, {
      code: holders.length === 0 ? "not_held" : hold === undefined ? "not_owner" : "released",
    });
    if (hold !== undefined) this.endHold(hold);
    this.grantFreed();
  }

  cancel(target: number): void {
    const waiter = this.waiters.find((other) => other.operations.includes(target));
    if (waiter !== undefined) {
      waiter.operations = waiter.operations.filter((other) => other !== target);
      this.ends.set(target, { code: "cancelled" });
      if (waiter.operations.length === 0) this.endWait(waiter, "cancelled");
    }
    for (const hold of this.holds.filter((other) => other.operation === target)) this.endHold(hold);
    this.grantFreed();
  }

  /** The node's process starts anew. */
  restart(): void {
    // A place goes with its last operation.
    const places = [...this.waiters].sort((a, b) => (a.operations.at(-1) ?? 0) - (b.operations.at(-1) ?? 0));
    for (const waiter of places) {
      for (const operation of waiter.operations) this.ends.set(operation, { code: "cancelled" });
      waiter.operations = [];
      if (waiter.who.kind !== "session") this.endWait(waiter, "cancelled");
    }
    this.grantFreed();
  }

  time(): void {
    const due = [
      ...this.holds.map((hold) => ({ endsMs: hold.endsMs, created: hold.created, end: () => this.endHold(hold) })),
      ...this.waiters.map((waiter) => ({
        endsMs: waiter.endsMs,
        created: waiter.created,
        end: () => this.endWait(waiter, "lock_held"),
      })),
      ...[...this.sessions].map(([id, session]) => ({
        endsMs: session.endsMs,
        created: session.created,
        end: () => this.endSession(id),
      })),
    ].filter((item) => item.endsMs !== undefined && item.endsMs <= this.nowMs);
    due.sort((a, b) => (a.endsMs ?? 0) - (b.endsMs ?? 0) || a.created - b.created);
    for (const item of due) item.end();
    this.grantFreed();
  }

  /** Whether `who` is among those that it waits for, directly or not. */
  isInCycle(who: Principal): boolean {
    const seen: Principal[] = [];
    const frontier = this.blockersOf(who);
    for (let next = frontier.pop(); next !== undefined; next = frontier.pop()) {
      if (same(next, who)) return true;
      const blocker = next;
      if (seen.some((other) => same(other, blocker))) continue;
      seen.push(blocker);
      frontier.push(...this.blockersOf(blocker));
    }
    return false;
  }

  private blockersOf(who: Principal): Principal[] {
    const blockers: Principal[] = [];
    this.waiters.forEach((waiter, index) => {
      if (!same(waiter.who, who)) return;
      const against = (other: { lock: string; mode: LockMode; who: Principal }) =>
        other.lock === waiter.lock &&
        (other.mode === "exclusive" || waiter.mode === "exclusive") &&
        !same(other.who, who);
      blockers.push(...this.holds.filter(against).map((hold) => hold.who));
      blockers.push(
        ...this.waiters
          .slice(0, index)
          .filter(against)
          .map((earlier) => earlier.who),
      );
    });
    return blockers;
  }

  shown(who: Principal): string {
    if (who.kind === "session") return this.sessions.get(who.id)?.name ?? "none";
    return who.kind === "owner" ? who.name : who.node;
  }

  private grantFreed(): void {
    for (const lock of this.freed) this.grantOn(lock);
    this.freed = [];
  }

  private grantOn(lock: string): void {
    for (;;) {
      const queue = this.waiters.filter((waiter) => waiter.lock === lock);
      const head = queue[0];
      if (head === undefined || this.isHeldAgainst(lock, head.mode)) return;
      // One step: an exclusive waiter, or the shared ones in front.
      const readers = queue.findIndex((waiter) => waiter.mode === "exclusive");
      const step = head.mode === "exclusive" ? [head] : queue.slice(0, readers < 0 ? queue.length : readers);
      this.waiters = this.waiters.filter((waiter) => !step.includes(waiter));
      for (const waiter of step) this.grant(waiter.lock, waiter.mode, waiter.who, waiter.ttlMs, waiter.operations);
      for (const { who } of step) this.answerOtherWaits(lock, who);
    }
  }

  private answerOtherWaits(lock: string, who: Principal): void {
    const hold = this.holds.find((other) => other.lock === lock && same(other.who, who));
    const others = this.waiters.filter((waiter) => waiter.lock === lock && same(waiter.who, who));
    if (hold === undefined) return;
    for (const waiter of others) {
      this.waiters = this.waiters.filter((other) => other !== waiter);
      this.reenter(hold, waiter.mode, Math.max(waiter.ttlMs, (hold.endsMs ?? 0) - this.nowMs), waiter.operations);
    }
  }

  private grant(lock: string, mode: LockMode, who: Principal, ttlMs: number, operations: readonly number[]): void {
    const phase = this.holds.find((hold) => hold.lock === lock);
    const token = phase?.token ?? ++this.tokens;
    const endsMs = who.kind === "session" ? undefined : this.nowMs + ttlMs;
    this.holds.push({
      lock,
      who,
      mode,
      token,
      endsMs,
      created: this.created++,
      operation: operations.length === 1 ? operations[0] : undefined,
    });
    for (const operation of operations) this.ends.set(operation, { code: "granted", token });
  }

  private reenter(hold: ModelHold, mode: LockMode, ttlMs: number, operations: readonly number[]): void {
    if (mode === "exclusive" && hold.mode === "shared") {
      if (this.holds.filter((other) => other.lock === hold.lock).length > 1) {
        for (const operation of operations) this.ends.set(operation, { code: "upgrade_conflict" });
        return;
      }
      hold.mode = "exclusive";
      hold.token = ++this.tokens;
    }
    if (hold.endsMs !== undefined) hold.endsMs = this.nowMs + ttlMs;
    hold.operation = undefined;
    for (const operation of operations) this.ends.set(operation, { code: "granted", token: hold.token });
  }

  private isHeldAgainst(lock: string, mode: LockMode): boolean {
    return this.holds.some((hold) => hold.lock === lock && (hold.mode === "exclusive" || mode === "exclusive"));
  }

  private endSession(id: string): void {
    this.sessions.delete(id);
    for (const waiter of this.waiters.filter((other) => isSession(other.who, id)))
      this.endWait(waiter, "session_expired");
    for (const hold of this.holds.filter((other) => isSession(other.who, id))) this.endHold(hold);
  }

  private endHold(hold: ModelHold): void {
    this.holds = this.holds.filter((other) => other !== hold);
    this.freed.push(hold.lock);
  }

  private endWait(waiter: ModelWaiter, code: string): void {
    if (!this.waiters.includes(waiter)) return;
    this.freed.push(waiter.lock);
    this.waiters = this.waiters.filter((other) => other !== waiter);
    for (const operation of waiter.operations) this.ends.set(operation, { code });
  }
}

function isSession(who: Principal, id: string): boolean {
  return who.kind === "session" && who.id === id;
}

function same(a: Principal, b: Principal): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
