import { buildCommand } from "@stricli/core";
import Table from "cli-table3";
import { askCluster, clientAddress, type ClusterStatus } from "./ask-cluster.ts";
import { CliError } from "./cli-error.ts";
import { formatHostPort } from "../kernel/addresses.ts";
import { type CliContext, usesColour } from "./context.ts";
import { exitCode } from "./exit-code.ts";
import { jsonFlag, jsonText } from "./json-flag.ts";
import { nodeUrl } from "./node-url.ts";
import { type ShardRow, shardsOf, shardText } from "./status/shards.ts";
import { urlFlag } from "./url-flag.ts";

interface StatusFlags {
  readonly url?: string;
  readonly json: boolean;
}

/** A row of the table. Null: the node did not answer. */
interface NodeRow {
  readonly node_id: string;
  readonly address: string;
  readonly peer_address: string;
  /** `learner`: it gets the log and does not vote yet. `leaving`: its removal is not agreed upon yet. */
  readonly membership: "voter" | "learner" | "leaving";
  readonly reachable: boolean;
  readonly role: string | null;
  readonly term: number | null;
  readonly commit_index: number | null;
  readonly applied_index: number | null;
  /** `ok`, or `full`: then the node writes no new locks. */
  readonly disk: string | null;
  readonly version: string | null;
  /** The others are giving it back what its damaged log lost. */
  readonly repairing: boolean;
  readonly damaged_snapshots: number;
  /** Why the node serves nothing, if it does not. */
  readonly stopped: string | null;
}

const TIMEOUT_MS = 2_000;

export const statusCommand = buildCommand<StatusFlags, [], CliContext>({
  docs: {
    brief: "Show the nodes of a cluster",
    fullDescription:
      "Asks one node for the members and each member for its state.\n\n" +
      "A node whose client address is not known yet is asked on its peer port less 1000, where clients are by default.\n\n" +
      "Exit codes: 0 there is a leader and a node that serves, 1 there is none, 69 the node does not answer.",
  },
  parameters: {
    flags: {
      url: urlFlag,
      json: jsonFlag(),
    },
  },
  async func(flags) {
    const url = nodeUrl(flags.url, this.environment);
    const asked = await askCluster(url, TIMEOUT_MS);
    if (typeof asked === "string") throw new CliError("unreachable", `${url} ${asked}`);
    const leader = asked.groups[0]?.leader ?? null;
    const answers = await Promise.all(asked.members.map((member) => askMember(member, asked, url)));
    const nodes = answers.map(({ row: each }) => each);
    const shards = shardsOf(answers.map(({ status }) => status));
    const colour = usesColour(this.process.stdout, this.environment);
    this.process.stdout.write(
      flags.json
        ? statusJson(asked, leader, nodes, shards)
        : statusText(asked, leader, nodes, colour) + shards.map(shardText).join(""),
    );
    const isServed = leader !== null && nodes.some((node) => node.reachable && node.stopped === null);
    this.process.exitCode = isServed ? exitCode.ok : exitCode.failure;
  },
});

/** What is known of a node, and what it says itself. */
interface Answer {
  readonly row: NodeRow;
  readonly status: ClusterStatus | undefined;
}

async function askMember(member: ClusterStatus["members"][number], asked: ClusterStatus, url: string): Promise<Answer> {
  if (member.node_id === asked.node_id) return { row: row(member, new URL(url).host, asked), status: asked };
  const guess = clientAddress(member);
  const address = guess === undefined ? "unknown" : formatHostPort(guess);
  const answer = guess === undefined ? "has no known address." : await askCluster(`http://${address}`, TIMEOUT_MS);
  // Another cluster's node may sit on the port that ours would have by default.
  const ours =
    typeof answer !== "string" && answer.node_id === member.node_id && answer.cluster_id === asked.cluster_id;
  const status = ours ? answer : undefined;
  return { row: row(member, address, status), status };
}

function row(
  { node_id: nodeId, peer_address, role: membership }: ClusterStatus["members"][number],
  address: string,
  status: ClusterStatus | undefined,
): NodeRow {
  const group = status?.groups[0];
  return {
    node_id: nodeId,
    address,
    peer_address,
    membership,
    reachable: status !== undefined,
    role: group?.role ?? null,
    term: group?.term ?? null,
    commit_index: group?.commit_index ?? null,
    applied_index: group?.applied_index ?? null,
    disk: status?.members.find((member) => member.node_id === nodeId)?.disk ?? null,
    version: status?.version ?? null,
    repairing: group?.repair !== undefined,
    damaged_snapshots: group?.damaged_snapshots ?? 0,
    stopped: group?.stopped?.message ?? null,
  };
}

function statusJson(
  { cluster_name, cluster_id }: ClusterStatus,
  leader: string | null,
  nodes: readonly NodeRow[],
  shards: readonly ShardRow[],
): string {
  return jsonText({ cluster_name, cluster_id, leader, nodes, ...(shards.length > 0 && { shards }) });
}

function statusText(asked: ClusterStatus, leader: string | null, nodes: readonly NodeRow[], colour: boolean): string {
  const table = new Table({
    head: ["node", "clients", "peers", "role", "term", "commit", "applied", "disk", "version"],
    style: colour ? { head: ["cyan"], compact: true } : { head: [], border: [], compact: true },
  });
  for (const node of nodes) {
    const cells = node.reachable
      ? [state(node), node.term, node.commit_index, node.applied_index, node.disk]
      : ["unreachable", "", "", "", ""];
    table.push([
      node.node_id,
      node.address,
      node.peer_address,
      ...cells.map((cell) => String(cell ?? "")),
      node.version ?? "",
    ]);
  }
  const up = nodes.filter((node) => node.reachable).length;
  const stopped = nodes.filter((node) => node.stopped !== null);
  const cause = stopped.length > 0 ? "nodes have stopped" : "an election is under way, or too few nodes are up";
  const repairing = nodes.filter((node) => node.repairing).map(({ node_id: id }) => id);
  const led = leader === null ? `no leader: ${cause}` : `leader ${leader}`;
  const learners = nodes.filter((node) => node.membership === "learner").map((node) => node.node_id);
  const behind = learners.length === 0 ? "" : `catching up, and not voting yet: ${learners.join(", ")}\n`;
  const why = stopped.map((node) => `${node.node_id} has stopped: ${node.stopped}\n`).join("");
  const repair = repairing
    .map((id) => `${id} is being repaired: it gets back from the others what its damaged log lost\n`)
    .join("");
  const damaged = nodes
    .filter((node) => node.damaged_snapshots > 0)
    .map(
      ({ node_id: id }) => `${id} found a damaged snapshot on its disk, and makes new ones: its log names the file\n`,
    )
    .join("");
  return `${table.toString()}\ncluster ${asked.cluster_name}: ${up} of ${nodes.length} nodes answer, ${led}\n${behind}${repair}${damaged}${why}`;
}

function state({ role, membership, stopped, repairing }: NodeRow): string | null {
  if (stopped !== null) return "stopped";
  if (repairing) return "repairing";
  return membership === "voter" ? role : membership;
}
