import { unreachable } from "../kernel/assert.ts";
import { lockHeld } from "./acquire.ts";
import { grantWaiting, removeHold, removeWaiter } from "./grants.ts";
import type { Lock } from "./records.ts";
import { endSession } from "./session-commands.ts";
import type { LockState } from "./state.ts";

/**
 * Ends everything that is due, and only then grants what became free: a waiter or session whose own time is over in
 * the same step gets nothing (PROTOCOLS T2, L8).
 */
export function expireDue(state: LockState): void {
  const freed = new Set<Lock>();
  for (let due = state.deadlines.popDue(state.nowMs); due !== undefined; due = state.deadlines.popDue(state.nowMs)) {
    switch (due.kind) {
      case "hold":
        removeHold(state, due);
        freed.add(due.lock);
        break;
      case "waiter":
        removeWaiter(state, due, lockHeld(state, due.lock));
        freed.add(due.lock);
        break;
      case "session":
        endSession(state, due, freed);
        break;
      case "key":
        state.keys.remove(due);
        break;
      default:
        unreachable(due);
    }
  }
  for (const lock of freed) grantWaiting(state, lock);
}
