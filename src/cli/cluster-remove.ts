import { buildCommand } from "@stricli/core";
import { removeNode } from "../api/members.ts";
import { askNode } from "./ask-node.ts";
import type { CliContext } from "./context.ts";
import { jsonFlag, jsonText } from "./json-flag.ts";
import { nodeUrl } from "./node-url.ts";
import { urlFlag } from "./url-flag.ts";

interface RemoveFlags {
  readonly url?: string;
  readonly json: boolean;
}

export const clusterRemoveCommand = buildCommand<RemoveFlags, [node: string], CliContext>({
  docs: {
    brief: "Let a node leave the cluster",
    fullDescription:
      "Any node may be asked, also about itself. A leader hands over first. The node stops by itself when it hears of it, and\n" +
      "its data directory is of no more use.\n\n" +
      "Exit codes: 0 it is no member any more, 1 it still is, 69 the node that was asked does not answer.",
  },
  parameters: {
    positional: { kind: "tuple", parameters: [{ brief: "Node that leaves", placeholder: "NODE", parse: String }] },
    flags: { url: urlFlag, json: jsonFlag() },
  },
  async func(flags, node) {
    const url = nodeUrl(flags.url, this.environment);
    const target = `/cluster/nodes/${encodeURIComponent(node)}`;
    const removed = await askNode(url, removeNode, { method: "DELETE", target });
    this.process.stdout.write(flags.json ? jsonText(removed) : `${removed.node_id} is no member any more\n`);
  },
});
