import type { LockMachine } from "../../locks/lock-machine.ts";
import type { PermitGrant, SemaphoreView } from "../../locks/types.ts";
import { check } from "../violation.ts";
import { type JudgedLease, type JudgedSession, takeOrphans } from "./judged.ts";
import type { JudgedResource } from "./stuck-waiters.ts";

interface JudgedPermits extends JudgedLease {
  readonly slots: readonly number[];
  readonly token: number;
}

interface JudgedSemaphore {
  limit: number;
  holds: JudgedPermits[];
  /** By slot, of all times: the name may have had other limits. */
  readonly highestTokens: number[];
}

/** Permits by the log: never more than there are, each slot held once and fenced (PROTOCOLS L2). */
export class PermitJudge {
  private readonly semaphores = new Map<string, JudgedSemaphore>();

  /** @returns whether it was a new hold */
  granted(grant: PermitGrant, lease: JudgedLease): boolean {
    const { semaphore: name, slots, permits, limit, fencingToken: token } = grant;
    const semaphore = this.semaphore(name);
    const text = (): string => `${lease.holder} gets ${JSON.stringify(grant)}, held are ${JSON.stringify(semaphore)}`;
    const own = semaphore.holds.find((hold) => hold.holder === lease.holder && hold.token === token);
    if (own !== undefined) {
      check(String(own.slots) === String(slots), "L5 a re-entry has the same slots", text);
      Object.assign(own, lease, { operation: 0 });
      return false;
    }
    const distinct = new Set(slots).size === permits && slots.every((slot) => slot >= 0 && slot < limit);
    check(distinct && slots.length === permits, "a grant has as many slots as permits", text);
    const taken = semaphore.holds.flatMap((hold) => hold.slots);
    check(!slots.some((slot) => taken.includes(slot)), "permit safety: a slot is held once", text);
    check(taken.length + permits <= limit, "permit safety: at most the limit is held", text);
    check(semaphore.holds.length === 0 || semaphore.limit === limit, "a semaphore keeps its limit", text);
    for (const slot of slots) {
      check(token > (semaphore.highestTokens[slot] ?? 0), "L2 tokens rise for each slot", text);
      semaphore.highestTokens[slot] = token;
    }
    semaphore.limit = limit;
    semaphore.holds.push({ ...lease, slots, token });
    return true;
  }

  /** @param isHolder of a hold that the release means */
  released(name: string, isHolder: (holder: string) => boolean, token: number | undefined): void {
    const { holds } = this.semaphore(name);
    const index = holds.findIndex(({ holder }) => isHolder(holder));
    const hold = holds[index];
    check(
      hold !== undefined && (token === undefined || hold.token === token),
      "a release is of the holder's grant",
      () => {
        return `${name}, token ${token}, held are ${JSON.stringify(holds)}`;
      },
    );
    holds.splice(index, 1);
  }

  /** Takes away what `isOver` says of each hold. */
  end(isOver: (hold: JudgedLease) => boolean): void {
    for (const semaphore of this.semaphores.values()) semaphore.holds = semaphore.holds.filter((hold) => !isOver(hold));
  }

  /** What is held of it now. */
  resource(name: string): JudgedResource {
    const { holds, limit } = this.semaphore(name);
    const claims = holds.map(({ holder, slots }) => ({ holder, mode: "semaphore" as const, permits: slots.length }));
    return { holds: claims, limit };
  }

  /** The retry of a request whose grant this is was answered, too. */
  answeredAgain(name: string, holder: string, token: number): void {
    const hold = this.semaphore(name).holds.find((other) => other.holder === holder && other.token === token);
    if (hold !== undefined) hold.operation = 0;
  }

  /** Holds the machine's state to what the log makes it. */
  compare(machine: LockMachine, sessions: ReadonlyMap<string, JudgedSession>, nowMs: number): void {
    for (const [name, semaphore] of this.semaphores) {
      const view = machine.semaphore(name);
      if (view.holders.length > semaphore.holds.length) adoptOrphans(name, semaphore, view, sessions, nowMs);
      const shown = view.holders.map(({ slots, fencingToken }) => `${String(slots)} with ${fencingToken}`);
      const due = semaphore.holds.map(({ slots, token }) => `${String(slots)} with ${token}`);
      check(shown.join("; ") === due.join("; "), "the table is what the log makes it", () => {
        return `${name} is ${JSON.stringify(view)}, by the log ${JSON.stringify(semaphore.holds)}`;
      });
      const held = view.holders.flatMap(({ slots }) => slots).length;
      check(held + (view.available ?? 0) === (view.limit ?? held), "permits are held or available", () => {
        return JSON.stringify(view);
      });
    }
  }

  private semaphore(name: string): JudgedSemaphore {
    let semaphore = this.semaphores.get(name);
    if (semaphore === undefined) {
      semaphore = { limit: 0, holds: [], highestTokens: [] };
      this.semaphores.set(name, semaphore);
    }
    return semaphore;
  }
}

/** Granted without an outcome: a session waited for it whose process has ended. */
function adoptOrphans(
  name: string,
  semaphore: JudgedSemaphore,
  view: SemaphoreView,
  sessions: ReadonlyMap<string, JudgedSession>,
  nowMs: number,
): void {
  for (const [id, session] of sessions) {
    const shown = view.holders.find(({ owner }) => owner === session.name);
    const holder = `session:${id}`;
    if (shown === undefined || semaphore.holds.some((hold) => hold.holder === holder)) continue;
    if (!takeOrphans(session, `semaphore ${name}`, "exclusive")) continue;
    const { slots, fencingToken: token } = shown;
    for (const slot of slots) {
      const rises = token > (semaphore.highestTokens[slot] ?? 0);
      check(rises, "L2 tokens rise for each slot", () => `${holder} has ${name} with ${token}`);
      semaphore.highestTokens[slot] = token;
    }
    semaphore.limit = view.limit ?? 0;
    const lease = { lengthMs: 0, deadlineMs: 0, sinceMs: nowMs, operation: 0 };
    const hold = { holder, session: id, slots, token, ...lease };
    // The others that the entry granted may stand behind it.
    semaphore.holds.splice(view.holders.indexOf(shown), 0, hold);
  }
}
