import { assert } from "../kernel/assert.ts";
import { deliveryNonce } from "./back-off.ts";
import { Group } from "./groups.ts";
import type { Queue } from "./queue.ts";
import { Expiry, type Message, type Taking } from "./records.ts";
import type { QueueState } from "./state.ts";
import { changes } from "./transitions.ts";
import type { DeadReason } from "./types.ts";

/*
 * The moves of a message. Each leaves all counts right, and none looks at who waits: that is done once, when the entry is done
 * with the queue (`attention.ts`).
 */

/** It is to be had, or waits behind another one of its group. @param fresh no message of its priority came later */
export function makeReady(state: QueueState, message: Message, fresh: boolean): void {
  const { queue } = message;
  message.state = "ready";
  if (!isTurn(queue, message)) {
    state.transitions.note(changes.waitsInGroup, message.number);
    message.group?.waiting.push(message);
    queue.grouped += 1;
    mayExpire(message);
    return;
  }
  state.transitions.note(changes.ready, message.number, fresh ? 1 : 0);
  // Before it is in the list, which looks at it.
  mayExpire(message);
  queue.ready.add(message, fresh);
}

/** @param delayMs more than 0 */
export function makeDelayed(state: QueueState, message: Message, delayMs: number): void {
  message.state = "delayed";
  message.deadlineMs = state.nowMs + delayMs;
  state.transitions.note(changes.delayed, message.number, message.deadlineMs);
  message.queue.delayed.push(message);
  mayExpire(message);
}

/** The one that is next goes to a consumer. @param nonce of the request */
export function take(state: QueueState, queue: Queue, nonce: number, visibilityMs: number, taking: Taking): Message {
  const message = queue.ready.shift();
  assert(message !== undefined, "somebody is given what is ready");
  cannotExpire(message);
  message.attempt += 1;
  message.nonce = deliveryNonce(nonce, message.number);
  message.state = "in_flight";
  message.taking = taking;
  taking.messages.push(message);
  taking.left += 1;
  state.transitions.note(changes.taken, message.number, message.attempt, message.nonce);
  state.deadlines.schedule(message, state.nowMs + visibilityMs);
  state.inFlight.set(message.number, message);
  queue.inFlight += 1;
  queue.liveBytes -= message.body.length;
  queue.flightBytes += message.body.length;
  queue.counters.delivered += 1;
  return message;
}

/** From a consumer back to the queue. @param delayMs 0: at once */
export function comeBack(state: QueueState, message: Message, delayMs: number): void {
  land(state, message);
  message.queue.liveBytes += message.body.length;
  if (delayMs > 0) makeDelayed(state, message, delayMs);
  else makeReady(state, message, false);
}

/** It is done with: it was in flight. */
export function remove(state: QueueState, message: Message): void {
  land(state, message);
  advanceGroup(state, message);
  state.transitions.note(changes.left, message.number);
  state.messages -= 1;
  state.bytes -= message.body.length;
  state.heated(-1, -message.body.length);
}

/** Wherever it is, it is a dead letter now. */
export function bury(state: QueueState, message: Message, reason: DeadReason): void {
  const { queue } = message;
  if (message.state === "in_flight") land(state, message);
  else {
    takeOut(queue, message);
    queue.liveBytes -= message.body.length;
  }
  advanceGroup(state, message);
  message.state = "dead";
  message.deadReason = reason;
  message.expiresAtMs = 0;
  state.transitions.note(changes.died, message.number, reason === "expired" ? 1 : 2);
  queue.deadBytes += message.body.length;
  queue.counters.deadLettered += 1;
  queue.dead.push(message);
}

/** Whether it may be had as far as its group goes: it is the head of it, or becomes that. */
function isTurn(queue: Queue, message: Message): boolean {
  const { groupKey } = message;
  if (groupKey === undefined) return true;
  let group = message.group ?? queue.groups.get(groupKey);
  if (group === undefined) queue.groups.set(groupKey, (group = new Group(groupKey)));
  message.group = group;
  group.head ??= message;
  return group.head === message;
}

/** The next of its group is to be had, if it was its turn. */
function advanceGroup(state: QueueState, message: Message): void {
  const { group, queue } = message;
  message.group = undefined;
  if (group?.head !== message) return;
  const next = group.waiting.first;
  group.head = next;
  if (next === undefined) {
    queue.groups.delete(group.key);
    return;
  }
  group.waiting.remove(next);
  queue.grouped -= 1;
  state.transitions.note(changes.ready, next.number);
  queue.ready.add(next, false);
}

/** It is in flight no more. */
function land(state: QueueState, message: Message): void {
  const { queue, taking } = message;
  state.deadlines.cancel(message);
  state.inFlight.delete(message.number);
  queue.inFlight -= 1;
  queue.flightBytes -= message.body.length;
  message.taking = undefined;
  if (taking === undefined) return;
  taking.left -= 1;
  if (taking.left === 0) state.ingresses.find(taking.ingress)?.takings.delete(taking.sequence);
}

/** From where it is ready or delayed. */
function takeOut(queue: Queue, message: Message): void {
  const { group } = message;
  if (message.state === "delayed") queue.delayed.remove(message);
  else if (group !== undefined && group.head !== message) {
    group.waiting.remove(message);
    queue.grouped -= 1;
  } else queue.ready.remove(message);
  // After that: the list looks at it.
  cannotExpire(message);
}

/** Also of one that is restored. */
export function mayExpire(message: Message): void {
  if (message.expiresAtMs === 0 || message.expiry !== undefined) return;
  message.expiry = new Expiry(message);
  message.queue.expiries.push(message.expiry);
}

function cannotExpire(message: Message): void {
  if (message.expiry === undefined) return;
  message.queue.expiries.remove(message.expiry);
  message.expiry = undefined;
}
