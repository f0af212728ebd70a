import { encodeAckToken } from "../../../api/ack-token.ts";
import { publishBatch, publishMessage, receiveBatch, receiveMessage } from "../../../api/queues/messages.ts";
import { JsonText } from "../../../api/json-text.ts";
import { type QueueBackend, QueueError, type ReceiveRequest } from "../../../engine/queue-backend.ts";
import { assert } from "../../../kernel/assert.ts";
import type { Delivery, NewMessage } from "../../../queue/types.ts";
import type { HandlerTools, Register, RunContext } from "../../run.ts";
import { publishError, queueStore } from "./store.ts";

interface MessageInput {
  readonly data: JsonText;
  readonly delay: number;
  readonly priority: number;
  readonly expires: number;
  readonly group?: string | undefined;
  readonly dedupe_id?: string | undefined;
}

/** The operations that put messages in and take them out. */
export function messageOperations(register: Register, tools: HandlerTools): void {
  const store = queueStore(tools);

  register(publishMessage, async ({ queue, echo, ...input }, context) => {
    const [published] = await publish(store.backend, queue, [newMessage(input)], context);
    assert(published !== undefined, "there is a result for each message");
    return {
      status: "produced" as const,
      ...{ queue, ...store.confirmed() },
      ...(echo ? { message: input.data } : {}),
      ...published,
    };
  });

  register(publishBatch, async ({ queue, messages }, context) => {
    const published = await publish(store.backend, queue, messages.map(newMessage), context);
    return {
      status: "produced" as const,
      ...{ queue, ...store.confirmed() },
      ids: published.map(({ id }) => id),
      duplicates: published.flatMap(({ duplicate }, place) => (duplicate ? [place] : [])),
    };
  });

  register(receiveMessage, async ({ queue, wait, visibility }, context) => {
    const request = { max: 1, waitMs: wait, visibilityMs: visibility };
    const [delivery] = await receive(store.backend, queue, request, context);
    if (delivery === undefined) return { status: "empty" as const, queue, ...store.confirmed() };
    const shown = deliveryOutput(delivery);
    return { status: "consumed" as const, queue, ...store.confirmed(), ...shown, message: shown.data };
  });

  register(receiveBatch, async ({ queue, max, wait, visibility }, context) => {
    const request = { max, waitMs: wait, visibilityMs: visibility };
    const deliveries = await receive(store.backend, queue, request, context);
    const status = deliveries.length === 0 ? ("empty" as const) : ("consumed" as const);
    return { status, queue, ...store.confirmed(), messages: deliveries.map(deliveryOutput) };
  });
}

/** What a publish or a schedule says of a message. */
export function newMessage({ data, delay, priority, expires, group, dedupe_id: dedupeId }: MessageInput): NewMessage {
  return { body: data.bytes, delayMs: delay, priority, dedupeId, groupKey: group, expiresMs: expires };
}

async function publish(
  backend: QueueBackend,
  queue: string,
  messages: readonly NewMessage[],
  { idempotencyKey }: RunContext,
) {
  try {
    // No signal: who gives a message away and hangs up has still given it.
    return await backend.publish(queue, messages, { idempotencyKey });
  } catch (error) {
    throw publishError(error, messages, idempotencyKey);
  }
}

/**
 * Takes messages for a client that is still there. ↯ The client hangs up while its messages are on their way here: written to nobody
 * they would come again only after their visibility, and count as failed (PROTOCOLS U1).
 */
async function receive(
  backend: QueueBackend,
  queue: string,
  request: ReceiveRequest,
  { signal }: RunContext,
): Promise<readonly Delivery[]> {
  const deliveries = await backend.receive(queue, request, { signal });
  if (signal?.aborted !== true) return deliveries;
  if (deliveries.length > 0) await backend.giveBack(deliveries.map(({ receipt }) => receipt));
  throw new QueueError("aborted");
}

function deliveryOutput({ id, attempt, receipt, body, priority, groupKey, publishedAtMs, visibilityMs }: Delivery) {
  return {
    id,
    attempt,
    ack_token: encodeAckToken(receipt),
    data: new JsonText(body),
    priority,
    ...(groupKey === undefined ? {} : { group: groupKey }),
    published_at_ms: publishedAtMs,
    visibility_ms: visibilityMs,
  };
}
