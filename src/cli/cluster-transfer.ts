import { buildCommand } from "@stricli/core";
import { transferLeadership } from "../api/cluster.ts";
import { askNode } from "./ask-node.ts";
import type { CliContext } from "./context.ts";
import { jsonFlag, jsonText } from "./json-flag.ts";
import { nodeUrl } from "./node-url.ts";
import { urlFlag } from "./url-flag.ts";

interface TransferFlags {
  readonly url?: string;
  readonly json: boolean;
}

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
    const target = `/cluster/transfer${query}`;
    const transferred = await askNode(url, transferLeadership, { method: "POST", target });
    const { status, leader, term } = transferred;
    const text = status === "unchanged" ? `${leader} leads already` : `${leader} leads now, in term ${term}`;
    this.process.stdout.write(flags.json ? jsonText(transferred) : `${text}\n`);
  },
});
