import type { OperationProtocol } from "../engine/ingress.ts";
import { encodeCommand } from "../locks/codec.ts";
import type { LockCommand, LockResult } from "../locks/types.ts";

/** How the ingress of `nodeId` speaks to the lock machine. */
export function lockProtocol(nodeId: string): OperationProtocol<LockCommand, LockResult> {
  return {
    encode: encodeCommand,
    register: { type: "registerIngress", node: nodeId },
    cancel: (ingress, sequence) => ({ type: "cancel", ingress, sequence }),
    isStale: (result) => result.type === "error" && result.code === "stale_operation",
  };
}
