import { encodeFeatureLevel } from "../../../src/kernel/feature-level.ts";
import { Prng } from "../../../src/kernel/prng.ts";
import { encodeCommand } from "../../../src/locks/codec.ts";
import type { LockEntry } from "../../../src/locks/lock-machine.ts";
import type { CommandEnvelope, LockCommand, LockMode, Principal } from "../../../src/locks/types.ts";

export type RandomEntry =
  | { readonly kind: "command"; readonly leaseTimeMs: number; readonly envelope: CommandEnvelope }
  | { readonly kind: "feature"; readonly leaseTimeMs: number; readonly level: number }
  | { readonly kind: "time" | "noop"; readonly leaseTimeMs: number };

const NODES = ["node1", "node2"] as const;
/** Beyond 32 bits, as real identities are. */
const FIRST_IDENTITY = 2 ** 45;

/** A log of whatever can stand in one, with few names, so that everything meets everything. */
export function randomLog(seed: number, length: number): RandomEntry[] {
  const random = new Prng(seed);
  const log: RandomEntry[] = [];
  const ingresses = NODES.map((node, i) => ({ node, id: FIRST_IDENTITY + i, sequence: 0, floor: 1 }));
  /** Processes that gave way: some come back. */
  const earlier: (typeof ingresses)[number][] = [];
  let identity = FIRST_IDENTITY + NODES.length;
  let leaseTimeMs = 1_000;

  const propose = (ingress: (typeof ingresses)[number], command: LockCommand, key?: string): void => {
    ingress.sequence += 1;
    if (random.chance(0.2)) ingress.floor = Math.max(ingress.floor, ingress.sequence - random.int(6));
    const { id, sequence, floor } = ingress;
    const envelope = { ingress: id, sequence, floor, idempotencyKey: key, command };
    log.push({ kind: "command", leaseTimeMs, envelope });
    if (random.chance(0.1)) log.push({ kind: "command", leaseTimeMs, envelope });
  };

  for (const ingress of ingresses) propose(ingress, { type: "registerIngress", node: ingress.node });
  while (log.length < length) {
    leaseTimeMs += random.int(40);
    const ingress = random.pick(ingresses);
    if (random.chance(0.06)) {
      leaseTimeMs += random.int(900);
      log.push({ kind: "time", leaseTimeMs });
    } else if (random.chance(0.02)) log.push({ kind: "noop", leaseTimeMs });
    else if (random.chance(0.005)) log.push({ kind: "feature", leaseTimeMs, level: 1 + random.int(4) });
    else if (random.chance(0.015)) {
      earlier.push({ ...ingress });
      const back = random.chance(0.5) ? earlier.find(({ node }) => node === ingress.node) : undefined;
      if (back !== undefined) earlier.splice(earlier.indexOf(back), 1);
      Object.assign(ingress, back ?? { id: identity++, sequence: 0, floor: 1 });
      propose(ingress, { type: "registerIngress", node: ingress.node });
    } else {
      const key = random.chance(0.3) ? `key-${random.int(12)}` : undefined;
      propose(ingress, randomCommand(random, ingress), key);
    }
  }
  return log;
}

/** Applied at that index. */
export function encodeEntry(entry: RandomEntry, index: number): LockEntry {
  const { kind, leaseTimeMs } = entry;
  return { index, kind, leaseTimeMs, payload: payloadOf(entry) };
}

function payloadOf(entry: RandomEntry): Uint8Array {
  if (entry.kind === "command") return encodeCommand(entry.envelope);
  return entry.kind === "feature" ? encodeFeatureLevel(entry.level) : new Uint8Array(0);
}

function randomCommand(random: Prng, ingress: { readonly id: number; sequence: number; node: string }): LockCommand {
  const dice = random.next();
  const ttlMs = 100 + random.int(2_000);
  const waitMs = random.chance(0.3) ? 0 : random.int(1_500);
  const principal = randomPrincipal(random, ingress.node);
  const leaseMs = principal.kind === "session" ? 0 : ttlMs;
  if (dice < 0.07) return { type: "openSession", session: `s${random.int(3)}`, ttlMs };
  if (dice < 0.12) return { type: "keepalive", sessions: [`s${random.int(3)}`, `s${random.int(4)}`] };
  if (dice < 0.15) return { type: "closeSession", session: `s${random.int(3)}` };
  if (dice < 0.21)
    return { type: "cancel", ingress: ingress.id, sequence: Math.max(1, ingress.sequence - random.int(8) + 2) };
  if (dice < 0.27) return { type: "fence", resource: `r${random.int(3)}`, token: random.int(40) };
  const fencingToken = random.chance(0.1) ? random.int(60) : undefined;
  const holder = random.chance(0.15) ? ({ kind: "anonymous", node: ingress.node } as const) : principal;
  if (dice < 0.42) return { type: "release", lock: lockName(random), holder, fencingToken };
  if (dice < 0.48) return { type: "releasePermits", semaphore: `p${random.int(2)}`, holder, fencingToken };
  if (dice < 0.6) {
    const limit = random.chance(0.95) ? 4 : 3;
    const semaphore = `p${random.int(2)}`;
    return { type: "acquirePermits", semaphore, permits: 1 + random.int(3), limit, principal, ttlMs: leaseMs, waitMs };
  }
  if (dice < 0.72) {
    const locks = ["x", "y", "z"].filter(() => random.chance(0.6)).map((lock) => ({ lock, mode: randomMode(random) }));
    if (locks.length > 0) return { type: "acquireAll", locks, principal, ttlMs: leaseMs, waitMs };
  }
  const value = random.chance(0.3) ? `v${random.int(5)}` : undefined;
  const mode = value === undefined ? randomMode(random) : "exclusive";
  return { type: "acquire", lock: lockName(random), mode, principal, ttlMs: leaseMs, waitMs, value };
}

function lockName(random: Prng): string {
  return random.pick(["x", "y", "z"]);
}

function randomMode(random: Prng): LockMode {
  return random.chance(0.55) ? "exclusive" : "shared";
}

function randomPrincipal(random: Prng, node: string): Principal {
  const dice = random.next();
  if (dice < 0.4) return { kind: "owner", name: `o${random.int(4)}` };
  if (dice < 0.75) return { kind: "session", id: `s${random.int(3)}` };
  return { kind: "once", id: `once-${random.int(30)}`, node };
}
