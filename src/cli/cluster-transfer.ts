import { buildCommand } from "@stricli/core";
import { z } from "zod";
import { transferLeadership } from "../api/cluster.ts";
import type { CliContext } from "./context.ts";
import { exitCode } from "./exit-code.ts";
import { type HttpAnswer, httpRequest } from "./http-request.ts";
import { nodeUrl } from "./node-url.ts";
import { textFlag } from "./text-flag.ts";

interface TransferFlags {
  readonly url?: string;
  readonly json: boolean;
}

/** Longer than the node itself waits for an end. */
const TIMEOUT_MS = 10_000;
const Refusal = z.object({ detail: z.string() });

export const clusterTransferCommand = buildCommand<TransferFlags, [node?: string], CliContext>({
  docs: {
    brief: "Hand leadership over to another node",
    fullDescription:
      "Any node may be asked. Without NODE leadership goes to the node that can take over soonest.\n" +
      "Requests that come meanwhile wait a few milliseconds; none fails.\n\n" +
      "Exit codes: 0 it leads, 1 it does not, 2 the node that was asked does not answer.",
  },
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ brief: "Node that is to lead", placeholder: "NODE", parse: String, optional: true }],
    },
    flags: {
      url: textFlag("Address of any node (default http://127.0.0.1:8001)", "URL"),
      json: { kind: "boolean", default: false, brief: "As JSON", withNegated: false },
    },
  },
  async func(flags, node) {
    const url = nodeUrl(flags.url, this.environment);
    const query = node === undefined ? "" : `?to=${encodeURIComponent(node)}`;
    let answer: HttpAnswer;
    try {
      answer = await httpRequest("POST", `${url}/cluster/transfer${query}`, { timeoutMs: TIMEOUT_MS });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.process.stderr.write(`mufakat: ${url} does not answer: ${why}.\n`);
      this.process.exitCode = exitCode.unreachable;
      return;
    }
    const parsed = transferLeadership.output.safeParse(answer.status === 200 ? answer.body : undefined);
    if (parsed.success) {
      const { status, leader, term } = parsed.data;
      const text = status === "unchanged" ? `${leader} leads already` : `${leader} leads now, in term ${term}`;
      this.process.stdout.write(flags.json ? `${JSON.stringify(parsed.data, null, 2)}\n` : `${text}\n`);
      return;
    }
    if (flags.json && answer.body !== undefined) this.process.stdout.write(`${JSON.stringify(answer.body, null, 2)}\n`);
    this.process.stderr.write(`mufakat: ${refusal(url, answer)}\n`);
    this.process.exitCode = exitCode.failure;
  },
});

function refusal(url: string, { status, body }: HttpAnswer): string {
  const parsed = Refusal.safeParse(body);
  return parsed.success ? parsed.data.detail : `${url} answered ${status}, but not as a node of this version does.`;
}
