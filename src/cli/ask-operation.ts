import type { z } from "zod";
import type { Operation } from "../api/operation.ts";
import { CliError } from "./cli-error.ts";
import {
  type ClientCall,
  type ClusterClient,
  errorCode,
  errorDetails,
  errorMessage,
  Unreachable,
} from "./cluster-client.ts";
import { exitCode } from "./exit-code.ts";

const ATTEMPT_MS = 10_000;
const PATIENCE_MS = 2_000;

export type Request = Pick<ClientCall, "method" | "idempotencyKey" | "body" | "signal"> & {
  readonly target: string;
  /** Beyond what every request may take: for those that wait. */
  readonly waitMs?: number;
};

/**
 * Asks a cluster for one operation.
 *
 * @throws {CliError} with the node's own code, or `unreachable`
 */
export async function ask<Output extends z.ZodType>(
  client: ClusterClient,
  operation: Operation<z.ZodType, Output>,
  request: Request,
): Promise<z.output<Output>> {
  return (await askForText(client, operation, request)).output;
}

/** The same, with the reply as it came. @throws {CliError} */
export async function askForText<Output extends z.ZodType>(
  client: ClusterClient,
  operation: Operation<z.ZodType, Output>,
  { target, waitMs = 0, ...request }: Request,
): Promise<{ readonly output: z.output<Output>; readonly text: string }> {
  try {
    const answer = await client.call({
      ...request,
      target: () => target,
      attemptMs: ATTEMPT_MS + waitMs,
      untilMs: performance.now() + PATIENCE_MS,
    });
    const code = errorCode(answer);
    if (code !== undefined) throw new CliError(code, errorMessage(answer), { details: errorDetails(answer) });
    const parsed = operation.output.safeParse(answer.status === 200 ? answer.body : undefined);
    if (parsed.success) return { output: parsed.data, text: answer.text ?? "" };
    throw new CliError("unreachable", `the node answered ${answer.status}, but not as one of this version does.`);
  } catch (error) {
    throw error instanceof Unreachable ? unreachable(error) : error;
  }
}

/** With the code of what the last node answered, if it answered. */
function unreachable({ message, lastCode }: Unreachable): CliError {
  return new CliError(lastCode ?? "unreachable", message, { exitCode: exitCode.unavailable });
}
