import { detachOperation } from "./cancel.ts";
import { grantFreed } from "./grants.ts";
import { Ingress } from "./ingresses.ts";
import { CANCELLED, STALE_OPERATION } from "./operations.ts";
import { removeWait } from "./queues.ts";
import type { LockState } from "./state.ts";
import type { LockError } from "./types.ts";

/**
 * A process of the node starts to take requests in; what its predecessor left behind ends: its operations are refused
 * from now on, and waiters that no session keeps leave their queues (PROTOCOLS Q1, L7).
 *
 * @returns why the process is refused, or undefined when it is registered and its operation can be answered
 */
export function registerIngress(state: LockState, id: number, sequence: number, node: string): LockError | undefined {
  const known = state.ingresses.find(id);
  if (known !== undefined) return known.node === node ? undefined : STALE_OPERATION;
  const retired = state.ingresses.findRetired(node, id);
  const maxWidth = state.limits.maxOperationWindow;
  if (retired !== undefined && retired.window.classify(sequence, sequence, maxWidth) !== "new") return STALE_OPERATION;
  const predecessor = state.ingresses.active(node);
  if (predecessor === undefined && state.ingresses.nodes >= state.limits.maxIngressNodes) {
    return { type: "error", code: "limit", limit: "maxIngressNodes" };
  }
  if (predecessor !== undefined) endWaits(state, predecessor);
  state.ingresses.activate(retired ?? new Ingress(id, node), state.limits.maxRetiredIngresses);
  return undefined;
}

function endWaits(state: LockState, ingress: Ingress): void {
  for (const [sequence, wait] of [...ingress.waiting]) {
    detachOperation(state, wait, ingress.id, sequence);
    if (wait.operations.length > 0 || wait.claimant.kind === "session") continue;
    removeWait(state, wait, CANCELLED);
  }
  grantFreed(state);
}
