import type { KnownLeader } from "./leader.ts";
import type { ClusterPlan } from "./plan.ts";

/** What a person sees once the cluster can be used: where it is, what to try, how to stop it. */
export function greeting(plan: ClusterPlan, leader: KnownLeader, program: string): string {
  const { nodes } = plan;
  const ports = nodes.map((node) => node.port);
  const [first = 0, second = first, third = second] = ports;
  return [
    `mufakat is up: ${nodes.length} ${nodes.length === 1 ? "node" : "nodes"}, ${leader.id} leads in term ${leader.term}.`,
    "",
    ...nodes.map((node) => `  ${node.id}  http://127.0.0.1:${node.port}${node.id === leader.id ? "  leader" : ""}`),
    `  data   ${plan.dataDirectory}`,
    "",
    "Try, in another terminal:",
    `  curl -X POST 'localhost:${second}/lock/orders?lock_type=exclusive&owner=a&ttl=60'`,
    `  curl localhost:${third}/lock/orders`,
    `  curl -X DELETE 'localhost:${first}/lock/orders?owner=a'`,
    `  ${program} status${first === 8001 ? "" : ` --url http://127.0.0.1:${first}`}`,
    "",
    "Ctrl-C stops all nodes. What was acknowledged stays in the data directory.",
    "",
  ].join("\n");
}

/** The same for a program: one line, so that it can be waited for. */
export function readyLine({ nodes, dataDirectory }: ClusterPlan, leader: KnownLeader): string {
  const shown = nodes.map(({ id, port }) => ({ node_id: id, url: `http://127.0.0.1:${port}` }));
  return `${JSON.stringify({ leader: leader.id, term: leader.term, data: dataDirectory, nodes: shown })}\n`;
}
