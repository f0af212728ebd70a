import { buildCommand } from "@stricli/core";
import { transferLeadership } from "../api/cluster.ts";
import { CliError } from "./cli-error.ts";
import { errorCode, errorDetails, errorMessage } from "./cluster-client.ts";
import type { CliContext } from "./context.ts";
import { type HttpAnswer, httpRequest } from "./http-request.ts";
import { jsonFlag, jsonText } from "./json-flag.ts";
import { nodeUrl } from "./node-url.ts";
import { urlFlag } from "./url-flag.ts";

interface TransferFlags {
  readonly url?: string;
  readonly json: boolean;
}

/** Longer than the node itself waits for an end. */
const TIMEOUT_MS = 10_000;

export const clusterTransferCommand = buildCommand<TransferFlags, [node?: string], CliContext>({
  docs: {
    brief: "Hand leadership over to another node",
    fullDescription:
      "Any node may be asked. Without NODE leadership goes to the node that can take over soonest.\n" +
      "Requests that come meanwhile wait a few milliseconds; none fails.\n\n" +
      "Exit codes: 0 it leads, 1 it does not, 69 the node that was asked does not answer.",
  },
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ brief: "Node that is to lead", placeholder: "NODE", parse: String, optional: true }],
    },
    flags: {
      url: urlFlag,
      json: jsonFlag(),
    },
  },
  async func(flags, node) {
    const url = nodeUrl(flags.url, this.environment);
    const query = node === undefined ? "" : `?to=${encodeURIComponent(node)}`;
    const answer = await post(`${url}/cluster/transfer${query}`, url);
    const parsed = transferLeadership.output.safeParse(answer.status === 200 ? answer.body : undefined);
    if (!parsed.success) throw refusal(url, answer);
    const { status, leader, term } = parsed.data;
    const text = status === "unchanged" ? `${leader} leads already` : `${leader} leads now, in term ${term}`;
    this.process.stdout.write(flags.json ? jsonText(parsed.data) : `${text}\n`);
  },
});

async function post(target: string, url: string): Promise<HttpAnswer> {
  try {
    return await httpRequest("POST", target, { timeoutMs: TIMEOUT_MS });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError("unreachable", `${url} does not answer: ${why}.`);
  }
}

function refusal(url: string, answer: HttpAnswer): CliError {
  const code = errorCode(answer);
  if (code !== undefined) return new CliError(code, errorMessage(answer), { details: errorDetails(answer) });
  return new CliError("unreachable", `${url} answered ${answer.status}, but not as a node of this version does.`);
}
