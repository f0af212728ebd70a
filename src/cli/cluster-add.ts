import { buildCommand } from "@stricli/core";
import { addNode } from "../api/members.ts";
import { askNode } from "./ask-node.ts";
import type { CliContext } from "./context.ts";
import { jsonFlag, jsonText } from "./json-flag.ts";
import { nodeUrl } from "./node-url.ts";
import { urlFlag } from "./url-flag.ts";

interface AddFlags {
  readonly url?: string;
  readonly json: boolean;
}

export const clusterAddCommand = buildCommand<AddFlags, [node: string, address: string], CliContext>({
  docs: {
    brief: "Let a node join the cluster",
    fullDescription:
      "Any node may be asked. The new one gets the log as a learner, and votes once it has caught up. It need not be added\n" +
      "like this: a node that is started with --join does so itself.\n\n" +
      "Exit codes: 0 it may join, 1 it may not, 69 the node that was asked does not answer.",
  },
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [
        { brief: "Name of the new node", placeholder: "NODE", parse: String },
        { brief: "Where the other nodes reach it", placeholder: "HOST:PEERPORT", parse: String },
      ],
    },
    flags: { url: urlFlag, json: jsonFlag() },
  },
  async func(flags, node, address) {
    const url = nodeUrl(flags.url, this.environment);
    const query = new URLSearchParams({ node_id: node, peer_address: address }).toString();
    const added = await askNode(url, addNode, { method: "POST", target: `/cluster/nodes?${query}` });
    const { status, node_id: id, replica } = added;
    const text =
      status === "unchanged"
        ? `${id} may join already, as replica ${replica}`
        : `${id} may join as replica ${replica}: start it with --join ${url} and an empty --data`;
    this.process.stdout.write(flags.json ? jsonText(added) : `${text}\n`);
  },
});
