import type { ReceiptFields } from "../../../api/ack-token.ts";
import { ApiError } from "../../../api/errors.ts";
import { ackMessages, extendMessages, nackMessages } from "../../../api/queues/settlements.ts";
import { type QueueBackend, QueueError, type QueueFailure } from "../../../engine/queue-backend.ts";
import { assert } from "../../../kernel/assert.ts";
import type { Settlement, SettlementEnd } from "../../../queue/types.ts";
import type { HandlerTools, Register, RunContext } from "../../run.ts";
import { queueStore, type QueueStore } from "./store.ts";

interface Tokens {
  readonly ack_token?: ReceiptFields | undefined;
  readonly ack_tokens?: readonly ReceiptFields[] | undefined;
}

/** In the words of a reply. */
interface Words<Done extends string> {
  readonly done: Done;
  readonly dead: Done;
}

/** What became of one of several: its end, or why its queue could not be asked. */
type End = SettlementEnd | Exclude<QueueFailure, "aborted" | "limit">;

/** The operations that say what became of a delivery. */
export function settlementOperations(register: Register, tools: HandlerTools): void {
  const store = queueStore(tools);

  register(ackMessages, (input, context) =>
    settle(store, input, { type: "ack" }, { done: "acknowledged", dead: "acknowledged" } as const, context),
  );
  register(nackMessages, async ({ unstarted, delay, ...tokens }, context) => {
    if (unstarted) return giveBack(store, tokens);
    const settlement = { type: "nack", delayMs: delay } as const;
    return settle(store, tokens, settlement, { done: "returned", dead: "dead_lettered" } as const, context);
  });
  register(extendMessages, (input, context) =>
    settle(
      store,
      input,
      { type: "extend", visibilityMs: input.visibility },
      { done: "extended", dead: "extended" } as const,
      context,
    ),
  );
}

/** What is not out any more is back already. */
async function giveBack(store: QueueStore, { ack_token: one, ack_tokens: several }: Tokens) {
  const receipts = several ?? (one === undefined ? [] : [one]);
  await store.backend.giveBack(receipts);
  const status = "returned" as const;
  if (one !== undefined) return { status, queue: one.queue, ...store.confirmed() };
  return { status, ...store.confirmed(), results: receipts.map(() => status) };
}

async function settle<Done extends string>(
  store: QueueStore,
  { ack_token: one, ack_tokens: several }: Tokens,
  settlement: Settlement,
  words: Words<Done>,
  context: RunContext,
) {
  if (several === undefined) {
    assert(one !== undefined, "the schema wants one or several");
    const [end] = await settleQueue(store.backend, one.queue, [one], settlement, context);
    if (end === "stale_attempt" || end === "unknown_receipt") throw new ApiError(end);
    return { status: end === "dead" ? words.dead : words.done, queue: one.queue, ...store.confirmed() };
  }
  const ends = await settleAll(store.backend, several, settlement, context);
  const results = ends.map((end) => (end === "done" ? words.done : end === "dead" ? words.dead : end));
  const isWhole = ends.every((end) => end === "done" || end === "dead");
  return { status: isWhole ? words.done : ("partial" as const), ...store.confirmed(), results };
}

/** Each queue by itself, all at once: one that cannot be asked takes nothing from the others. */
async function settleAll(
  backend: QueueBackend,
  receipts: readonly ReceiptFields[],
  settlement: Settlement,
  context: RunContext,
): Promise<End[]> {
  const places = new Map<string, number[]>();
  for (const [place, { queue }] of receipts.entries()) {
    const found = places.get(queue);
    if (found === undefined) places.set(queue, [place]);
    else found.push(place);
  }
  const [queue] = places.keys();
  if (places.size === 1 && queue !== undefined) {
    return [...(await settleQueue(backend, queue, receipts, settlement, context))];
  }
  const ends = new Array<End>(receipts.length);
  const asked = [...places].map(async ([name, own]) => {
    const theirs = own.flatMap((place) => receipts[place] ?? []);
    // Without the client's key, which stands for one request and not for several. Settled again, each is stale.
    const got = await settleQueue(backend, name, theirs, settlement, {}).catch(failureOf);
    for (const [index, place] of own.entries()) {
      const end = typeof got === "string" ? got : got[index];
      assert(end !== undefined, "there is an end for each receipt");
      ends[place] = end;
    }
  });
  await Promise.all(asked);
  return ends;
}

function failureOf(error: unknown): End {
  if (!(error instanceof QueueError)) throw error;
  // Never refused for load, and no client's signal goes with it: neither is expected, and neither says that nothing happened.
  return error.code === "aborted" || error.code === "limit" ? "outcome_unknown" : error.code;
}

/** No signal goes with it: what a client says of a delivery holds, whether it waits for the reply or not. */
function settleQueue(
  backend: QueueBackend,
  queue: string,
  receipts: readonly ReceiptFields[],
  settlement: Settlement,
  { idempotencyKey }: RunContext,
): Promise<readonly SettlementEnd[]> {
  return backend.settle(queue, receipts, settlement, { idempotencyKey });
}
