import type { HandlerTools, Register } from "../run.ts";
import { queueControlOperations } from "./queues/control.ts";
import { messageOperations } from "./queues/messages.ts";
import { scheduleOperations } from "./queues/schedules.ts";
import { settlementOperations } from "./queues/settlements.ts";
import { queueViewOperations } from "./queues/views.ts";

/** Everything that can be asked of queues, whatever keeps them. */
export function queueOperations(register: Register, tools: HandlerTools): void {
  messageOperations(register, tools);
  settlementOperations(register, tools);
  queueViewOperations(register, tools);
  queueControlOperations(register, tools);
  scheduleOperations(register, tools);
}
