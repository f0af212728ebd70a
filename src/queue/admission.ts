import type { QueueCommand, QueueEnvelope, QueueResult } from "./commands.ts";
import { canHaveKey, fingerprint } from "./fingerprint.ts";
import { finish, limitReached, STALE_OPERATION } from "./operations.ts";
import type { Operation } from "./records.ts";
import { registerIngress } from "./registration.ts";
import type { QueueState } from "./state.ts";
import { changes, noteResult } from "./transitions.ts";

/**
 * Lets each operation through once (PROTOCOLS Q1): first by its ingress and sequence, then by the client's
 * `Idempotency-Key`. What is not let through is answered here.
 *
 * @returns the operation to execute, or undefined
 */
export function admit(state: QueueState, envelope: QueueEnvelope): Operation | undefined {
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
  switch (window.classify(sequence, floor, reserved(state.limits.maxOperationWindow, command))) {
    case "stale":
      return answer(state, id, sequence, STALE_OPERATION);
    case "seen":
      return answer(state, id, sequence, window.result(sequence));
    case "beyond":
      return answer(state, id, sequence, limitReached("maxOperationWindow"));
    case "new":
      break;
  }
  const operation = { ingress: id, sequence, key: undefined };
  if (idempotencyKey === undefined || !canHaveKey(command)) return operation;
  return admitByKey(state, operation, idempotencyKey, command);
}

/** Not remembered: the window has the answer already, or refuses every copy in the same way. */
function answer(state: QueueState, ingress: number, sequence: number, result: QueueResult | undefined): undefined {
  noteResult(state.transitions, ingress, sequence, result);
  state.emit(result === undefined ? { ingress, sequence } : { ingress, sequence, result });
}

function admitByKey(
  state: QueueState,
  operation: Operation,
  key: string,
  command: QueueCommand,
): Operation | undefined {
  const print = fingerprint(command);
  const known = state.keys.get(key);
  if (known === undefined) {
    if (state.keys.size < reserved(state.limits.maxIdempotencyKeys, command)) {
      return { ...operation, key: { key, fingerprint: print } };
    }
    finish(state, operation, limitReached("maxIdempotencyKeys"));
  } else if (known.fingerprint === print) finish(state, operation, known.result);
  else finish(state, operation, { type: "error", code: "idempotency_key_reused" });
  return undefined;
}

/** What gives back or keeps may use the last tenth of a limit (PROTOCOLS R9): refusing it for load makes more load. */
function reserved(limit: number, { type }: QueueCommand): number {
  const gives = type === "settle" || type === "giveBack" || type === "cancel" || type === "registerIngress";
  return gives ? limit : limit - Math.floor(limit / 10);
}
