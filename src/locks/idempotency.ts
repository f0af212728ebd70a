import { Hash } from "../kernel/hash.ts";
import { type Hashed, HashTable, hashText } from "../kernel/hash-table.ts";
import type { Timed, Wait } from "./records.ts";
import { principalId } from "./claimants.ts";
import { changes, type Transitions } from "./transitions.ts";
import type { LockCommand, LockResult, Principal } from "./types.ts";

/** A client's `Idempotency-Key` with what its request came to (PROTOCOLS Q1). */
export class KeyRecord implements Timed, Hashed<KeyRecord> {
  readonly kind = "key";
  readonly hash: number;
  chained: KeyRecord | undefined = undefined;
  heapIndex = -1;
  deadlineMs = 0;
  /** Operations with this key that wait. */
  pending = 0;
  /** Where they wait. Invariant: defined while `pending` > 0. */
  wait: Wait | undefined = undefined;
  /** Set once; every later operation with this key gets it. */
  result: LockResult | undefined = undefined;

  constructor(
    readonly key: string,
    readonly fingerprint: number,
    /** Of the request that was executed, if it asked for a lock. */
    readonly principal: Principal | undefined,
    readonly serial: number,
  ) {
    this.hash = hashText(key);
  }
}

export class IdempotencyKeys {
  private readonly byKey = new HashTable<KeyRecord>();

  constructor(private readonly transitions: Transitions) {}

  get size(): number {
    return this.byKey.size;
  }

  find(key: string): KeyRecord | undefined {
    return this.byKey.get(key);
  }

  add(record: KeyRecord): void {
    const { principal } = record;
    this.transitions.note(changes.keyAdded, record.hash, record.serial, record.fingerprint);
    if (principal !== undefined)
      this.transitions.note(changes.keyOf, hashText(principalId(principal)), principal.kind.length);
    this.byKey.add(record);
  }

  remove(record: KeyRecord): void {
    if (this.byKey.get(record.key) !== record) return;
    this.transitions.note(changes.keyRemoved, record.hash, record.serial);
    this.byKey.remove(record);
  }

  /** In no order that may matter. */
  values(): Iterable<KeyRecord> {
    return this.byKey.values();
  }

  /** In an order that tells nothing, the same on every replica. */
  ordered(): Iterable<KeyRecord> {
    return this.byKey.ordered();
  }
}

/** Commands that a client's key can cover; the others are made by nodes. */
export function canHaveKey(command: LockCommand): boolean {
  return command.type !== "registerIngress" && command.type !== "keepalive" && command.type !== "cancel";
}

/** After such an end nothing was done: a retry executes anew. */
export function isForgettable(result: LockResult): boolean {
  if (result.type !== "error") return false;
  return result.code === "cancelled" || result.code === "limit" || result.code === "stale_operation";
}

/** Equal for two requests that mean the same: without what an ingress draws at random or adds of itself. */
export function fingerprint(command: LockCommand): number {
  const hash = new Hash().text(command.type);
  switch (command.type) {
    case "acquire":
      addPrincipal(hash.text(command.lock).text(command.mode), command.principal);
      if (command.value !== undefined) hash.text(command.value);
      return hash.integer(command.ttlMs).integer(command.waitMs).finish();
    case "acquireAll":
      for (const { lock, mode } of command.locks) hash.text(lock).text(mode);
      addPrincipal(hash, command.principal);
      return hash.integer(command.ttlMs).integer(command.waitMs).finish();
    case "acquirePermits":
      addPrincipal(hash.text(command.semaphore).integer(command.permits).integer(command.limit), command.principal);
      return hash.integer(command.ttlMs).integer(command.waitMs).finish();
    case "release":
      return addHolder(hash.text(command.lock), command.holder).value(command.fencingToken).finish();
    case "releasePermits":
      return addHolder(hash.text(command.semaphore), command.holder).value(command.fencingToken).finish();
    case "openSession":
      return hash.integer(command.ttlMs).finish();
    case "closeSession":
      return hash.text(command.session).finish();
    case "fence":
      return hash.text(command.resource).integer(command.token).finish();
    default:
      return hash.finish();
  }
}

function addHolder(hash: Hash, holder: Extract<LockCommand, { type: "release" }>["holder"]): Hash {
  hash.text(holder.kind);
  if (holder.kind === "owner") return hash.text(holder.name);
  return holder.kind === "anonymous" ? hash : hash.text(holder.id);
}

function addPrincipal(hash: Hash, principal: Principal): void {
  hash.text(principal.kind);
  if (principal.kind !== "once") hash.text(principalId(principal));
}
