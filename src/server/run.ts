import type { z } from "zod";
import type { Operation, OperationInput, OperationOutput } from "../api/operation.ts";
import { assert } from "../kernel/assert.ts";
import type { QueueBackend } from "../engine/queue-backend.ts";
import type { ControlGroup } from "./control-group.ts";
import { apiErrorOf } from "./group-errors.ts";
import { clusterOperations } from "./operations/cluster.ts";
import { fenceOperations } from "./operations/fences.ts";
import { memberOperations } from "./operations/members.ts";
import { lockOperations } from "./operations/locks.ts";
import { lockReadOperations } from "./operations/lock-reads.ts";
import { multiLockOperations } from "./operations/multi-locks.ts";
import { queueOperations } from "./operations/queues.ts";
import { queueApiError } from "./operations/queues/store.ts";
import { semaphoreOperations } from "./operations/semaphores.ts";
import { sessionOperations } from "./operations/sessions.ts";

/** What a door knows of a request beyond its input. May compute `signal` when it is asked for. */
export interface RunContext {
  readonly idempotencyKey?: string | undefined;
  /** Aborts when the client goes away. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Carries out an operation whose input has been validated by its schema.
 *
 * @throws {ApiError} every expected end that is not the success
 */
export type Run = <O extends Operation>(
  operation: O,
  input: OperationInput<O>,
  context: RunContext,
) => Promise<OperationOutput<O>>;

type Handler = (input: unknown, context: RunContext) => Promise<unknown>;

/** Collects handlers; each has the types of its own operation. */
export type Register = <Input extends z.ZodType, Output extends z.ZodType>(
  operation: Operation<Input, Output>,
  handler: (input: z.output<Input>, context: RunContext) => Promise<z.input<Output>>,
) => void;

/** What handlers need beside the group. */
export interface HandlerTools {
  readonly group: ControlGroup;
  /** Undefined: this node keeps none. */
  readonly queues?: QueueBackend | undefined;
  /** 128 random bits, URL-safe: from a cryptographic source. */
  readonly randomId: () => string;
  /** Nodes on other machines are refused: there is no TLS. */
  readonly loopbackOnly?: boolean;
}

/** @returns the one way in which every door (HTTP, later the session frames) reaches the node */
export function createRun(tools: HandlerTools): Run {
  const handlers = new Map<string, Handler>();
  const register: Register = (operation, handler) => {
    assert(!handlers.has(operation.name), `two handlers for ${operation.name}`);
    // Sound: `run` looks a handler up by the very operation that it was registered with.
    handlers.set(operation.name, handler as Handler);
  };
  lockOperations(register, tools);
  lockReadOperations(register, tools);
  multiLockOperations(register, tools);
  semaphoreOperations(register, tools);
  sessionOperations(register, tools);
  fenceOperations(register, tools);
  clusterOperations(register, tools);
  memberOperations(register, tools);
  queueOperations(register, tools);

  return async (operation, input, context) => {
    const handler = handlers.get(operation.name);
    assert(handler !== undefined, `no handler for ${operation.name}`);
    try {
      return (await handler(input, context)) as OperationOutput<typeof operation>;
    } catch (error) {
      throw queueApiError(apiErrorOf(error, tools.group));
    }
  };
}
