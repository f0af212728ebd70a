import { LinkedList } from "../kernel/linked-list.ts";
import { makeReady } from "./messages.ts";
import { newDelayed, newExpiries, type Queue } from "./queue.ts";
import type { QueueState } from "./state.ts";
import { changes } from "./transitions.ts";

/**
 * Drops what is ready or delayed. What is in flight stays, with who has it. Nothing is touched one by one, but groups: a backlog of
 * millions goes in one step (PROTOCOLS D10).
 *
 * @returns how many
 */
export function purgeLive(state: QueueState, queue: Queue): number {
  const count = queue.readyCount + queue.delayed.size;
  const { liveBytes } = queue;
  const { paged, pagedBytes } = queue.ready.clear();
  queue.delayed = newDelayed();
  queue.expiries = newExpiries();
  queue.grouped = 0;
  for (const group of queue.groups.values()) {
    group.waiting = new LinkedList();
    if (group.head?.state !== "in_flight") queue.groups.delete(group.key);
  }
  queue.liveBytes = 0;
  dropped(state, queue, count, liveBytes);
  state.heated(paged - count, pagedBytes - liveBytes);
  return count;
}

/** Drops the dead letters. @returns how many */
export function purgeDead(state: QueueState, queue: Queue): number {
  const { size: count } = queue.dead;
  const { deadBytes } = queue;
  const { paged, pagedBytes } = queue.dead.clear();
  queue.deadBytes = 0;
  dropped(state, queue, count, deadBytes);
  state.heated(paged - count, pagedBytes - deadBytes);
  return count;
}

/** The oldest dead letters are ready again, with all their deliveries before them. @returns how many */
export function redrive(state: QueueState, queue: Queue, max: number): number {
  let count = 0;
  for (; count < max; count++) {
    const message = queue.dead.shift();
    if (message === undefined) break;
    state.transitions.note(changes.redriven, message.number);
    message.failures = 0;
    message.deadReason = undefined;
    queue.deadBytes -= message.body.length;
    queue.liveBytes += message.body.length;
    makeReady(state, message, false);
  }
  queue.counters.redriven += count;
  return count;
}

function dropped(state: QueueState, queue: Queue, count: number, bytes: number): void {
  state.transitions.note(changes.purged, queue.serial, count, bytes);
  queue.counters.purged += count;
  state.messages -= count;
  state.bytes -= bytes;
}
