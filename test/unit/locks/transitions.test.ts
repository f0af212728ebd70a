import { afterEach, describe, expect, test } from "bun:test";
import { InvariantError } from "../../../src/kernel/assert.ts";
import { limits } from "../../../src/kernel/limits.ts";
import { TransitionHash } from "../../../src/kernel/transition-hash.ts";
import { LockMachine } from "../../../src/locks/lock-machine.ts";
import { CANCELLED, SESSION_EXPIRED, STALE_OPERATION } from "../../../src/locks/operations.ts";
import type { LockOutcome } from "../../../src/locks/state.ts";
import { type Change, changes } from "../../../src/locks/transitions.ts";
import type { LockCommand } from "../../../src/locks/types.ts";
import { acquire, acquireAll, acquirePermits, Harness, once, owner, session } from "./harness.ts";
import { encodeEntry, type RandomEntry, randomLog } from "./random-log.ts";

const ENTRIES = 250;
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
/** Small, so that every limit is met, too. */
const bounds = {
  ...limits,
  maxLocks: 4,
  maxHolds: 9,
  maxWaiters: 12,
  maxSessions: 3,
  maxFences: 2,
  maxIdempotencyKeys: 9,
};

/** A machine and all that it told, as text. */
class Replica {
  readonly machine = new LockMachine(bounds);
  private readonly told: string[] = [];
  private index = 0;

  constructor(log: readonly RandomEntry[] = []) {
    this.apply(log);
  }

  apply(log: readonly RandomEntry[]): this {
    const tell = (outcome: LockOutcome): void => void this.told.push(JSON.stringify(outcome));
    for (const entry of log) this.machine.apply(encodeEntry(entry, ++this.index), tell);
    return this;
  }

  get hash(): number {
    return this.machine.stateHash();
  }

  get outcomes(): string {
    return this.told.join("\n");
  }
}

type Note = (this: TransitionHash<Change>, ...values: Parameters<TransitionHash<Change>["note"]>) => void;
const note = Reflect.get(TransitionHash.prototype, "note") as Note;

afterEach(() => {
  TransitionHash.prototype.note = note;
});

/** What is noted while `work` is done. */
function notedBy(work: () => void): Change[] {
  const noted: Change[] = [];
  TransitionHash.prototype.note = function spy(change, ...values) {
    noted.push(change);
    note.call(this, change, ...values);
  };
  work();
  TransitionHash.prototype.note = note;
  return noted;
}

describe("the hash of transitions", () => {
  test.each(SEEDS)("is the same for all replicas that applied the same entries, at each of them (log %i)", (seed) => {
    const [a, b] = [new Replica(), new Replica()];
    const seen = new Set<number>();
    for (const entry of randomLog(seed, ENTRIES)) {
      expect(a.apply([entry]).hash).toBe(b.apply([entry]).hash);
      seen.add(a.hash);
    }
    expect(seen.size).toBeGreaterThanOrEqual(ENTRIES);
  });

  test("stays within what a varint and a double can hold, and uses all of it", () => {
    let all = 0n;
    const replica = new Replica();
    for (const entry of randomLog(9, 2_000)) {
      const { hash } = replica.apply([entry]);
      expect(Number.isSafeInteger(hash) && hash >= 0).toBe(true);
      all |= BigInt(hash);
    }
    expect(all).toBe(2n ** 53n - 1n);
  });

  test.each(SEEDS)("differs for ever after one entry that did something else (log %i)", (seed) => {
    const log = randomLog(seed, ENTRIES);
    const whole = new Replica(log);
    let differing = 0;
    for (let at = 0; at < log.length; at += 3) {
      for (const changed of variations(log[at] as RandomEntry)) {
        if (!isEncodable(changed)) continue;
        const other = new Replica([...log.slice(0, at), changed]);
        const then = new Replica(log.slice(0, at + 1));
        const differs = other.machine.digest() !== then.machine.digest() || other.outcomes !== then.outcomes;
        if (!differs) continue;
        differing++;
        expect(other.hash).not.toBe(then.hash);
        expect(other.apply(log.slice(at + 1)).hash).not.toBe(whole.hash);
      }
    }
    expect(differing).toBeGreaterThan(ENTRIES / 4);
  });

  test("covers every kind of change, and a difference in any one note of it shows", () => {
    const log = randomLog(12, 1_500);
    const places = new Map<Change, number>();
    const noted = notedBy(() => void new Replica(log));
    for (const [place, change] of noted.entries()) places.set(change, place);
    const byNoEntryHere = ["undecodable", "generation"];
    const missing = Object.entries(changes).filter(
      ([name, change]) => !byNoEntryHere.includes(name) && !places.has(change),
    );
    expect(missing).toEqual([]);
    const { hash } = new Replica(log);
    for (const [change, place] of places) {
      for (const [at, by] of [
        [0, 1],
        [1, 1],
        [2, 1],
        [1, 2 ** 33],
      ] as const) {
        let count = 0;
        TransitionHash.prototype.note = function changed(code, ...values) {
          const altered: [number, number, number] = [values[0] ?? 0, values[1] ?? 0, values[2] ?? 0];
          if (count++ === place) altered[at] = (altered[at] ?? 0) + by;
          note.call(this, code, ...altered);
        };
        expect([change, new Replica(log).hash === hash]).toEqual([change, false]);
      }
      let count = 0;
      TransitionHash.prototype.note = function left(code, ...values) {
        if (count++ !== place) note.call(this, code, ...values);
      };
      expect([change, new Replica(log).hash === hash]).toEqual([change, false]);
    }
  }, 60_000);
});

