import { encodeCommand } from "../locks/codec.ts";
import type { LockCommand, LockResult } from "../locks/types.ts";
import type { OperationOptions, OperationProtocol } from "./ingress.ts";

/** How the ingress of `nodeId` speaks to the lock machine. */
export function lockProtocol(nodeId: string): OperationProtocol<LockCommand, LockResult> {
  return {
    encode: encodeCommand,
    register: { type: "registerIngress", node: nodeId },
    cancel: (ingress, sequence) => ({ type: "cancel", ingress, sequence }),
    isStale: (result) => result.type === "error" && result.code === "stale_operation",
  };
}

/** How the ingress treats a command: what gives back or keeps alive is served first (PROTOCOLS R9). */
export function operationOptions(command: LockCommand, idempotencyKey: string | undefined): OperationOptions {
  switch (command.type) {
    case "acquire":
    case "acquireAll":
    case "acquirePermits":
      return { idempotencyKey, cancellable: true, waitMs: command.waitMs };
    case "release":
    case "releasePermits":
    case "keepalive":
    case "closeSession":
    case "cancel":
    case "registerIngress":
      return { idempotencyKey, reserved: true };
    case "openSession":
    case "fence":
      return { idempotencyKey };
  }
}
