import { JsonText } from "../../../api/json-text.ts";
import { browseMessages, deadMessages, listQueues, queueStatistics } from "../../../api/queues/views.ts";
import type { BrowseRequest } from "../../../engine/queue-backend.ts";
import { limits } from "../../../kernel/limits.ts";
import type { MessageView, QueueStatistics } from "../../../queue/types.ts";
import type { HandlerTools, Register, RunContext } from "../../run.ts";
import { queueStore, type QueueStore } from "./store.ts";

/** The operations that look at queues and change nothing. */
export function queueViewOperations(register: Register, tools: HandlerTools): void {
  const store = queueStore(tools);

  register(queueStatistics, async ({ queue }, { signal }) => ({
    ...figures(await store.backend.statistics(queue, { signal })),
    ...store.confirmed(),
  }));

  register(listQueues, async ({ prefix, after, limit }, { signal }) => {
    // One more than asked for tells whether there is a next page.
    const found = await store.backend.list({ prefix, after, limit: limit + 1 }, { signal });
    const shown = found.slice(0, limit);
    const last = found.length > limit ? shown.at(-1) : undefined;
    return {
      queues: shown.map(figures),
      ...(last === undefined ? {} : { next: last.queue }),
      ...store.confirmed(),
    };
  });

  register(browseMessages, ({ queue, ...page }, context) => browse(store, queue, request(page.state, page), context));
  register(deadMessages, ({ queue, ...page }, context) => browse(store, queue, request("dead", page), context));
}

function request(state: BrowseRequest["state"], page: { after?: string | undefined; limit: number }): BrowseRequest {
  return { state, after: page.after, limit: page.limit };
}

async function browse(store: QueueStore, queue: string, asked: BrowseRequest, { signal }: RunContext) {
  const { state, limit } = asked;
  const found = await store.backend.browse(queue, { ...asked, limit: limit + 1 }, { signal });
  const shown = withinBytes(found.slice(0, limit));
  const last = found.length > shown.length ? shown.at(-1) : undefined;
  return {
    ...{ queue, ...store.confirmed(), state },
    messages: shown.map(messageOutput),
    ...(last === undefined ? {} : { next: last.id }),
  };
}

/** At least one, and no further one once there are so many bytes: a page of the largest messages would be a gigabyte. */
function withinBytes(views: readonly MessageView[]): readonly MessageView[] {
  let bytes = 0;
  const end = views.findIndex(({ body }) => {
    const isFull = bytes >= limits.maxReceiveBytes;
    bytes += body.length;
    return isFull;
  });
  return end === -1 ? views : views.slice(0, end);
}

function messageOutput(view: MessageView) {
  const { id, body, attempt, failures, priority, groupKey, publishedAtMs, dueInMs, deadReason } = view;
  return {
    ...{ id, data: new JsonText(body), attempt, failures, priority },
    ...(groupKey === undefined ? {} : { group: groupKey }),
    published_at_ms: publishedAtMs,
    due_in_ms: dueInMs,
    ...(deadReason === undefined ? {} : { dead_reason: deadReason }),
  };
}

function figures(of: QueueStatistics) {
  const { queue, paused, ready, delayed, dead, bytes, receivers } = of;
  const { published, duplicates, delivered, acked, nacked, returned, redriven, purged } = of;
  return {
    ...{ queue, paused, ready, delayed },
    in_flight: of.inFlight,
    ...{ dead, bytes, receivers },
    oldest_ready_ms: of.oldestReadyMs ?? null,
    ...{ published, duplicates, delivered, acked, nacked },
    timed_out: of.timedOut,
    returned,
    dead_lettered: of.deadLettered,
    ...{ redriven, purged },
  };
}