/** The entry, but for one thing each. */
function* variations(entry: RandomEntry): Generator<RandomEntry> {
  yield { kind: "noop", leaseTimeMs: entry.leaseTimeMs };
  yield { ...entry, leaseTimeMs: entry.leaseTimeMs + 1 };
  if (entry.kind !== "command") return;
  const { envelope } = entry;
  yield { ...entry, envelope: { ...envelope, floor: envelope.floor + 1 } };
  for (const [field, value] of Object.entries(envelope.command)) {
    const other = otherThan(value);
    if (other === undefined || field === "type") continue;
    yield { ...entry, envelope: { ...envelope, command: { ...envelope.command, [field]: other } as LockCommand } };
  }
}

/** More permits than there are, or a value of shared holders, no node would write. */
function isEncodable(entry: RandomEntry): boolean {
  try {
    encodeEntry(entry, 1);
    return true;
  } catch (error) {
    if (error instanceof InvariantError) return false;
    throw error;
  }
}

function otherThan(value: unknown): unknown {
  if (value === "exclusive" || value === "shared") return value === "shared" ? "exclusive" : "shared";
  if (typeof value === "string") return `${value}'`;
  return typeof value === "number" && value > 0 ? value + 1 : undefined;
}

/** Every kind of command, what must have been noted for it, and what must stand before it. */
const kinds: Readonly<
  Record<
    LockCommand["type"],
    { command: LockCommand; notes: readonly (keyof typeof changes)[]; before?: LockCommand[] }
  >
> = {
  registerIngress: { command: { type: "registerIngress", node: "node2" }, notes: ["ingress"] },
  openSession: {
    command: { type: "openSession", session: "s", ttlMs: 500 },
    notes: ["sessionOpened", "sessionTtl", "scheduled"],
  },
  keepalive: {
    before: [{ type: "openSession", session: "s", ttlMs: 500 }],
    command: { type: "keepalive", sessions: ["s"] },
    notes: ["scheduled"],
  },
  closeSession: {
    before: [{ type: "openSession", session: "s", ttlMs: 500 }, acquire("x", session("s"))],
    command: { type: "closeSession", session: "s" },
    notes: ["sessionEnded", "unscheduled", "unheld", "lockDropped"],
  },
  acquire: {
    command: acquire("x", owner("a"), { value: "v" }),
    notes: ["lockAdded", "held", "lockChanged", "lockValue"],
  },
  acquireAll: {
    before: [acquire("y", owner("b"))],
    command: acquireAll(["x", "y"], owner("a"), { waitMs: 100 }),
    notes: ["entered", "attached", "waits", "scheduled"],
  },
  acquirePermits: { command: acquirePermits("p", "2/3", owner("a")), notes: ["semaphoreAdded", "permitsHeld", "slot"] },
  releasePermits: {
    before: [acquirePermits("p", "2/3", owner("a"))],
    command: { type: "releasePermits", semaphore: "p", holder: owner("a"), fencingToken: undefined },
    notes: ["permitsUnheld", "semaphoreDropped", "unanswered"],
  },
  release: {
    before: [acquire("x", owner("a")), acquire("x", owner("b"), { waitMs: 100 })],
    command: { type: "release", lock: "x", holder: owner("a"), fencingToken: undefined },
    notes: ["unheld", "left", "detached", "held", "answered"],
  },
  cancel: {
    before: [acquire("x", once("a"))],
    command: { type: "cancel", ingress: 1001, sequence: 2 },
    notes: ["cancelled", "unheld"],
  },
  fence: { command: { type: "fence", resource: "r", token: 7 }, notes: ["fenced"] },
};

