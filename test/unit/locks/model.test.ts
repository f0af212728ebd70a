import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { limits } from "../../../src/kernel/limits.ts";
import { encodeCommand } from "../../../src/locks/codec.ts";
import { LockMachine } from "../../../src/locks/lock-machine.ts";
import type { LockOutcome } from "../../../src/locks/state.ts";
import type { LockCommand, LockMode, LockResult, Principal, WaitEdge } from "../../../src/locks/types.ts";
import { LockModel } from "./model.ts";

const LOCKS = ["x", "y", "z"];

type Step =
  | {
      readonly do: "acquire";
      readonly lock: string;
      readonly mode: LockMode;
      readonly who: string;
      readonly ttlMs: number;
      readonly waitMs: number;
    }
  | { readonly do: "release"; readonly lock: string; readonly who: string }
  | { readonly do: "cancel" | "repeat"; readonly back: number }
  | { readonly do: "open" | "close" | "keepalive"; readonly session: string }
  | { readonly do: "time"; readonly byMs: number; readonly expire: boolean }
  | { readonly do: "restart" };

const lock = fc.constantFrom(...LOCKS);
const who = fc.constantFrom("owner a", "owner b", "owner c", "session s", "session t", "once");
const sessionId = fc.constantFrom("s", "t");
const acquireStep = fc.record({
  do: fc.constant("acquire" as const),
  lock,
  mode: fc.constantFrom<LockMode>("exclusive", "shared"),
  who,
  ttlMs: fc.constantFrom(500, 2_000, 60_000),
  waitMs: fc.constantFrom(0, 400, 1_500, 50_000),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: acquireStep },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("release" as const), lock, who }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("cancel" as const, "repeat" as const), back: fc.nat(12) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom("open" as const, "close" as const, "keepalive" as const),
      session: sessionId,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("time" as const),
      byMs: fc.constantFrom(0, 100, 450, 3_000),
      expire: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: "restart" as const }) },
);

/** Drives model, machine and twin through the same steps. Operations are numbered across restarts. */
class Run {
  readonly model = new LockModel();
  readonly machine = new LockMachine(limits);
  readonly twin = new LockMachine(limits);
  /** Every machine outcome with a result, by operation. */
  readonly results = new Map<number, LockResult>();
  private readonly proposed = new Map<
    number,
    { readonly ingress: number; readonly payload: Uint8Array; readonly isAcquire: boolean }
  >();
  private index = 0;
  private ingress = 1;
  private operation = 0;
  private outcomes: LockOutcome[] = [];

  constructor() {
    this.propose({ type: "registerIngress", node: "n" });
  }

  take(next: Step): void {
    switch (next.do) {
      case "acquire": {
        const principal = principalOf(next.who, this.operation + 1);
        const ttlMs = principal.kind === "session" ? 0 : next.ttlMs;
        const { mode, waitMs } = next;
        const operation = this.propose({ type: "acquire", lock: next.lock, mode, principal, ttlMs, waitMs });
        return this.model.acquire(operation, next.lock, mode, principal, ttlMs, waitMs);
      }
      case "release": {
        const holder = principalOf(next.who, 0);
        const operation = this.propose({ type: "release", lock: next.lock, holder, fencingToken: undefined });
        return this.model.release(operation, next.lock, holder);
      }
      case "cancel": {
        const target = this.operation - next.back;
        const known = this.proposed.get(target);
        if (known?.ingress !== this.ingress || !known.isAcquire) return;
        this.propose({ type: "cancel", ingress: this.ingress, sequence: target });
        return this.model.cancel(target);
      }
      case "repeat":
        return this.repeat(this.operation - next.back);
      case "open":
        this.propose({ type: "openSession", session: next.session, ttlMs: 2_000 });
        return this.model.open(next.session, 2_000);
      case "close":
        return this.model.close(next.session, this.propose({ type: "closeSession", session: next.session }));
      case "keepalive":
        this.propose({ type: "keepalive", sessions: [next.session] });
        return this.model.keepalive(next.session);
      case "time":
        this.model.nowMs += next.byMs;
        if (!next.expire) return;
        this.apply("time", new Uint8Array(0));
        return this.model.time();
      case "restart":
        this.ingress += 1;
        this.propose({ type: "registerIngress", node: "n" });
        return this.model.restart();
    }
  }

  check(): void {
    for (const [operation, end] of this.model.ends) {
      const result = this.results.get(operation);
      const code = result?.type === "error" ? result.code : result?.type;
      // A later cancel of a granted operation shows as cancelled to a repeat of it alone.
      expect(`${operation} ${code}`).toBe(`${operation} ${end.code}`);
      if (result?.type === "granted") expect(result.fencingToken).toBe(end.token ?? 0);
    }
    for (const name of LOCKS) {
      const view = this.machine.view(name);
      const holds = this.model.holds.filter((hold) => hold.lock === name);
      const waiters = this.model.waiters.filter((waiter) => waiter.lock === name);
      expect(view.holders).toEqual(holds.map(({ who, mode }) => ({ owner: this.model.shown(who), mode })));
      expect(view.waiters).toEqual(waiters.map(({ who, mode }) => ({ owner: this.model.shown(who), mode })));
      expect(view.fencingToken).toBe(holds[0]?.token);
      this.checkGrants(name);
    }
    expect(hasCycle(this.machine.waitForGraph(1_000))).toBe(false);
    expect(this.machine.counts).toMatchObject({ holds: this.model.holds.length, waiters: this.model.waiters.length });
    expect(this.machine.nextDeadlineMs()).toBe(this.modelDeadline());
    expect(this.twin.digest()).toBe(this.machine.digest());
  }

