import type { NewMessage } from "../../../queue/types.ts";
import { ApiError } from "../../../api/errors.ts";
import { type Durability, type QueueBackend, QueueError } from "../../../engine/queue-backend.ts";
import type { HandlerTools } from "../../run.ts";

/** The queues as handlers reach them: with every refusal in the API's words. */
export interface QueueStore {
  /** @throws {ApiError} */
  readonly backend: QueueBackend;
  /** Of every reply. */
  confirmed(): { readonly node: string; readonly durability: Durability };
}

export function queueStore({ queues, group }: HandlerTools): QueueStore {
  const required = (): QueueBackend => {
    if (queues !== undefined) return queues;
    throw new ApiError("store_unavailable", {
      message: "This cluster began without queues, in an earlier release: begin a new one for them.",
    });
  };
  return {
    get backend() {
      return required();
    },
    confirmed: () => ({ node: group.nodeId, durability: required().durability }),
  };
}

/** What a client is told when there is no result; any other error as it is. */
export function queueApiError(error: unknown): unknown {
  if (!(error instanceof QueueError)) return error;
  const { code, message } = error;
  // Nobody reads the reply to an aborted request.
  if (code === "aborted") return new ApiError("outcome_unknown");
  // Backends write sentences for people where they know more than the code says.
  return new ApiError(code, message === code ? {} : { message });
}

/** A publish is the one change that a repetition would double: what makes it safe is said with the error. */
export function publishError(
  error: unknown,
  messages: readonly NewMessage[],
  idempotencyKey: string | undefined,
): unknown {
  if (!(error instanceof QueueError) || error.code !== "outcome_unknown") return error;
  const isNamed = messages.every(({ dedupeId }) => dedupeId !== undefined);
  const unseen = "The end of the publish was not seen in time: it may have taken effect, or may yet.";
  const cure = isNamed
    ? "Ask again with the same dedupe_id: the message is there once."
    : "Asked again it may be there twice: with a dedupe_id a retry is safe.";
  const keyed = idempotencyKey === undefined ? cure : "Ask again with the same Idempotency-Key or dedupe_id.";
  return new ApiError("outcome_unknown", {
    message: `${unseen} ${isNamed ? cure : keyed}`,
    details: { safe_to_retry: isNamed },
  });
}
