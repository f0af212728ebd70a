import { buildCommand } from "@stricli/core";
import { clusterStatus } from "../api/cluster.ts";
import type { OperationOutput } from "../api/operation.ts";
import { shardOf } from "../ring/shard-of.ts";
import { ask } from "./ask-operation.ts";
import { CliError } from "./cli-error.ts";
import { ClusterClient } from "./cluster-client.ts";
import type { CliContext } from "./context.ts";
import { jsonFlag, jsonText } from "./json-flag.ts";
import { nodeUrls } from "./node-url.ts";
import { checkQueueName } from "./queue/queue-path.ts";
import { tableText } from "./table.ts";
import { urlsFlag } from "./url-flag.ts";

interface RingShowFlags {
  readonly url?: string;
  readonly json: boolean;
}

type Group = OperationOutput<typeof clusterStatus>["groups"][number];

export const ringShowCommand = buildCommand<RingShowFlags, [queue?: string], CliContext>({
  docs: {
    brief: "Show where queues live, and why",
    fullDescription:
      "Of each shard: who leads it, who should, its replicas, and what the ring says. With QUEUE: of the shard that the queue is in.\n" +
      "As the node knows it that answers: leadership moves to the preferred leader once that one has been there for 5 s.\n\n" +
      "Exit codes: 0 shown, 1 the cluster has no shards, 64 wrong command line, 69 no node answered.",
  },
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ brief: "Queue to look for", placeholder: "QUEUE", parse: String, optional: true }],
    },
    flags: {
      url: urlsFlag,
      json: jsonFlag(),
    },
  },
  async func(flags, queue) {
    if (queue !== undefined) checkQueueName(queue);
    const client = new ClusterClient(nodeUrls(flags.url, this.environment));
    const target = "/cluster?consistency=local";
    const { groups } = await ask(client, clusterStatus, { method: "GET", target });
    const all = groups.slice(1);
    if (all.length === 0) {
      throw new CliError("store_unavailable", "the cluster has no shards: an earlier release made it.");
    }
    const shard = queue === undefined ? undefined : 1 + shardOf(queue, all.length);
    const shown = shard === undefined ? all : all.filter(({ group }) => group === shard);
    if (flags.json) {
      this.process.stdout.write(jsonText({ ...(queue !== undefined && { queue }), shards: shown.map(shardView) }));
      return;
    }
    const head =
      shard === undefined ? "" : `${queue} is in shard ${shard} of ${all.length}, by the hash of its name\n\n`;
    const table = tableText(this, ["shard", "leader", "preferred", "replicas", "why"], shown.map(rowOf));
    this.process.stdout.write(`${head}${table}`);
  },
});

function shardView({ group, leader, term, voters = [], learners = [], preferred_leader, ring_order }: Group) {
  return { shard: group, leader, term, voters, learners, preferred_leader, ring_order };
}

function rowOf({
  group,
  leader,
  preferred_leader: preferred,
  voters = [],
  learners = [],
  ring_order,
}: Group): string[] {
  const replicas = [...voters, ...learners.map((node) => `${node} (learner)`)];
  return [String(group), leader ?? "none", preferred ?? "-", replicas.join(" "), whyText(preferred, ring_order ?? [])];
}

/** Those in front of it in the order of the ring lead as many others as they may. */
function whyText(preferred: string | undefined, order: readonly string[]): string {
  if (preferred === undefined) return "the node knows nothing of the cluster yet";
  const before = order.slice(0, order.indexOf(preferred));
  const first = `${preferred} is first in the ring`;
  return before.length === 0 ? first : `${first} after ${before.join(", ")}, with a full share of others`;
}