  /** Holders do not conflict, and the first waiter could not be granted. */
  private checkGrants(name: string): void {
    const { holders, waiters, mode } = this.machine.view(name);
    if (holders.length > 1) expect(mode).toBe("shared");
    const head = waiters[0];
    if (head !== undefined) expect(mode === "exclusive" || (mode === "shared" && head.mode === "exclusive")).toBe(true);
  }

  private modelDeadline(): number | undefined {
    const { holds, waiters, sessions } = this.model;
    const ends = [...holds, ...waiters, ...sessions.values()]
      .map((item) => item.endsMs)
      .filter((end) => end !== undefined);
    return ends.length === 0 ? undefined : Math.min(...ends);
  }

  private repeat(operation: number): void {
    const known = this.proposed.get(operation);
    if (known?.ingress !== this.ingress) return;
    const before = this.results.get(operation);
    this.apply("command", known.payload);
    expect(this.outcomes.length).toBe(1);
    const result = this.outcomes[0]?.result;
    const cancelledGrant = result?.type === "error" && result.code === "cancelled" && before?.type === "granted";
    if (cancelledGrant) this.results.set(operation, before);
    else expect(result).toEqual(before as never);
  }

  private propose(command: LockCommand): number {
    const sequence = ++this.operation;
    const { ingress } = this;
    const payload = encodeCommand({ ingress, sequence, floor: 1, idempotencyKey: undefined, command });
    this.proposed.set(sequence, { ingress, payload, isAcquire: command.type === "acquire" });
    this.apply("command", payload);
    return sequence;
  }

  private apply(kind: "command" | "time", payload: Uint8Array): void {
    const entry = { index: ++this.index, kind, leaseTimeMs: this.model.nowMs, payload };
    this.outcomes = [];
    this.machine.apply(entry, (outcome) => this.outcomes.push(outcome));
    this.twin.apply(entry, () => {});
    for (const { sequence, result } of this.outcomes) if (result !== undefined) this.results.set(sequence, result);
  }
}

function principalOf(text: string, operation: number): Principal {
  const [kind, name = ""] = text.split(" ");
  if (kind === "owner") return { kind, name };
  if (kind === "session") return { kind, id: name };
  return { kind: "once", id: `once${operation}`, node: `node${operation}` };
}

function hasCycle(edges: readonly WaitEdge[]): boolean {
  const names = new Set(edges.map((edge) => edge.owner));
  for (let removed = true; removed;) {
    removed = false;
    for (const name of names) {
      if (edges.some((edge) => edge.owner === name && names.has(edge.blockedBy))) continue;
      names.delete(name);
      removed = true;
    }
  }
  return names.size > 0;
}

describe("the lock machine", () => {
  test("does what the plain model does, step by step", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60, size: "max" }), (steps) => {
        const run = new Run();
        for (const next of steps) {
          run.take(next);
          run.check();
        }
      }),
      { numRuns: 250 },
    );
  });

  test("tells a deadlock by a chain in which each waits for the next", () => {
    let found = 0;
    fc.assert(
      fc.property(fc.array(acquireStep, { minLength: 10, maxLength: 40, size: "max" }), (steps) => {
        const run = new Run();
        for (const id of ["s", "t"]) run.take({ do: "open", session: id });
        for (const next of steps) run.take({ ...next, waitMs: 50_000 });
        for (const result of run.results.values()) {
          if (result.type !== "error" || result.code !== "deadlock") continue;
          found += 1;
          const { cycle } = result;
          expect(cycle.length).toBeGreaterThan(1);
          cycle.forEach((edge, i) => expect(edge.blockedBy).toBe(cycle[(i + 1) % cycle.length]?.owner as string));
        }
      }),
      { numRuns: 100 },
    );
    expect(found).toBeGreaterThan(0);
  });

  test("gives conflicting grants of a lock strictly rising tokens", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 80, size: "max" }), (steps) => {
        const run = new Run();
        const highest = new Map<string, { token: number; mode: LockMode }>();
        let seen = 0;
        for (const next of steps) {
          run.take(next);
          const results = [...run.results.values()];
          for (const result of results.slice(seen)) {
            if (result.type !== "granted") continue;
            const before = highest.get(result.lock);
            const floor = before?.token ?? 0;
            expect(result.fencingToken).toBeGreaterThanOrEqual(floor);
            if (before !== undefined && before.mode !== result.mode) expect(result.fencingToken).toBeGreaterThan(floor);
            highest.set(result.lock, { token: result.fencingToken, mode: result.mode });
          }
          seen = results.length;
        }
      }),
      { numRuns: 100 },
    );
  });
});
