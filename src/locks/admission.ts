import { canHaveKey, fingerprint, KeyRecord } from "./idempotency.ts";
import type { Claimant } from "./claimants.ts";
import { answeredAgain, attach, finish, STALE_OPERATION } from "./operations.ts";
import type { Operation } from "./records.ts";
import { registerIngress } from "./registration.ts";
import type { LockState } from "./state.ts";
import { changes, noteResult } from "./transitions.ts";
import type { CommandEnvelope, LockCommand, LockResult } from "./types.ts";

/**
 * Lets each operation through once (PROTOCOLS Q1): first by its ingress and sequence, then by the client's
 * `Idempotency-Key`. What is not let through is answered here.
 *
 * @returns the operation to execute, or undefined
 */
export function admit(state: LockState, envelope: CommandEnvelope): Operation | undefined {
  const { ingress: id, sequence, floor, command, idempotencyKey } = envelope;
  if (command.type === "registerIngress") {
    const refusal = registerIngress(state, id, sequence, command.node);
    if (refusal !== undefined) return answer(state, id, sequence, refusal);
  }
  const ingress = state.ingresses.find(id);
  if (ingress === undefined) return answer(state, id, sequence, STALE_OPERATION);

  const { window } = ingress;
  state.transitions.note(changes.operation, id, sequence, floor);
  window.raiseFloor(floor);
  // Asked before the floor: a place in a queue outlives it.
  if (ingress.waiting.has(sequence)) return answer(state, id, sequence, undefined);
  switch (window.classify(sequence, floor, windowFor(state, command))) {
    case "stale":
      return answer(state, id, sequence, STALE_OPERATION);
    case "seen":
      return answer(state, id, sequence, window.result(sequence));
    case "beyond":
      return answer(state, id, sequence, { type: "error", code: "limit", limit: "maxOperationWindow" });
    case "new":
      break;
  }
  if (idempotencyKey === undefined || !canHaveKey(command)) return { ingress: id, sequence, key: undefined };
  return admitByKey(state, { ingress: id, sequence, key: undefined }, idempotencyKey, command);
}

/** Not remembered: the window has the answer already, or refuses every copy in the same way. */
function answer(state: LockState, ingress: number, sequence: number, result: LockResult | undefined): undefined {
  noteResult(state.transitions, ingress, sequence, result);
  state.emit(result === undefined ? { ingress, sequence } : { ingress, sequence, result });
}

function admitByKey(state: LockState, keyless: Operation, key: string, command: LockCommand): Operation | undefined {
  const print = fingerprint(command);
  const known = state.keys.find(key);
  if (known === undefined) {
    if (state.keys.size >= reserved(state.limits.maxIdempotencyKeys, command)) {
      finish(state, keyless, { type: "error", code: "limit", limit: "maxIdempotencyKeys" });
      return undefined;
    }
    const principal = isAcquire(command) ? command.principal : undefined;
    const record = new KeyRecord(key, print, principal, state.nextSerial());
    state.keys.add(record);
    return { ...keyless, key: record };
  }
  if (known.fingerprint !== print) {
    finish(state, keyless, { type: "error", code: "idempotency_key_reused" });
    return undefined;
  }
  repeat(state, { ...keyless, key: known }, known, command);
  return undefined;
}

/** A retry of a request that is over gets its result; of one that waits, it waits in the same place. */
function repeat(state: LockState, operation: Operation, known: KeyRecord, command: LockCommand): void {
  const { result, wait, principal } = known;
  if (result !== undefined) {
    // Either attempt may have been heard: a late cancel of one must not take the lock from the other.
    if (principal !== undefined) holdOnTo(state, state.claimants.findPrincipal(principal), result);
    finish(state, operation, result);
  } else if (wait !== undefined && isAcquire(command)) {
    if (state.waitingOperations < state.limits.maxWaiters)
      attach(state, wait, operation, command.waitMs, command.ttlMs);
    else finish(state, { ...operation, key: undefined }, { type: "error", code: "limit", limit: "maxWaiters" });
  }
}

/** What the result says was granted is the answer to one request more, as far as it is still held. */
function holdOnTo(state: LockState, claimant: Claimant | undefined, result: LockResult): void {
  if (claimant === undefined) return;
  if (result.type === "permitsGranted") {
    const hold = claimant.permitHold(result.semaphore);
    if (hold?.token === result.fencingToken) answeredAgain(state, hold);
  }
  const grants = result.type === "granted" ? [result] : result.type === "grantedAll" ? result.grants : [];
  for (const { lock, fencingToken } of grants) {
    const hold = claimant.hold(lock);
    if (hold?.lock.token === fencingToken) answeredAgain(state, hold);
  }
}

type AnyAcquire = Extract<LockCommand, { type: "acquire" | "acquireAll" | "acquirePermits" }>;

function isAcquire(command: LockCommand): command is AnyAcquire {
  return command.type === "acquire" || command.type === "acquireAll" || command.type === "acquirePermits";
}

function windowFor(state: LockState, command: LockCommand): number {
  return reserved(state.limits.maxOperationWindow, command);
}

/** What gives back or keeps alive may use the last tenth of a limit (PROTOCOLS R9): refusing it for load makes more load. */
function reserved(limit: number, { type }: LockCommand): number {
  const gives =
    type === "release" ||
    type === "releasePermits" ||
    type === "closeSession" ||
    type === "cancel" ||
    type === "keepalive" ||
    type === "registerIngress";
  return gives ? limit : limit - Math.floor(limit / 10);
}
