import { Prng } from "../../../../src/kernel/prng.ts";
import type { LockCommand, LockResult, Principal } from "../../../../src/locks/types.ts";
import { ClientHistory, type Asked } from "../../../../src/sim/client-history.ts";
import type { ClientOperation } from "../../../../src/sim/checks/linearizability/client-operation.ts";
import { Harness } from "../../locks/harness.ts";

export interface HistoryOptions {
  readonly commands: number;
  /** How much earlier than it is executed something is asked for, and later answered, at most. */
  readonly overlapMs: number;
  /** Of requests, how many nobody hears the end of. */
  readonly lost?: number;
  /** What is asked for: locks if nothing is said. */
  readonly permits?: boolean;
}

const SEMAPHORES = ["p", "q"];
const LOCKS = ["x", "y"];
const SESSIONS = ["s1", "s2"];
const OWNERS = ["a", "b", "c"];

/** What clients saw of one lock machine that did as it should: waits, leases that run out, answers that are lost. */
export function machineHistory(
  seed: number,
  { commands, overlapMs, lost = 0.1, permits = false }: HistoryOptions,
): ClientOperation<undefined>[] {
  const random = new Prng(seed);
  const harness = new Harness();
  const history = new ClientHistory();
  const open = new Map<number, Asked>();
  const answer = (asked: Asked, result: LockResult): void => {
    asked.answer = { result, atMs: harness.nowMs + random.next() * overlapMs };
  };
  const answerAll = (): void => {
    for (const { sequence, result } of harness.last) {
      const asked = open.get(sequence);
      if (asked === undefined || result === undefined) continue;
      open.delete(sequence);
      answer(asked, result);
    }
  };
  for (let i = 0; i < commands; i++) {
    harness.nowMs += random.int(60);
    if (random.chance(0.3)) harness.time(harness.nowMs);
    answerAll();
    const invokedMs = harness.nowMs - random.next() * overlapMs;
    if (random.chance(0.25)) {
      const name = random.pick(permits ? SEMAPHORES : LOCKS);
      const view = permits ? harness.machine.semaphore(name) : harness.machine.view(name);
      history.read(view, invokedMs, harness.nowMs + random.next() * overlapMs);
      continue;
    }
    const command = permits ? drawPermits(random, i, harness) : draw(random, i, harness);
    const asked = history.ask(command, invokedMs);
    const sequence = harness.next();
    harness.propose(command, { sequence });
    if (random.chance(lost)) {
      // Nobody waits any more: the grant is given back, at some time or never.
      asked.unknownMs.push(invokedMs);
      if (random.chance(0.5)) harness.cancel(sequence);
    } else {
      open.set(sequence, asked);
    }
    answerAll();
  }
  for (const { invokedMs, unknownMs } of open.values()) unknownMs.push(invokedMs);
  return history.operations((ttlMs) => ttlMs);
}

function draw(random: Prng, number: number, harness: Harness): LockCommand {
  const lock = random.pick(LOCKS);
  const session = random.pick(SESSIONS);
  const dice = random.next();
  if (dice < 0.08) return { type: "openSession", session, ttlMs: 100 + random.int(400) };
  if (dice < 0.14) return { type: "keepalive", sessions: [session] };
  if (dice < 0.18) return { type: "closeSession", session };
  if (dice < 0.25) return { type: "fence", resource: lock, token: random.int(6) };
  const principal = drawPrincipal(random, number);
  if (dice < 0.32) {
    const locks = LOCKS.map((name) => ({ lock: name, mode: random.pick(["exclusive", "shared"] as const) }));
    const ttlMs = principal.kind === "session" ? 0 : 50 + random.int(300);
    return { type: "acquireAll", locks, principal, ttlMs, waitMs: random.int(400) };
  }
  if (dice < 0.65) {
    const ttlMs = principal.kind === "session" ? 0 : 50 + random.int(300);
    const waitMs = random.chance(0.5) ? 0 : random.int(300);
    const mode = random.chance(0.5) ? "exclusive" : "shared";
    return { type: "acquire", lock, mode, principal, ttlMs, waitMs };
  }
  const { fencingToken } = harness.machine.view(lock);
  const named = random.pick([undefined, fencingToken, fencingToken, (fencingToken ?? 0) + 1]);
  const anonymous = { kind: "anonymous", node: "node1" } as const;
  const holder = principal.kind === "once" ? anonymous : principal;
  return { type: "release", lock, holder, fencingToken: named };
}

function drawPermits(random: Prng, number: number, harness: Harness): LockCommand {
  const semaphore = random.pick(SEMAPHORES);
  const session = random.pick(SESSIONS);
  const dice = random.next();
  if (dice < 0.08) return { type: "openSession", session, ttlMs: 100 + random.int(400) };
  if (dice < 0.13) return { type: "keepalive", sessions: [session] };
  if (dice < 0.17) return { type: "closeSession", session };
  const principal = drawPrincipal(random, number);
  if (dice < 0.65) {
    const ttlMs = principal.kind === "session" ? 0 : 50 + random.int(300);
    const waitMs = random.chance(0.5) ? 0 : random.int(300);
    const limit = random.chance(0.9) ? 3 : 2;
    const permits = random.chance(0.6) ? 1 : 1 + random.int(limit);
    return { type: "acquirePermits", semaphore, permits, limit, principal, ttlMs, waitMs };
  }
  const { holders } = harness.machine.semaphore(semaphore);
  const token = holders.length > 0 ? random.pick(holders).fencingToken : 0;
  const fencingToken = random.pick([undefined, undefined, token, token + 1]);
  const anonymous = { kind: "anonymous", node: "node1" } as const;
  const holder = principal.kind === "once" ? anonymous : principal;
  return { type: "releasePermits", semaphore, holder, fencingToken };
}

function drawPrincipal(random: Prng, number: number): Principal {
  const kind = random.next();
  if (kind < 0.6) return { kind: "owner", name: random.pick(OWNERS) };
  if (kind < 0.85) return { kind: "session", id: random.pick(SESSIONS) };
  return { kind: "once", id: `node1/${number}`, node: "node1" };
}
