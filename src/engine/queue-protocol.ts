import { encodeCommand } from "../queue/codec.ts";
import type { QueueCommand, QueueResult } from "../queue/commands.ts";
import type { OperationOptions, OperationProtocol } from "./ingress.ts";

/** How the ingress of `nodeId` speaks to the queue machine. */
export function queueProtocol(nodeId: string): OperationProtocol<QueueCommand, QueueResult> {
  return {
    encode: encodeCommand,
    register: { type: "registerIngress", node: nodeId },
    cancel: (ingress, sequence) => ({ type: "cancel", ingress, sequence }),
    isStale: (result) => result.type === "error" && result.code === "stale_operation",
  };
}

/** How the ingress treats a command: what gives back or settles is served first (PROTOCOLS R9). */
export function queueOperationOptions(command: QueueCommand, idempotencyKey: string | undefined): OperationOptions {
  switch (command.type) {
    case "receive":
      return { cancellable: true, waitMs: command.waitMs };
    case "settle":
    case "giveBack":
    case "cancel":
    case "registerIngress":
      return { idempotencyKey, reserved: true };
    case "publish":
    case "configure":
    case "pause":
    case "purge":
    case "redrive":
    case "setSchedule":
    case "removeSchedule":
    case "fireSchedule":
      return { idempotencyKey };
  }
}
