import { unreachable } from "../kernel/assert.ts";
import { bury, makeReady } from "./messages.ts";
import { forgetDedupeId } from "./publish.ts";
import type { Queue } from "./queue.ts";
import { giveUp } from "./receive.ts";
import { timeOut } from "./settle.ts";
import type { QueueState } from "./state.ts";
import { changes } from "./transitions.ts";

/**
 * Ends what is due, the earliest first (PROTOCOLS T2). Of very much that is due at once a time entry ends a part, and the rest is left,
 * still due, to the leader's next one (D10).
 */
export function expireDue(state: QueueState): void {
  for (let budget = state.limits.maxExpiriesPerEntry; budget > 0; budget--) {
    const due = state.deadlines.popDue(state.nowMs);
    if (due === undefined) return;
    switch (due.kind) {
      case "message":
        timeOut(state, due);
        break;
      case "queue":
        budget -= expireQueue(state, due, budget);
        break;
      case "receiver":
        giveUp(state, due);
        break;
      case "dedupe":
        forgetDedupeId(state, due);
        break;
      case "key":
        state.transitions.note(changes.keyRemoved, due.hash, due.serial);
        state.keys.remove(due);
        break;
      default:
        unreachable(due);
    }
  }
}

/** What is delayed becomes ready, and what has lived too long a dead letter. @returns how many */
function expireQueue(state: QueueState, queue: Queue, budget: number): number {
  state.touched.add(queue);
  let ended = 0;
  for (; ended < budget; ended++) {
    const delayed = queue.delayed.peek();
    if (delayed === undefined || delayed.deadlineMs > state.nowMs) break;
    queue.delayed.pop();
    makeReady(state, delayed, false);
  }
  for (; ended < budget; ended++) {
    const message = queue.expiries.peek()?.message;
    if (message === undefined || message.expiresAtMs > state.nowMs) break;
    bury(state, message, "expired");
  }
  return ended;
}