describe.each(Object.entries(kinds))("%s", (type, { command, notes, before = [] }) => {
  const prepared = (): Harness => {
    const harness = new Harness();
    for (const earlier of before) harness.run(earlier);
    return harness;
  };
  const ingress = type === "registerIngress" ? { ingress: 2002 } : {};

  test("changes the hash by what it does", () => {
    const harness = prepared();
    const noted = notedBy(() => void harness.propose(command, ingress));
    const names = Object.entries(changes).flatMap(([name, change]) => (noted.includes(change) ? [name] : []));
    for (const each of ["entry", "operation", ...notes]) expect(names).toContain(each);
    const idle = prepared();
    idle.entry("noop");
    expect(new Set([harness.machine.stateHash(), idle.machine.stateHash(), prepared().machine.stateHash()]).size).toBe(
      3,
    );
    expect(harness.twin.stateHash()).toBe(harness.machine.stateHash());
  });
});

test("a command that cannot be decoded changes the hash, too", () => {
  const harness = new Harness();
  const noted = notedBy(() => void harness.entry("command", Uint8Array.of(255, 1)));
  expect(noted).toContain(changes.undecodable);
  expect(harness.machine.undecodable).toBe(1);
});

describe("memory that is not what it was", () => {
  /** Fields of numbers, texts and flags within the state, by their path; what the tables keep for themselves is left out. */
  function fieldsOf(root: object): string[][] {
    const fields: string[][] = [];
    // All machines share these.
    const seen = new Set<object>([CANCELLED, SESSION_EXPIRED, STALE_OPERATION]);
    const hidden = new Set("limits transitions observers hash heapIndex key id taken buckets names".split(" "));
    const walk = (at: object, path: string[]): void => {
      if (seen.has(at)) return;
      seen.add(at);
      for (const [name, value] of Object.entries(at)) {
        if (hidden.has(name)) continue;
        if (typeof value === "object" && value !== null) walk(value as object, [...path, name]);
        else if (["number", "string", "boolean"].includes(typeof value)) fields.push([...path, name]);
      }
    };
    walk(root, []);
    return fields;
  }

  function flip(root: object, path: readonly string[]): void {
    let at = root as Record<string, unknown>;
    for (const name of path.slice(0, -1)) at = at[name] as Record<string, unknown>;
    const name = path.at(-1) ?? "";
    const value = at[name];
    at[name] = typeof value === "number" ? value + 1 : typeof value === "boolean" ? !value : other(value as string);
  }

  const other = (text: string): string => (otherThan(text) as string | undefined) ?? text;

  test("shows in the hash at the latest when it shows in an answer", () => {
    const [before, after] = [randomLog(21, 400), randomLog(21, 900).slice(400)];
    const sound = new Replica(before);
    const fields = fieldsOf(Reflect.get(sound.machine, "state") as object);
    sound.apply(after);
    let showed = 0;
    for (const path of fields) {
      const replica = new Replica(before);
      flip(Reflect.get(replica.machine, "state") as object, path);
      try {
        replica.apply(after);
      } catch {
        // A broken invariant stops a replica by itself.
        continue;
      }
      if (replica.outcomes === sound.outcomes) continue;
      showed++;
      expect([path.join("."), replica.hash === sound.hash]).toEqual([path.join("."), false]);
    }
    expect(showed).toBeGreaterThan(30);
  }, 60_000);
});
