import type { StateMachine } from "../../src/engine/state-machine.ts";
import { decodeCommand } from "../../src/locks/codec.ts";
import { addHold, grantOf } from "../../src/locks/holds.ts";
import type { LockMachine } from "../../src/locks/lock-machine.ts";
import { detachAll } from "../../src/locks/operations.ts";
import { leaveQueues } from "../../src/locks/queues.ts";
import type { Lock } from "../../src/locks/records.ts";
import type { PermitHold } from "../../src/locks/semaphores.ts";
import { discard, type LockState } from "../../src/locks/state.ts";
import type { LockCommand, LockResult } from "../../src/locks/types.ts";
import { withApply } from "./machines.ts";

/**
 * A lock machine whose state is wrong after each entry, or before a command, on all nodes in the same way: only what it
 * promises tells.
 */
export function meddling(
  machine: LockMachine,
  meddle: (state: LockState) => void,
  before?: (state: LockState, command: LockCommand) => void,
): StateMachine<LockResult> {
  return withApply(machine, (entry, emit) => {
    // No production code may reach in here. A restored machine has another state.
    const state = machine["state"];
    if (entry.kind === "command") before?.(state, decodeCommand(entry.payload).command);
    machine.apply(entry, emit);
    state.emit = emit;
    meddle(state);
    state.emit = discard;
  });
}

/** A multi-lock that waits takes what it can have by now. */
export function grantsNameByName(state: LockState): void {
  for (const lock of contested(state)) {
    for (let place = lock.queue.first; place !== undefined; place = place.next) {
      if (place.kind === "waiter" || !lock.admits(place.mode) || !lock.canGrant(place)) continue;
      addHold(state, lock, place.claimant, place.mode, place.bundle.ttlMs, undefined);
      break;
    }
  }
}

/** Whoever waits for a free lock behind a multi-lock gets it. */
export function overtakesBundles(state: LockState): void {
  for (const lock of contested(state)) {
    if (lock.mode !== undefined) continue;
    let place = lock.queue.first;
    while (place !== undefined && place.kind === "place") place = place.next;
    if (place === undefined) continue;
    leaveQueues(state, place);
    const hold = addHold(state, lock, place.claimant, place.mode, place.ttlMs, place.value);
    detachAll(state, place, grantOf(state, hold));
  }
}

/** Who waits longest for permits goes to the end of the queue. */
export function forgetsPlaces({ semaphores }: LockState): void {
  for (let semaphore = semaphores.contested.first; semaphore !== undefined; semaphore = semaphore.next) {
    const { queue } = semaphore;
    const [first, last] = [queue.first, queue.last];
    if (first === undefined || first === last) continue;
    queue.remove(first);
    queue.push(first);
  }
}

/** A grant of permits uses no token up: the next grant has the same. */
export function reusesPermitTokens(): (state: LockState) => void {
  const seen = new WeakSet<PermitHold>();
  return (state) => {
    for (const { holders } of state.semaphores.values()) {
      const { last } = holders;
      if (last === undefined || seen.has(last)) continue;
      seen.add(last);
      if (last.token === state.tokenCounter) state.tokenCounter -= 1;
    }
  };
}

function contested({ locks }: LockState): Lock[] {
  const found: Lock[] = [];
  for (let lock = locks.contested.first; lock !== undefined; lock = lock.next) found.push(lock);
  return found;
}

/** A reader among others that asks for exclusive finds the lock to be its own. */
export function upgradesOneOfSeveral(state: LockState, command: LockCommand): void {
  if (command.type !== "acquire" || command.mode !== "exclusive") return;
  const hold = state.claimants.findPrincipal(command.principal)?.hold(command.lock);
  if (hold === undefined || hold.lock.mode !== "shared" || hold.lock.holders.size < 2) return;
  hold.lock.mode = "exclusive";
  hold.lock.token = state.nextToken();
}

/** While others wait for it, a lock does not know who asks for it once more. */
export function reentersBehindWaiters(machine: LockMachine): StateMachine<LockResult> {
  return withApply(machine, (entry, emit) => {
    const state = machine["state"];
    const command = entry.kind === "command" ? decodeCommand(entry.payload).command : undefined;
    if (command?.type !== "acquire") return machine.apply(entry, emit);
    const claimant = state.claimants.findPrincipal(command.principal);
    const hold = claimant?.hold(command.lock);
    if (claimant === undefined || hold === undefined || hold.lock.queue.size === 0) return machine.apply(entry, emit);
    claimant.hold = () => undefined;
    machine.apply(entry, emit);
    // The class's own again.
    Reflect.deleteProperty(claimant, "hold");
  });
}
