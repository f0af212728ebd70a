import type { QueueRefusal } from "./commands.ts";
import { Ingress } from "./ingress.ts";
import { CANCELLED, leave, limitReached, STALE_OPERATION } from "./operations.ts";
import type { QueueState } from "./state.ts";

/**
 * A process of the node starts to take requests in; what its predecessor left behind ends: its operations are refused from now
 * on, and its receivers leave (PROTOCOLS Q1, L7). What those were given before may have reached consumers, and stays with them
 * until its time is over.
 *
 * @returns why the process is refused, or undefined when it is registered and its operation can be answered
 */
export function registerIngress(
  state: QueueState,
  id: number,
  sequence: number,
  node: string,
): QueueRefusal | undefined {
  const { ingresses, limits } = state;
  const known = ingresses.find(id);
  if (known !== undefined) return known.node === node ? undefined : STALE_OPERATION;
  const retired = ingresses.findRetired(node, id);
  const width = limits.maxOperationWindow;
  if (retired !== undefined && retired.window.classify(sequence, sequence, width) !== "new") return STALE_OPERATION;
  const predecessor = ingresses.active(node);
  if (predecessor === undefined && ingresses.nodes >= limits.maxIngressNodes) return limitReached("maxIngressNodes");
  if (predecessor !== undefined) end(state, predecessor);
  ingresses.activate(retired ?? new Ingress(id, node), limits.maxRetiredIngresses);
  return undefined;
}

function end(state: QueueState, ingress: Ingress): void {
  // In the order of their numbers, which a restored state knows, too. ↯ One replica has them as they came, and another, restored from
  // a snapshot, by queue: they tell different outcomes in turn, and stop as diverged (PROTOCOLS R7, R8).
  const waiting = [...ingress.waiting].sort(([a], [b]) => a - b);
  for (const [, receiver] of waiting) leave(state, receiver, CANCELLED);
  for (const taking of ingress.takings.values()) {
    for (const message of taking.messages) if (message.taking === taking) message.taking = undefined;
  }
  ingress.takings.clear();
}
