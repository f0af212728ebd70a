import { backOffMs } from "./back-off.ts";
import type { DeliveryId, QueueCommand, QueueResult } from "./commands.ts";
import { bury, comeBack, remove } from "./messages.ts";
import type { Message } from "./records.ts";
import type { QueueState } from "./state.ts";
import { changes } from "./transitions.ts";
import type { Settlement, SettlementEnd } from "./types.ts";

/** Each receipt by itself. */
export function settle(state: QueueState, command: Extract<QueueCommand, { type: "settle" }>): QueueResult {
  const { queue, receipts, settlement } = command;
  return { type: "settled", ends: receipts.map((receipt) => settleOne(state, queue, receipt, settlement)) };
}

/** What nobody was given goes back, and counts for nothing. */
export function giveBack(state: QueueState, queue: string, receipts: readonly DeliveryId[]): void {
  for (const receipt of receipts) {
    const message = delivered(state, queue, receipt);
    if (typeof message !== "string") giveBackOne(state, message);
  }
}

export function giveBackOne(state: QueueState, message: Message): void {
  const { queue } = message;
  state.touched.add(queue);
  queue.counters.returned += 1;
  comeBack(state, message, 0);
}

/** Nobody acked it in time. */
export function timeOut(state: QueueState, message: Message): void {
  const { queue } = message;
  state.touched.add(queue);
  queue.counters.timedOut += 1;
  fail(state, message, 0);
}

function settleOne(state: QueueState, name: string, receipt: DeliveryId, settlement: Settlement): SettlementEnd {
  const message = delivered(state, name, receipt);
  if (typeof message === "string") return message;
  const { queue } = message;
  state.touched.add(queue);
  switch (settlement.type) {
    case "ack":
      queue.counters.acked += 1;
      remove(state, message);
      return "done";
    case "nack":
      queue.counters.nacked += 1;
      return fail(state, message, settlement.delayMs);
    case "extend":
      state.transitions.note(changes.extended, message.number, settlement.visibilityMs);
      state.deadlines.schedule(message, state.nowMs + settlement.visibilityMs);
      return "done";
  }
}

/**
 * The message, if that attempt is still out (PROTOCOLS U1).
 *
 * ↯ A consumer is slow, its message is given to another one, and its late ack takes it from that one.
 */
function delivered(
  state: QueueState,
  queue: string,
  receipt: DeliveryId,
): Message | "stale_attempt" | "unknown_receipt" {
  const message = state.inFlight.get(receipt.message);
  if (message === undefined) return receipt.message <= state.messageCounter ? "stale_attempt" : "unknown_receipt";
  if (message.queue.key !== queue || receipt.attempt > message.attempt) return "unknown_receipt";
  return message.attempt === receipt.attempt && message.nonce === receipt.nonce ? message : "stale_attempt";
}

/** A delivery has failed. @param delayMs undefined: the queue's back-off */
function fail(state: QueueState, message: Message, delayMs: number | undefined): SettlementEnd {
  const { settings } = message.queue;
  message.failures += 1;
  if (settings.maxDeliveries > 0 && message.failures >= settings.maxDeliveries) {
    bury(state, message, "deliveries");
    return "dead";
  }
  comeBack(state, message, delayMs ?? backOffMs(settings, message.failures, message.number, message.attempt));
  return "done";
}
