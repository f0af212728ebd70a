import fc from "fast-check";
import { limits } from "../../../src/kernel/limits.ts";
import { encodeCommand } from "../../../src/locks/codec.ts";
import { LockMachine } from "../../../src/locks/lock-machine.ts";
import type { LockOutcome } from "../../../src/locks/state.ts";
import type { LockCommand, LockMode, LockResult, Principal } from "../../../src/locks/types.ts";
import { LockModel } from "./model.ts";
import type { Ask, ModelWish, Who } from "./model-records.ts";

export const LOCKS = ["x", "y", "z"];
export const SEMAPHORES = ["p", "q"];

interface Asking {
  readonly who: string;
  readonly ttlMs: number;
  readonly waitMs: number;
  readonly keyed: boolean;
}
type Acquiring =
  | (Asking & ModelWish & { readonly do: "acquire"; readonly value: string | undefined })
  | (Asking & { readonly do: "acquireAll"; readonly locks: readonly ModelWish[] })
  | (Asking & { readonly do: "permits"; readonly semaphore: string; readonly permits: number; readonly limit: number });

export type Step =
  | Acquiring
  | {
      readonly do: "release";
      readonly what: "lock" | "semaphore";
      readonly name: string;
      /** `holder`: whoever holds it first. */
      readonly who: string;
      readonly token: "none" | "own" | "stale";
    }
  | { readonly do: "cancel" | "repeat" | "retry"; readonly back: number }
  | { readonly do: "open" | "close" | "keepalive"; readonly session: string }
  | { readonly do: "time"; readonly byMs: number; readonly expire: boolean }
  | { readonly do: "restart" };

/** The first few of them in a run. */
const PEOPLE = ["owner:a", "owner:b", "session:s", "owner:c", "once", "session:t", "owner:d"];
export const people = fc.integer({ min: 2, max: PEOPLE.length });
const who = fc.constantFrom(...PEOPLE);
const mode = fc.constantFrom<LockMode>("exclusive", "shared");
const asking = {
  who,
  ttlMs: fc.constantFrom(500, 2_000, 60_000),
  waitMs: fc.constantFrom(0, 400, 1_500, 50_000, 50_000),
  keyed: fc.boolean(),
};
const wish = fc.record({ lock: fc.constantFrom(...LOCKS), mode });

export const acquireStep: fc.Arbitrary<Acquiring> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .record({
        do: fc.constant("acquire" as const),
        lock: fc.constantFrom(...LOCKS),
        mode,
        value: fc.constantFrom(undefined, undefined, "v", "w"),
        ...asking,
      })
      .map((step) => (step.mode === "shared" ? { ...step, value: undefined } : step)),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("acquireAll" as const),
      locks: fc.uniqueArray(wish, { minLength: 1, maxLength: 3, selector: ({ lock }) => lock }),
      ...asking,
    }),
  },
  {
    weight: 4,
    arbitrary: fc
      .record({
        do: fc.constant("permits" as const),
        semaphore: fc.constantFrom(...SEMAPHORES),
        permits: fc.constantFrom(1, 1, 2, 3),
        limit: fc.constantFrom(3, 3, 3, 3, 2),
        ...asking,
      })
      .map((step) => ({ ...step, permits: Math.min(step.permits, step.limit) })),
  },
);

export const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 14, arbitrary: acquireStep },
  {
    weight: 6,
    arbitrary: fc
      .oneof(
        fc.record({ what: fc.constant("lock" as const), name: fc.constantFrom(...LOCKS) }),
        fc.record({ what: fc.constant("semaphore" as const), name: fc.constantFrom(...SEMAPHORES) }),
      )
      .chain((named) =>
        fc.record({
          do: fc.constant("release" as const),
          what: fc.constant(named.what),
          name: fc.constant(named.name),
          who: fc.oneof({ weight: 2, arbitrary: fc.constant("holder") }, { weight: 1, arbitrary: who }),
          token: fc.constantFrom("none" as const, "own" as const, "own" as const, "stale" as const),
        }),
      ),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom("cancel" as const, "cancel" as const, "repeat" as const, "retry" as const, "retry" as const),
      back: fc.oneof(fc.nat(3), fc.nat(12)),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom("open" as const, "open" as const, "close" as const, "keepalive" as const),
      session: fc.constantFrom("s", "t"),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("time" as const),
      byMs: fc.constantFrom(0, 100, 450, 450, 3_000, 650_000),
      expire: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: "restart" as const }) },
);

interface Proposed {
  readonly ingress: number;
  readonly payload: Uint8Array;
  /** What an acquire asked for, and under which key. */
  readonly step: Acquiring | undefined;
  readonly key: string | undefined;
}

