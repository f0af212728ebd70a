import type { OperationInput } from "../../../api/operation.ts";
import {
  changeSettings,
  pauseQueue,
  purgeQueue,
  readSettings,
  redriveQueue,
  resumeQueue,
} from "../../../api/queues/control.ts";
import type { QueueSettings } from "../../../queue/types.ts";
import type { HandlerTools, Register } from "../../run.ts";
import { queueStore } from "./store.ts";

/** The operations that people run a queue with. */
export function queueControlOperations(register: Register, tools: HandlerTools): void {
  const store = queueStore(tools);

  register(readSettings, async ({ queue }, { signal }) => {
    const settings = await store.backend.settings(queue, { signal });
    return { queue, ...store.confirmed(), ...settingsOutput(settings) };
  });
  register(changeSettings, async ({ queue, ...changes }, { idempotencyKey }) => {
    const settings = await store.backend.configure(queue, settingsOf(changes), { idempotencyKey });
    return { queue, ...store.confirmed(), ...settingsOutput(settings) };
  });
  register(purgeQueue, async ({ queue, part }, { idempotencyKey }) => {
    const purged = await store.backend.purge(queue, part, { idempotencyKey });
    return { status: "purged" as const, queue, ...store.confirmed(), purged };
  });
  register(redriveQueue, async ({ queue, max }, { idempotencyKey }) => {
    const redriven = await store.backend.redrive(queue, max, { idempotencyKey });
    return { status: "redriven" as const, queue, ...store.confirmed(), redriven };
  });
  register(pauseQueue, async ({ queue }, { idempotencyKey }) => {
    await store.backend.pause(queue, true, { idempotencyKey });
    return { status: "paused" as const, queue, ...store.confirmed() };
  });
  register(resumeQueue, async ({ queue }, { idempotencyKey }) => {
    await store.backend.pause(queue, false, { idempotencyKey });
    return { status: "resumed" as const, queue, ...store.confirmed() };
  });
}

/** Only what was named: a key without a value would be a setting of nothing. */
function settingsOf(input: Omit<OperationInput<typeof changeSettings>, "queue">): Partial<QueueSettings> {
  const changes: { [Name in keyof QueueSettings]: QueueSettings[Name] | undefined } = {
    visibilityMs: input.visibility,
    maxDeliveries: input.max_deliveries,
    backoffMs: input.backoff,
    maxBackoffMs: input.max_backoff,
    dedupeWindowMs: input.dedupe_window,
    maxInFlight: input.max_in_flight,
    rateLimit: input.rate_limit,
    rateIntervalMs: input.rate_interval,
    expiresMs: input.expires,
  };
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
}

function settingsOutput(settings: QueueSettings) {
  return {
    visibility_ms: settings.visibilityMs,
    max_deliveries: settings.maxDeliveries,
    backoff_ms: settings.backoffMs,
    max_backoff_ms: settings.maxBackoffMs,
    dedupe_window_ms: settings.dedupeWindowMs,
    max_in_flight: settings.maxInFlight,
    rate_limit: settings.rateLimit,
    rate_interval_ms: settings.rateIntervalMs,
    expires_ms: settings.expiresMs,
  };
}
