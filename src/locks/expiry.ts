import { unreachable } from "../kernel/assert.ts";
import { lockHeld } from "./acquire.ts";
import { bundleHeld } from "./acquire-all.ts";
import { grantFreed } from "./grants.ts";
import { removeHold } from "./holds.ts";
import { permitsHeld } from "./permit-commands.ts";
import { removePermitHold } from "./permits.ts";
import { removeWait } from "./queues.ts";
import { endSession } from "./session-commands.ts";
import type { LockState } from "./state.ts";

/**
 * Ends what is due, the earliest first, and only then grants what became free: a waiter or session whose own time is
 * over in the same step gets nothing (PROTOCOLS T2, L8).
 *
 * Of very much that is due at once a time entry ends a part, and the rest is left, still due, to the leader's next one:
 * no replica stops for a second because a million leases end together (D10).
 */
export function expireDue(state: LockState): void {
  for (let ended = 0; ended < state.limits.maxExpiriesPerEntry; ended++) {
    const due = state.deadlines.popDue(state.nowMs);
    if (due === undefined) break;
    switch (due.kind) {
      case "hold":
        removeHold(state, due);
        state.freed.add(due.lock);
        break;
      case "permits":
        removePermitHold(state, due);
        state.freed.add(due.semaphore);
        break;
      case "waiter":
        removeWait(state, due, lockHeld(state, due.lock));
        break;
      case "bundle":
        removeWait(state, due, bundleHeld(state, due));
        break;
      case "permitWaiter":
        removeWait(state, due, permitsHeld(state, due.semaphore));
        break;
      case "session":
        endSession(state, due);
        break;
      case "key":
        state.keys.remove(due);
        break;
      default:
        unreachable(due);
    }
  }
  grantFreed(state);
}