/** Drives model, machine and twin through the same steps. Operations are numbered across restarts. */
export class Run {
  readonly model = new LockModel();
  readonly machine = new LockMachine(limits);
  readonly twin = new LockMachine(limits);
  /** Every machine outcome with a result, by operation, in the order in which they came. */
  readonly results = new Map<number, LockResult>();
  private readonly proposed = new Map<number, Proposed>();
  private index = 0;
  private ingress = 1;
  private operation = 0;
  private outcomes: LockOutcome[] = [];

  /** @param people how many there are, at least 1 */
  constructor(private readonly people: number) {
    this.propose({ type: "registerIngress", node: "n" });
  }

  take(next: Step): void {
    this.model.index = this.index + 1;
    switch (next.do) {
      case "acquire":
      case "acquireAll":
      case "permits":
        return this.ask(next, next.keyed ? `key${this.operation + 1}` : undefined);
      case "retry": {
        const first = this.proposed.get(this.operation - next.back);
        if (first?.step !== undefined && first.key !== undefined) this.ask(first.step, first.key);
        return;
      }
      case "release":
        return this.release(next);
      case "cancel": {
        const target = this.operation - next.back;
        const known = this.proposed.get(target);
        if (known?.ingress !== this.ingress || known.step === undefined) return;
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

  private person(name: string): string {
    return PEOPLE[Math.max(0, PEOPLE.indexOf(name)) % this.people] ?? name;
  }

  private ask(next: Acquiring, key: string | undefined): void {
    const { waitMs } = next;
    const person = this.person(next.who);
    const whose = person === "once" ? `once:${this.operation + 1}` : person;
    const principal = principalOf(whose);
    const ttlMs = principal.kind === "session" ? 0 : next.ttlMs;
    const claim = { principal, ttlMs, waitMs };
    const propose = (command: LockCommand): Ask => {
      return { operation: this.propose(command, next, key), who: whose, ttlMs, waitMs, key };
    };
    switch (next.do) {
      case "acquire": {
        const { lock, mode: wanted, value } = next;
        const ask = propose({ type: "acquire", lock, mode: wanted, value, ...claim });
        return this.model.acquire(ask, { lock, mode: wanted }, value);
      }
      case "acquireAll":
        return this.model.acquireAll(propose({ type: "acquireAll", locks: next.locks, ...claim }), next.locks);
      case "permits": {
        const { semaphore, permits, limit } = next;
        const ask = propose({ type: "acquirePermits", semaphore, permits, limit, ...claim });
        return this.model.acquirePermits(ask, semaphore, permits, limit);
      }
    }
  }

  private release({ what, name, who: whose, token }: Extract<Step, { do: "release" }>): void {
    const holds =
      what === "lock" ? this.model.holdersOf(name) : this.model.permits.filter((hold) => hold.semaphore === name);
    const person = this.person(whose);
    const by = whose === "holder" ? (holds[0]?.who ?? "owner:a") : person === "once" ? "once:0" : person;
    const own = holds.find((hold) => hold.who === by)?.token ?? 1;
    const fencingToken = token === "none" ? undefined : token === "own" ? own : own + 1;
    const holder = principalOf(by);
    const operation = this.propose(
      what === "lock"
        ? { type: "release", lock: name, holder, fencingToken }
        : { type: "releasePermits", semaphore: name, holder, fencingToken },
    );
    this.model.release(operation, what, name, by, fencingToken);
  }

  private repeat(operation: number): void {
    const known = this.proposed.get(operation);
    if (known?.ingress !== this.ingress) return;
    const before = this.results.get(operation);
    this.apply("command", known.payload);
    const result = this.outcomes[0]?.result;
    // A later cancel of a granted operation shows as cancelled to a repeat of it alone.
    const gaveBack = result?.type === "error" && result.code === "cancelled" && before?.type !== "error";
    if (gaveBack && before !== undefined) this.results.set(operation, before);
    else if (this.outcomes.length !== 1 || JSON.stringify(result) !== JSON.stringify(before)) {
      throw new Error(`repeated, ${JSON.stringify(before)} became ${JSON.stringify(this.outcomes)}`);
    }
  }

  private propose(command: LockCommand, asked?: Acquiring, key?: string): number {
    const sequence = ++this.operation;
    const { ingress } = this;
    const payload = encodeCommand({ ingress, sequence, floor: 1, idempotencyKey: key, command });
    this.proposed.set(sequence, { ingress, payload, step: asked, key });
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

function principalOf(whose: Who): Principal {
  const [kind, name = ""] = whose.split(":");
  if (kind === "owner") return { kind, name };
  if (kind === "session") return { kind, id: name };
  return { kind: "once", id: `once${name}`, node: `node${name}` };
}
