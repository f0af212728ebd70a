import type { Queue } from "./queue.ts";
import { allowedAtMs } from "./rate-limit.ts";
import { available, fill } from "./receive.ts";
import type { QueueState } from "./state.ts";

/** Pages that one entry makes, at most: a few ms of work. */
const MAX_PAGES = 8;

/** What follows from an entry for the queues that it changed: once for each, however much was changed. */
export function attend(state: QueueState): void {
  for (const queue of state.touched) {
    fill(state, queue);
    cool(state, queue);
    setTimer(state, queue);
    state.queues.mind(queue);
  }
  state.touched.clear();
}

/** Where there are too many records, those of this queue that nobody will want soon are put into pages. */
function cool(state: QueueState, queue: Queue): void {
  const { maxHotMessages, maxHotBytes, pageMessages, pageBytes } = state.limits;
  const lists = [...queue.ready.lanes.map((lane) => lane?.fresh), queue.dead];
  let pages = 0;
  for (const list of lists) {
    while (list !== undefined && (state.hotMessages > maxHotMessages || state.hotBytes > maxHotBytes)) {
      if (pages >= MAX_PAGES || !list.pageOut(pageMessages, pageBytes)) break;
      pages += 1;
    }
  }
}

function setTimer(state: QueueState, queue: Queue): void {
  const delayedMs = queue.delayed.peek()?.deadlineMs ?? Number.POSITIVE_INFINITY;
  const expiryMs = queue.expiries.peek()?.message.expiresAtMs ?? Number.POSITIVE_INFINITY;
  const dueMs = Math.min(delayedMs, expiryMs, allowedMs(state, queue));
  if (dueMs === Number.POSITIVE_INFINITY) state.deadlines.cancel(queue);
  else state.deadlines.schedule(queue, dueMs);
}

/** When the rate limit lets somebody have what waits for him; infinite when it is not the rate limit that he waits for. */
function allowedMs(state: QueueState, queue: Queue): number {
  if (queue.receivers.size === 0 || queue.paused || queue.ready.size === 0) return Number.POSITIVE_INFINITY;
  if (queue.settings.rateLimit === 0 || available(state, queue) > 0) return Number.POSITIVE_INFINITY;
  const atMs = allowedAtMs(queue, state.nowMs);
  return atMs > state.nowMs ? atMs : Number.POSITIVE_INFINITY;
}
