import { buildCommand } from "@stricli/core";
import { addNode } from "../api/members.ts";
import { askNode } from "./ask-node.ts";
import type { CliContext } from "./context.ts";
import { jsonFlag, jsonText } from "./json-flag.ts";
import { nodeUrl } from "./node-url.ts";
import { textFlag } from "./text-flag.ts";
import { urlFlag } from "./url-flag.ts";

interface ReplaceFlags {
  readonly url?: string;
  readonly at?: string;
  readonly json: boolean;
}

export const clusterReplaceCommand = buildCommand<ReplaceFlags, [node: string], CliContext>({
  docs: {
    brief: "Give up a node's data, and let it join anew",
    fullDescription:
      "For a node whose data directory is lost, wiped or damaged for good. Its replica is removed; then a new one is added,\n" +
      "which the node takes that is started with --join and an empty --data. What the old data directory held is given up:\n" +
      "a majority of the others has all that was acknowledged.\n\n" +
      "Exit codes: 0 it may join anew, 1 it may not, 69 the node that was asked does not answer.",
  },
  parameters: {
    positional: { kind: "tuple", parameters: [{ brief: "Node that is replaced", placeholder: "NODE", parse: String }] },
    flags: {
      url: urlFlag,
      at: textFlag("Where the other nodes reach it from now on (default: as before)", "HOST:PEERPORT"),
      json: jsonFlag(),
    },
  },
  async func(flags, node) {
    const url = nodeUrl(flags.url, this.environment);
    const query = new URLSearchParams({ node_id: node, replace: "true" });
    if (flags.at !== undefined) query.set("peer_address", flags.at);
    const replaced = await askNode(url, addNode, { method: "POST", target: `/cluster/nodes?${query.toString()}` });
    const { node_id: id, replica } = replaced;
    const text = `${id} may join anew as replica ${replica}: start it with --join ${url} and an empty --data`;
    this.process.stdout.write(flags.json ? jsonText(replaced) : `${text}\n`);
  },
});
