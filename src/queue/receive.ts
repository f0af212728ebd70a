import type { QueueCommand, QueueResult, TakenMessage } from "./commands.ts";
import { take } from "./messages.ts";
import { leave, limitReached, wait } from "./operations.ts";
import type { Queue } from "./queue.ts";
import { count, allowance } from "./rate-limit.ts";
import { type Operation, Receiver, Taking } from "./records.ts";
import { DEFAULT_SETTINGS } from "./settings.ts";
import type { QueueState } from "./state.ts";
import type { QueueSettings } from "./types.ts";

type Receive = Extract<QueueCommand, { type: "receive" }>;

/** @returns undefined when it waits, or has been answered */
export function receive(state: QueueState, operation: Operation, command: Receive): QueueResult | undefined {
  const { max, waitMs, visibilityMs, nonce } = command;
  const queue = waitMs > 0 ? state.queues.findOrAdd(command.queue) : state.queues.find(command.queue);
  if (queue === undefined) return waitMs > 0 ? limitReached("maxQueues") : nothing(visibilityMs, DEFAULT_SETTINGS);
  state.touched.add(queue);
  // Who waits already is served first, also where the time has come for which he waits and no time entry has.
  const isFirst = queue.receivers.size === 0;
  const taken = isFirst ? takeUpTo(state, queue, { operation, max, visibilityMs, nonce }) : undefined;
  if (taken !== undefined) return taken;
  if (waitMs === 0) return nothing(visibilityMs, queue.settings);
  if (state.receivers >= state.limits.maxReceivers) return limitReached("maxReceivers");
  const deadlineMs = state.nowMs + waitMs;
  wait(state, new Receiver(state.nextSerial(), queue, operation, max, visibilityMs, nonce, deadlineMs));
  return undefined;
}

/** Whoever has waited longest is given what is to be had now. */
export function fill(state: QueueState, queue: Queue): void {
  for (let { first } = queue.receivers; first !== undefined; { first } = queue.receivers) {
    const taken = takeUpTo(state, queue, first);
    if (taken === undefined) return;
    leave(state, first, taken);
  }
}

/** Its wait is over: there was nothing. */
export function giveUp(state: QueueState, receiver: Receiver): void {
  leave(state, receiver, nothing(receiver.visibilityMs, receiver.queue.settings));
}

function nothing(visibilityMs: number | undefined, settings: QueueSettings): QueueResult {
  return { type: "received", visibilityMs: visibilityMs ?? settings.visibilityMs, messages: [] };
}

/** How many messages of the queue may be given out now (PROTOCOLS U3). */
export function available(state: QueueState, queue: Queue): number {
  if (queue.paused) return 0;
  const { maxInFlight } = queue.settings;
  const room = (maxInFlight > 0 ? maxInFlight : state.limits.maxInFlight) - queue.inFlight;
  return Math.max(0, Math.min(queue.ready.size, room, allowance(queue, state.nowMs)));
}

interface Asked {
  readonly operation: Operation;
  readonly max: number;
  readonly visibilityMs: number | undefined;
  readonly nonce: number;
}

/** @returns undefined when there is none */
function takeUpTo(state: QueueState, queue: Queue, asked: Asked): QueueResult | undefined {
  if (available(state, queue) === 0) return undefined;
  const { ingress, sequence } = asked.operation;
  const visibilityMs = asked.visibilityMs ?? queue.settings.visibilityMs;
  const taking = new Taking(ingress, sequence);
  const messages: TakenMessage[] = [];
  let bytes = 0;
  while (messages.length < asked.max && bytes < state.limits.maxReceiveBytes && available(state, queue) > 0) {
    const message = take(state, queue, asked.nonce, visibilityMs, taking);
    count(queue, state.nowMs);
    bytes += message.body.length;
    const { number, attempt, nonce, body, priority, groupKey, publishedAtMs } = message;
    messages.push({ message: number, attempt, nonce, body, priority, groupKey, publishedAtMs });
  }
  state.ingresses.find(ingress)?.takings.set(sequence, taking);
  return { type: "received", visibilityMs, messages };
}
