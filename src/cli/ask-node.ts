import type { z } from "zod";
import type { Operation } from "../api/operation.ts";
import { type HttpAnswer, httpRequest } from "../server/http-request.ts";
import { CliError } from "./cli-error.ts";
import { errorCode, errorDetails, errorMessage } from "./cluster-client.ts";

/** Longer than the node itself waits for an end: two changes, one after the other. */
const TIMEOUT_MS = 20_000;

/**
 * Asks one node, once: for what changes the cluster, where a second try could find it changed already.
 *
 * @throws {CliError} with the node's own code, or `unreachable`
 */
export async function askNode<Output extends z.ZodType>(
  url: string,
  operation: Operation<z.ZodType, Output>,
  request: { readonly method: "POST" | "DELETE"; readonly target: string },
): Promise<z.output<Output>> {
  const answer = await send(url, request.method, request.target);
  const parsed = operation.output.safeParse(answer.status === 200 ? answer.body : undefined);
  if (parsed.success) return parsed.data;
  const code = errorCode(answer);
  if (code !== undefined) throw new CliError(code, errorMessage(answer), { details: errorDetails(answer) });
  throw new CliError("unreachable", `${url} answered ${answer.status}, but not as a node of this version does.`);
}

async function send(url: string, method: "POST" | "DELETE", target: string): Promise<HttpAnswer> {
  try {
    return await httpRequest(method, `${url}${target}`, { timeoutMs: TIMEOUT_MS });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError("unreachable", `${url} does not answer: ${why}.`);
  }
}
