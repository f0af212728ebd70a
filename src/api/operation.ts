import type { z } from "zod";
import type { ErrorCode } from "./errors.ts";

/**
 * One thing that can be asked of a node, defined once: the HTTP route, the session frame, the SDK, the CLI and the
 * OpenAPI page all come from it. `input` takes wire names and strings or JSON values; what it gives has its durations
 * in integer ms.
 */
export interface Operation<Input extends z.ZodType = z.ZodType, Output extends z.ZodType = z.ZodType> {
  /** `subsystem.verb` */
  readonly name: string;
  readonly summary: string;
  readonly input: Input;
  readonly output: Output;
  /** Those of its own; `bad_request`, `too_large`, `limit`, `internal` can end every operation. */
  readonly errors: readonly ErrorCode[];
}

/** What a handler is given. */
export type OperationInput<O extends Operation> = z.output<O["input"]>;
/** What a handler returns, and the body of the reply. */
export type OperationOutput<O extends Operation> = z.input<O["output"]>;

/** Defines an operation; only there for its types. */
export function operation<Input extends z.ZodType, Output extends z.ZodType>(
  definition: Operation<Input, Output>,
): Operation<Input, Output> {
  return definition;
}
