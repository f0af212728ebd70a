import { Hash } from "../kernel/hash.ts";
import type { KeyRecord } from "./idempotency.ts";
import type { Ingress } from "./ingresses.ts";
import type { Bundle } from "./bundles.ts";
import type { Claimant } from "./claimants.ts";
import type { Hold, Lock, Operation, Place, Wait } from "./records.ts";
import type { PermitHold, Semaphore } from "./semaphores.ts";
import type { Session } from "./sessions.ts";
import type { LockState } from "./state.ts";

/**
 * A hash of everything that later entries can depend on. Members of a map are hashed one by one and summed, so that
 * the order in which they came does not count; queues and holders count in their order.
 */
export function digestOf(state: LockState): string {
  const total = new Hash();
  total.integer(state.appliedIndex).integer(state.nowMs).integer(state.undecodable).integer(state.featureLevel);
  total.integer(state.generation).integer(state.tokenCounter).integer(state.serialCounter);
  total.integer(state.holds).integer(state.waiters).integer(state.waitingOperations).integer(state.sessions.lastNumber);
  total.integer(sum(state.locks.values(), hashLock));
  total.integer(sum(state.semaphores.values(), hashSemaphore));
  total.integer(sum(state.sessions.values(), hashSession));
  total.integer(sum(state.fences.values(), (hash, { key, highest }) => hash.text(key).integer(highest)));
  total.integer(sum(state.ingresses.values(), hashNode));
  total.integer(sum(state.keys.values(), hashKey));
  return total.finish().toString(16).padStart(14, "0");
}

function sum<Item>(items: Iterable<Item>, add: (hash: Hash, item: Item) => unknown): number {
  const hash = new Hash();
  let low = 0;
  let high = 0;
  for (const item of items) {
    add(hash.reset(), item);
    const value = hash.finish();
    low = (low + value) >>> 0;
    high = (high + Math.floor(value / 0x1_0000_0000)) & 0x1f_ffff;
  }
  return high * 0x1_0000_0000 + low;
}

function hashLock(hash: Hash, lock: Lock): void {
  hash
    .text(lock.name)
    .text(lock.mode ?? "")
    .integer(lock.token)
    .value(lock.value)
    .integer(lock.revision)
    .integer(lock.holders.size)
    .integer(lock.queue.size);
  for (let hold = lock.holders.first; hold !== undefined; hold = hold.next) hashHold(hash, hold);
  for (let place = lock.queue.first; place !== undefined; place = place.next) hashPlace(hash, place);
}

function hashSemaphore(hash: Hash, { name, limit, holders, queue }: Semaphore): void {
  hash.text(name).integer(limit).integer(holders.size).integer(queue.size);
  for (let hold = holders.first; hold !== undefined; hold = hold.next) {
    hash.integer(hold.token).value(hold.slots);
    hashHold(hash, hold);
  }
  for (let waiter = queue.first; waiter !== undefined; waiter = waiter.next) {
    hashWait(hash.integer(waiter.permits), waiter);
  }
}

function hashHold(hash: Hash, hold: Hold | PermitHold): void {
  hashClaimant(hash, hold.holder);
  hash.integer(hold.serial).integer(hold.deadlineMs).integer(hold.grantedAtMs);
  if (hold.onlyAnswered === undefined) hash.text("none");
  else hashOperation(hash, hold.onlyAnswered);
}

function hashPlace(hash: Hash, place: Place): void {
  hash.text(place.kind).text(place.mode);
  if (place.kind === "waiter") hashWait(hash.value(place.value), place);
  // A bundle is hashed once, at its first place.
  else if (place.bundle.places[0] === place) hashBundle(hash, place.bundle);
  else hash.integer(place.serial);
}

function hashBundle(hash: Hash, bundle: Bundle): void {
  for (const { lock } of bundle.places) hash.text(lock.name);
  hashWait(hash, bundle);
}

function hashWait(hash: Hash, wait: Wait): void {
  hashClaimant(hash, wait.claimant);
  hash.integer(wait.serial).integer(wait.deadlineMs).integer(wait.ttlMs);
  hash.integer(wait.enqueuedAtMs).integer(wait.operations.length);
  for (const operation of wait.operations) hashOperation(hash, operation);
}

function hashClaimant(hash: Hash, { kind, id, publicName }: Claimant): void {
  hash.text(kind).text(id).text(publicName);
}

function hashOperation(hash: Hash, { ingress, sequence, key }: Operation): void {
  hash.integer(ingress).integer(sequence).value(key?.serial);
}

function hashSession(hash: Hash, { id, number, serial, ttlMs, deadlineMs }: Session): void {
  hash.text(id).integer(number).integer(serial).integer(ttlMs).integer(deadlineMs);
}

function hashNode(
  hash: Hash,
  { active, retired }: { readonly active: Ingress; readonly retired: readonly Ingress[] },
): void {
  hash.integer(retired.length);
  for (const ingress of [active, ...retired]) {
    hash.text(ingress.node).integer(ingress.id).integer(ingress.window.floor);
    hash.integer(sum(ingress.window.entries(), (item, [sequence, result]) => item.integer(sequence).value(result)));
  }
}

function hashKey(hash: Hash, { key, fingerprint, principal, serial, deadlineMs, pending, result }: KeyRecord): void {
  hash.text(key).integer(fingerprint).integer(serial).integer(deadlineMs).integer(pending);
  hash.value(principal).value(result);
}
