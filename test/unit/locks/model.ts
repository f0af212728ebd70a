import type { LockMode } from "../../../src/locks/types.ts";
import {
  type Ask,
  conflict,
  type ModelEnd,
  type ModelHold,
  type ModelKey,
  type ModelPermits,
  type ModelWait,
  type ModelWish,
  same,
  wants,
  type Who,
} from "./model-records.ts";

const KEY_KEEP_MS = 600_000;

/**
 * The rules L1–L8, Q1 and T2 said as plainly as possible: lists, no index, everything looked for from the start, and who is
 * deadlocked decided by reducing the whole state.
 */
export class LockModel {
  holds: ModelHold[] = [];
  permits: ModelPermits[] = [];
  waits: ModelWait[] = [];
  sessions = new Map<string, { ttlMs: number; endsMs: number; readonly created: number; readonly name: string }>();
  readonly values = new Map<string, string>();
  readonly revisions = new Map<string, number>();
  readonly keys = new Map<string, ModelKey>();
  /** How each operation ended. */
  readonly ends = new Map<number, ModelEnd>();
  /** Operations that ended since this was last emptied. */
  readonly ended = new Set<number>();
  private readonly keyOf = new Map<number, string>();
  nowMs = 0;
  /** Of the entry. */
  index = 0;
  private tokens = 0;
  private created = 0;
  private opened = 0;
  /** What lost a hold or a place, in that order: the order of what is granted then. */
  private readonly freed = new Set<string>();

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
    this.end(operation, { code: known ? "sessionClosed" : "session_expired" });
  }

  acquire(ask: Ask, wish: ModelWish, value: string | undefined): void {
    if (!this.begins(ask)) return;
    const { who, operation, ttlMs } = ask;
    const hold = this.holdOf(who, wish.lock);
    if (hold !== undefined) return this.reenter(hold, wish.mode, ttlMs, value, [operation]);
    if (!this.isInTheWay(wish, who, this.waits)) {
      this.addHold(wish, who, ttlMs, value, operation);
      return this.end(operation, { code: "granted", tokens: [this.tokenOf(wish.lock)] });
    }
    this.enqueue(ask, { wishes: [wish], all: false, value });
  }

  acquireAll(ask: Ask, wishes: readonly ModelWish[]): void {
    if (!this.begins(ask)) return;
    const { who, operation, ttlMs } = ask;
    const conflict = wishes.find(({ lock, mode }) => {
      const hold = this.holdOf(who, lock);
      return hold?.mode === "shared" && mode === "exclusive" && this.holdersOf(lock).length > 1;
    });
    if (conflict !== undefined) return this.end(operation, { code: "upgrade_conflict", lock: conflict.lock });
    const free = wishes.every((wish) => this.holdOf(who, wish.lock) || !this.isInTheWay(wish, who, this.waits));
    if (!free) return this.enqueue(ask, { wishes, all: true });
    const upgraded = wishes.flatMap((wish) => (wish.mode === "exclusive" ? (this.holdOf(who, wish.lock) ?? []) : []));
    const stuck = this.stuckAfterUpgrade(upgraded);
    if (stuck.length > 0) return this.end(operation, { code: "deadlock", stuck });
    this.holdAll(who, wishes, () => ttlMs, ttlMs, [operation]);
  }

  acquirePermits(ask: Ask, semaphore: string, permits: number, limit: number): void {
    if (!this.begins(ask)) return;
    const { who, operation, ttlMs } = ask;
    const known = [...this.permits, ...this.waits].find((other) => other.semaphore === semaphore)?.limit;
    if (known !== undefined && known !== limit) return this.end(operation, { code: "semaphore_limit" });
    const hold = this.permits.find((other) => other.semaphore === semaphore && other.who === who);
    if (hold !== undefined) {
      if (hold.slots.length !== permits) return this.end(operation, { code: "permits_conflict" });
      if (hold.endsMs !== undefined) hold.endsMs = this.nowMs + ttlMs;
      hold.operation = undefined;
      return this.end(operation, { code: "permitsGranted", tokens: [hold.token], slots: hold.slots });
    }
    const queued = this.waits.some((other) => other.semaphore === semaphore);
    if (!queued && permits <= this.freeSlots(semaphore, limit).length) {
      return this.addPermits(who, semaphore, permits, limit, ttlMs, [operation]);
    }
    this.enqueue(ask, { wishes: [], all: false, semaphore, permits, limit });
  }

  release(operation: number, what: "lock" | "semaphore", name: string, who: Who, token: number | undefined): void {
    if (this.isDead(who)) return this.end(operation, { code: "session_expired" });
    const holders = what === "lock" ? this.holdersOf(name) : this.permits.filter((hold) => hold.semaphore === name);
    const hold = holders.find((other) => other.who === who);
    if (holders.length === 0) return this.end(operation, { code: "not_held" });
    if (hold === undefined) return this.end(operation, { code: "not_owner" });
    if (token !== undefined && token !== hold.token) {
      return this.end(operation, { code: "stale_token", tokens: [hold.token] });
    }
    this.endHold(hold);
    this.grantFreed();
    this.end(operation, { code: what === "lock" ? "released" : "permitsReleased" });
  }

  cancel(target: number): void {
    const wait = this.waits.find((other) => other.operations.includes(target));
    if (wait !== undefined) {
      wait.operations = wait.operations.filter((other) => other !== target);
      this.end(target, { code: "cancelled" });
      if (wait.operations.length === 0) this.endWait(wait, { code: "cancelled" });
    }
    const given = [...this.holds, ...this.permits].filter((other) => other.operation === target);
    const key = this.keyOf.get(target);
    if (given.length > 0 && key !== undefined) this.keys.delete(key);
    for (const hold of given) this.endHold(hold);
    this.grantFreed();
  }

  /** The node's process starts anew. */
  restart(): void {
    // A wait goes with its last operation.
    const waits = [...this.waits].sort((a, b) => (a.operations.at(-1) ?? 0) - (b.operations.at(-1) ?? 0));
    for (const wait of waits) {
      const operations = wait.operations;
      wait.operations = [];
      for (const operation of operations) this.end(operation, { code: "cancelled" });
      if (!wait.who.startsWith("session:")) this.endWait(wait, { code: "cancelled" });
    }
    this.grantFreed();
  }

  time(): void {
    const due = [
      ...[...this.holds, ...this.permits].map((hold) => ({ ...hold, end: () => this.endHold(hold) })),
      ...this.waits.map((wait) => ({ ...wait, end: () => this.endWait(wait, this.heldEnd(wait)) })),
      ...[...this.sessions].map(([id, session]) => ({ ...session, end: () => this.endSession(id) })),
      ...[...this.keys].map(([name, key]) => ({ ...key, end: () => void this.keys.delete(name) })),
    ].filter((item) => item.endsMs !== undefined && item.endsMs <= this.nowMs);
    due.sort((a, b) => (a.endsMs ?? 0) - (b.endsMs ?? 0) || a.created - b.created);
    for (const item of due) item.end();
    this.grantFreed();
  }

  /**
   * Who can never go on (L4): all who wait, without those who would get all that they wait for if only these went on, again
   * and again until nobody is left out any more.
   */
  stuck(): Who[] {
    let stuck = [...new Set(this.waits.map((wait) => wait.who))];
    for (;;) {
      const left = stuck.filter((who) => this.waits.some((wait) => wait.who === who && !this.canGoOn(wait, stuck)));
      if (left.length === stuck.length) return stuck;
      stuck = left;
    }
  }

  /** Whether something waits although nothing is in its way. */
  get isLazy(): boolean {
    return this.waits.some((wait) => this.isGrantable(wait));
  }

  shown(who: Who): string {
    const [kind, id = ""] = who.split(":");
    if (kind === "session") return this.sessions.get(id)?.name ?? "none";
    return kind === "owner" ? id : `node${id}`;
  }

  holdersOf(lock: string): ModelHold[] {
    return this.holds.filter((hold) => hold.lock === lock);
  }

  private canGoOn(wait: ModelWait, stuck: readonly Who[]): boolean {
    const isFree = (other: { who: Who }): boolean => other.who === wait.who || !stuck.includes(other.who);
    const ahead = this.waits.slice(0, this.waits.indexOf(wait));
    if (wait.semaphore !== undefined) {
      const lost = this.permits.filter((hold) => hold.semaphore === wait.semaphore && !isFree(hold));
      const left = wait.limit - lost.reduce((sum, hold) => sum + hold.slots.length, 0);
      return left >= wait.permits && ahead.every((other) => other.semaphore !== wait.semaphore || isFree(other));
    }
    return wait.wishes.every((wish) => {
      const holders = this.holdersOf(wish.lock).filter((hold) => conflict(hold.mode, wish.mode));
      return holders.every(isFree) && ahead.filter((other) => wants(other, wish)).every(isFree);
    });
  }

  /** A retry under a key, and a session that is over, end here. */
  private begins({ operation, who, key, ttlMs, waitMs }: Ask): boolean {
    const known = key === undefined ? undefined : this.keys.get(key);
    if (known?.end !== undefined) {
      const { tokens = [] } = known.end;
      for (const hold of [...this.holds, ...this.permits]) {
        if (hold.who === known.who && known.end.code.toLowerCase().includes("granted") && tokens.includes(hold.token))
          hold.operation = undefined;
      }
      this.end(operation, known.end);
      return false;
    }
    if (key !== undefined) this.keyOf.set(operation, key);
    const wait = this.waits.find((other) =>
      other.operations.some((one) => one !== operation && this.keyOf.get(one) === key),
    );
    if (known !== undefined && wait !== undefined) {
      this.join(wait, { operation, ttlMs, waitMs });
      return false;
    }
    if (key !== undefined) this.keys.set(key, { end: undefined, who, endsMs: undefined, created: this.created++ });
    if (this.isDead(who)) this.end(operation, { code: "session_expired" });
    else if (who.startsWith("session:")) this.keepalive(who.slice("session:".length));
    return !this.ends.has(operation);
  }

  private isDead(who: Who): boolean {
    return who.startsWith("session:") && !this.sessions.has(who.slice("session:".length));
  }

  private enqueue(
    ask: Ask,
    wanted: Pick<ModelWait, "wishes" | "all"> & Partial<Pick<ModelWait, "semaphore" | "permits" | "limit" | "value">>,
  ): void {
    const { operation, who, ttlMs, waitMs } = ask;
    const draft = { semaphore: undefined, permits: 0, limit: 0, value: undefined, ...wanted };
    if (waitMs === 0) {
      const lock = draft.wishes.find((wish) => !this.holdOf(who, wish.lock) && this.isInTheWay(wish, who, this.waits));
      return this.end(operation, { code: "lock_held", lock: lock?.lock ?? draft.semaphore ?? "" });
    }
    const place = this.waits.find((other) => other.who === who && same(other, draft));
    if (place !== undefined) {
      place.value = draft.value ?? place.value;
      return this.join(place, ask);
    }
    const times = { endsMs: this.nowMs + waitMs, ttlMs, created: this.created };
    this.waits.push({ ...draft, who, ...times, operations: [operation] });
    const stuck = this.stuck();
    if (stuck.length === 0) return void this.created++;
    this.waits.pop();
    this.end(operation, { code: "deadlock", stuck: stuck.map((other) => this.shown(other)) });
  }

  private join(place: ModelWait, { operation, ttlMs, waitMs }: Pick<Ask, "operation" | "ttlMs" | "waitMs">): void {
    place.operations.push(operation);
    place.endsMs = Math.max(place.endsMs, this.nowMs + waitMs);
    place.ttlMs = Math.max(place.ttlMs, ttlMs);
  }

  private grantFreed(): void {
    for (const name of this.freed) {
      this.freed.delete(name);
      if (name.startsWith("lock:")) this.grantOn(name.slice("lock:".length));
      else this.grantPermitsOf(name.slice("semaphore:".length));
    }
  }

  private grantOn(lock: string): void {
    for (;;) {
      const queue = this.waits.filter((wait) => wait.wishes.some((wish) => wish.lock === lock));
      const modes = queue.map((wait) => wait.wishes.find((wish) => wish.lock === lock)?.mode);
      // One step: an exclusive place, or the shared ones in front.
      const readers = modes.indexOf("exclusive");
      const front = queue.slice(0, readers < 0 ? queue.length : Math.max(1, readers));
      const isNew = (wait: ModelWait): boolean => wait.all || this.holdOf(wait.who, lock) === undefined;
      const step = front.filter((wait) => this.isGrantable(wait) && isNew(wait) && this.grantWait(wait, lock));
      for (const { who, wishes } of step) for (const wish of wishes) this.answerOtherWaits(wish.lock, who);
      if (step.length === 0) return;
    }
  }

  private grantWait(wait: ModelWait, current: string): true {
    const { who, wishes, ttlMs, operations } = wait;
    this.waits = this.waits.filter((other) => other !== wait);
    for (const { lock } of wishes) if (lock !== current) this.freed.add(`lock:${lock}`);
    const leaseMs = (hold: ModelHold): number => Math.max(ttlMs, (hold.endsMs ?? 0) - this.nowMs);
    if (wait.all) this.holdAll(who, wishes, leaseMs, ttlMs, operations);
    for (const wish of wait.all ? [] : wishes) {
      this.addHold(wish, who, ttlMs, wait.value, operations.length === 1 ? operations[0] : undefined);
      for (const operation of operations) this.end(operation, { code: "granted", tokens: [this.tokenOf(wish.lock)] });
    }
    return true;
  }

  private grantPermitsOf(semaphore: string): void {
    for (;;) {
      const head = this.waits.find((wait) => wait.semaphore === semaphore);
      if (head === undefined || head.permits > this.freeSlots(semaphore, head.limit).length) return;
      const { who, permits, limit, ttlMs, operations } = head;
      this.waits = this.waits.filter((other) => other !== head);
      this.addPermits(who, semaphore, permits, limit, ttlMs, operations);
      for (const wait of this.waits.filter((other) => other.semaphore === semaphore && other.who === who)) {
        this.endWait(wait, { code: "permits_conflict" });
        this.freed.delete(`semaphore:${semaphore}`);
      }
    }
  }

  private answerOtherWaits(lock: string, who: Who): void {
    for (const mode of ["exclusive", "shared"]) {
      const hold = this.holdOf(who, lock);
      const wait = this.waits.find(
        (other) =>
          !other.all && other.who === who && other.wishes.some((wish) => wish.lock === lock && wish.mode === mode),
      );
      if (hold === undefined || wait === undefined) continue;
      this.waits = this.waits.filter((other) => other !== wait);
      const leaseMs = Math.max(wait.ttlMs, (hold.endsMs ?? 0) - this.nowMs);
      this.reenter(hold, mode as LockMode, leaseMs, wait.value, wait.operations);
    }
  }

  private holdAll(
    who: Who,
    wishes: readonly ModelWish[],
    ownMs: (hold: ModelHold) => number,
    ttlMs: number,
    operations: readonly number[],
  ): void {
    for (const wish of wishes) {
      const own = this.holdOf(who, wish.lock);
      if (own !== undefined) this.renew(own, wish.mode, ownMs(own), undefined);
      else this.addHold(wish, who, ttlMs, undefined, operations.length === 1 ? operations[0] : undefined);
    }
    const tokens = wishes.map((wish) => this.tokenOf(wish.lock));
    for (const operation of operations) this.end(operation, { code: "grantedAll", tokens });
  }

  private addHold(
    { lock, mode }: ModelWish,
    who: Who,
    ttlMs: number,
    value: string | undefined,
    operation: number | undefined,
  ): void {
    const token = this.holdersOf(lock)[0]?.token ?? ++this.tokens;
    const endsMs = who.startsWith("session:") ? undefined : this.nowMs + ttlMs;
    this.holds.push({ lock, who, mode, token, endsMs, created: this.created++, operation });
    this.revisions.set(lock, this.index);
    if (value !== undefined) this.values.set(lock, value);
  }

  private addPermits(
    who: Who,
    semaphore: string,
    permits: number,
    limit: number,
    ttlMs: number,
    operations: readonly number[],
  ): void {
    const slots = this.freeSlots(semaphore, limit).slice(0, permits);
    const operation = operations.length === 1 ? operations[0] : undefined;
    const endsMs = who.startsWith("session:") ? undefined : this.nowMs + ttlMs;
    const token = ++this.tokens;
    this.permits.push({ semaphore, limit, who, slots, token, endsMs, created: this.created++, operation });
    for (const one of operations) this.end(one, { code: "permitsGranted", tokens: [token], slots });
  }

  private reenter(
    hold: ModelHold,
    mode: LockMode,
    ttlMs: number,
    value: string | undefined,
    operations: readonly number[],
  ): void {
    let refusal: ModelEnd | undefined;
    if (mode === "exclusive" && hold.mode === "shared") {
      if (this.holdersOf(hold.lock).length > 1) refusal = { code: "upgrade_conflict", lock: hold.lock };
      else {
        const stuck = this.stuckAfterUpgrade([hold]);
        if (stuck.length > 0) refusal = { code: "deadlock", stuck };
      }
    }
    if (refusal === undefined) this.renew(hold, mode, ttlMs, value);
    for (const operation of operations) this.end(operation, refusal ?? { code: "granted", tokens: [hold.token] });
  }

  private stuckAfterUpgrade(holds: readonly ModelHold[]): string[] {
    const upgraded = holds.filter((hold) => hold.mode === "shared");
    for (const hold of upgraded) hold.mode = "exclusive";
    const stuck = this.stuck().map((who) => this.shown(who));
    for (const hold of upgraded) hold.mode = "shared";
    return stuck;
  }

  private renew(hold: ModelHold, mode: LockMode, ttlMs: number, value: string | undefined): void {
    if (mode === "exclusive" && hold.mode === "shared") {
      hold.mode = "exclusive";
      hold.token = ++this.tokens;
      this.revisions.set(hold.lock, this.index);
    }
    if (value !== undefined && this.values.get(hold.lock) !== value) {
      this.values.set(hold.lock, value);
      this.revisions.set(hold.lock, this.index);
    }
    if (hold.endsMs !== undefined) hold.endsMs = this.nowMs + ttlMs;
    hold.operation = undefined;
  }

  private isGrantable(wait: ModelWait): boolean {
    const ahead = this.waits.slice(0, this.waits.indexOf(wait));
    if (wait.semaphore !== undefined) {
      const first = ahead.every((other) => other.semaphore !== wait.semaphore);
      return first && wait.permits <= this.freeSlots(wait.semaphore, wait.limit).length;
    }
    return wait.wishes.every((wish) => !this.isInTheWay(wish, wait.who, ahead));
  }

  private isInTheWay(wish: ModelWish, who: Who, ahead: readonly ModelWait[]): boolean {
    const held = this.holdersOf(wish.lock).some((hold) => hold.who !== who && conflict(hold.mode, wish.mode));
    return held || ahead.some((other) => wants(other, wish));
  }

  private heldEnd(wait: ModelWait): ModelEnd {
    const ahead = this.waits.slice(0, this.waits.indexOf(wait));
    const way = wait.wishes.find((wish) => this.isInTheWay(wish, wait.who, ahead)) ?? wait.wishes[0];
    return { code: "lock_held", lock: way?.lock ?? wait.semaphore ?? "" };
  }

  private freeSlots(semaphore: string, limit: number): number[] {
    const taken = this.permits.filter((hold) => hold.semaphore === semaphore).flatMap((hold) => hold.slots);
    return Array.from({ length: limit }, (_, slot) => slot).filter((slot) => !taken.includes(slot));
  }

  private holdOf(who: Who, lock: string): ModelHold | undefined {
    return this.holds.find((hold) => hold.lock === lock && hold.who === who);
  }

  private tokenOf(lock: string): number {
    return this.holdersOf(lock)[0]?.token ?? 0;
  }

  private endSession(id: string): void {
    const own = <T extends { who: Who }>(items: T[]): T[] => items.filter((item) => item.who === `session:${id}`);
    const [waits, holds, permits] = [own(this.waits), own(this.holds), own(this.permits)];
    for (const wait of waits) this.endWait(wait, { code: "session_expired" });
    for (const hold of [...holds, ...permits]) this.endHold(hold);
    this.sessions.delete(id);
  }

  private endHold(hold: ModelHold | ModelPermits): void {
    this.holds = this.holds.filter((other) => other !== hold);
    this.permits = this.permits.filter((other) => other !== hold);
    if ("semaphore" in hold) return void this.freed.add(`semaphore:${hold.semaphore}`);
    this.freed.add(`lock:${hold.lock}`);
    this.revisions.set(hold.lock, this.index);
    if (this.holdersOf(hold.lock).length === 0) this.values.delete(hold.lock);
  }

  private endWait(wait: ModelWait, end: ModelEnd): void {
    if (!this.waits.includes(wait)) return;
    this.waits = this.waits.filter((other) => other !== wait);
    for (const { lock } of wait.wishes) this.freed.add(`lock:${lock}`);
    if (wait.semaphore !== undefined) this.freed.add(`semaphore:${wait.semaphore}`);
    for (const operation of wait.operations) this.end(operation, end);
  }

  private end(operation: number, end: ModelEnd): void {
    this.ends.set(operation, end);
    this.ended.add(operation);
    const name = this.keyOf.get(operation);
    const key = name === undefined ? undefined : this.keys.get(name);
    if (name === undefined || key === undefined || key.end !== undefined) return;
    if (end.code !== "cancelled") Object.assign(key, { end, endsMs: this.nowMs + KEY_KEEP_MS });
    else if (!this.waits.some((wait) => wait.operations.some((one) => this.keyOf.get(one) === name))) {
      this.keys.delete(name);
    }
  }
}
