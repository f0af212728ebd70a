import type { z } from "zod";
import type { Operation } from "../api/operation.ts";
import { type ClientCall, type ClusterClient, errorMessage, Unreachable } from "./cluster-client.ts";
import type { CliContext } from "./context.ts";
import { exitCode } from "./exit-code.ts";

/** A refusal, or no answer: one sentence and the code to exit with. */
export class NoAnswer extends Error {
  override name = "NoAnswer";

  constructor(
    message: string,
    readonly exitCode: number,
  ) {
    super(message);
  }
}

const ATTEMPT_MS = 10_000;
const PATIENCE_MS = 2_000;

/**
 * Asks a cluster for one operation.
 *
 * @throws {NoAnswer}
 */
export async function ask<Output extends z.ZodType>(
  client: ClusterClient,
  operation: Operation<z.ZodType, Output>,
  request: Pick<ClientCall, "method" | "idempotencyKey"> & { readonly target: string },
): Promise<z.output<Output>> {
  const { method, target, idempotencyKey } = request;
  try {
    const answer = await client.call({
      method,
      target: () => target,
      attemptMs: ATTEMPT_MS,
      untilMs: performance.now() + PATIENCE_MS,
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    });
    if (answer.status !== 200) throw new NoAnswer(errorMessage(answer), exitCode.failure);
    const parsed = operation.output.safeParse(answer.body);
    if (parsed.success) return parsed.data;
    throw new NoAnswer("the node answers, but not as one of this version does.", exitCode.unreachable);
  } catch (error) {
    throw error instanceof Unreachable ? new NoAnswer(error.message, exitCode.unreachable) : error;
  }
}

/** Runs the body of a command; a {@link NoAnswer} becomes its sentence and exit code. */
export async function answering(context: CliContext, body: () => Promise<void>): Promise<void> {
  try {
    await body();
    context.process.exitCode = exitCode.ok;
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    context.process.stderr.write(`mufakat: ${error.message}\n`);
    context.process.exitCode = error.exitCode;
  }
}
