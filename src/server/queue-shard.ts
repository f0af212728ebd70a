import { ApiError } from "../api/errors.ts";
import { shownName } from "../api/names.ts";
import { type QueueFailure, QueueError } from "../engine/queue-backend.ts";
import { assert } from "../kernel/assert.ts";
import type { QueueCommand, QueueRefusal, QueueResult } from "../queue/commands.ts";
import type { QueueMachine } from "../queue/queue-machine.ts";
import type { GroupId } from "../raft/types.ts";
import { GroupError, type SubmitOptions } from "./control-group.ts";
import type { GroupClient } from "./group-client.ts";

/** A shard of the queues as this node has it. */
export interface QueueShard {
  readonly group: GroupId;
  readonly client: Pick<GroupClient<QueueCommand, QueueResult>, "submit" | "readBarrier" | "close">;
  readonly machine: QueueMachine;
  /** Lease time now, as far as this node knows. */
  leaseTimeMs(): number;
}

/** @throws {QueueError} for whatever is not a result of the one kind that the command can come to */
export async function ask<T extends Exclude<QueueResult["type"], "error">>(
  { client }: QueueShard,
  command: QueueCommand,
  type: T,
  options?: SubmitOptions,
): Promise<Extract<QueueResult, { type: T }>> {
  const result = await client.submit(command, options).catch(rethrow);
  if (result.type === "error") throw refusal(result);
  assert(result.type === type, `the group answered ${result.type} where ${type} was due`);
  return result as Extract<QueueResult, { type: T }>;
}

/** What this node shows of the shard from now on covers everything that was acknowledged before. @throws {QueueError} */
export async function readBarrier({ client }: QueueShard): Promise<void> {
  await client.readBarrier().catch(rethrow);
}

function rethrow(error: unknown): never {
  if (error instanceof GroupError) throw new QueueError(error.code satisfies QueueFailure);
  throw error;
}

function refusal(error: QueueRefusal): QueueError | ApiError {
  switch (error.code) {
    case "limit":
      return new ApiError("limit", { details: { limit: error.limit } });
    case "idempotency_key_reused":
      return new ApiError("bad_request", {
        message: `Idempotency-Key: was used for another request before: choose a new one for each request.`,
        details: { header: "Idempotency-Key" },
      });
    // Its client went away, and nobody reads the reply.
    case "cancelled":
    case "stale_operation":
      return new QueueError("outcome_unknown", `the request was ended: ${shownName(error.code)}`);
  }
}
