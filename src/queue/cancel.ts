import { CANCELLED, leave } from "./operations.ts";
import { giveBackOne } from "./settle.ts";
import type { QueueState } from "./state.ts";
import { changes } from "./transitions.ts";

/** Nobody listens to that receive any more: it leaves its queue, and what it was given goes back (PROTOCOLS L7). */
export function cancelOperation(state: QueueState, id: number, sequence: number): void {
  const ingress = state.ingresses.find(id);
  // The operations of an unknown ingress are never executed.
  if (ingress === undefined) return;
  const receiver = ingress.waiting.get(sequence);
  if (receiver !== undefined) {
    leave(state, receiver, CANCELLED);
    return;
  }
  const { window } = ingress;
  const taking = ingress.takings.get(sequence);
  if (taking !== undefined) {
    state.transitions.note(changes.cancelled, id, sequence);
    window.record(sequence, CANCELLED);
    // In the order of their numbers, which a restored state knows, too.
    const out = taking.messages.filter((message) => message.taking === taking);
    for (const message of out.sort((a, b) => a.number - b.number)) giveBackOne(state, message);
    return;
  }
  // Not seen yet: it may still come, and must not be executed then.
  if (window.classify(sequence, window.floor, state.limits.maxOperationWindow) !== "new") return;
  state.transitions.note(changes.cancelled, id, sequence);
  window.record(sequence, CANCELLED);
}
