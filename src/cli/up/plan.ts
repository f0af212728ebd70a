import { StartError } from "../../kernel/start-error.ts";
import { PEER_PORT_OFFSET } from "../configuration/members.ts";
import { type clusterSettings, kebabCase } from "../configuration/definitions.ts";
import type { Settings } from "../configuration/settings.ts";
import type { SurveyedData } from "../../server/data-survey.ts";
import type { LogFormat } from "../log.ts";
import { nodeStarts, type NodeStart } from "./starts.ts";

type ClusterSettings = Settings<typeof clusterSettings>;

/** What `up` starts. */
export interface ClusterPlan {
  readonly nodes: readonly NodePlan[];
  /** No node has data yet. */
  readonly isNew: boolean;
  readonly dataDirectory: string;
  readonly logFormat: LogFormat;
}

export interface NodePlan {
  readonly id: string;
  readonly port: number;
  readonly peerPort: number;
  /** The command line behind the program's own name. */
  readonly inputs: readonly string[];
}

/**
 * @param survey what is in a node's data directory
 * @throws {StartError}
 */
export function planCluster(
  settings: ClusterSettings,
  survey: (dataDirectory: string) => SurveyedData | undefined,
): ClusterPlan {
  const count = settings.integer("nodes");
  const firstPort = settings.integer("port");
  const lastPort = 65_535 - PEER_PORT_OFFSET - count + 1;
  if (firstPort > lastPort) {
    throw new StartError(
      `${settings.source("port")} ${firstPort} leaves no room for ${count} nodes and their peer ports: choose ${lastPort} or less.`,
    );
  }
  const dataDirectory = settings.find("data")?.text ?? ".mufakat";
  const logFormat = settings.choice("logFormat") ?? "text";
  const shared = [...sharedInputs(settings), "--log-format", logFormat];
  const ids = Array.from({ length: count }, (_, index) => `node${index + 1}`);
  const portOf = (id: string): number => firstPort + ids.indexOf(id);
  const data = new Map(ids.map((id) => [id, survey(`${dataDirectory}/${id}`)]));
  const starts = nodeStarts(data);
  const nodes = ids.map((id, index): NodePlan => {
    const port = firstPort + index;
    const peerPort = port + PEER_PORT_OFFSET;
    const own = ["--id", id, "--listen", `127.0.0.1:${port}`, "--peer-listen", `127.0.0.1:${peerPort}`];
    const place = ["--data", `${dataDirectory}/${id}`, ...placeInputs(starts(id), portOf)];
    return { id, port, peerPort, inputs: ["serve", "--supervised", ...own, ...place, ...shared] };
  });
  return { nodes, isNew: [...data.values()].every((each) => each === undefined), dataDirectory, logFormat };
}

function placeInputs(start: NodeStart, portOf: (id: string) => number): string[] {
  if (start.type === "join") return ["--join", `http://127.0.0.1:${portOf(start.through)}`];
  const named = start.type === "found" ? start.founders : start.nodes;
  return ["--peers", named.map((id) => `${id}=127.0.0.1:${portOf(id) + PEER_PORT_OFFSET}`).join(",")];
}

/** Settings that all nodes have alike, handed through as they were written: each node checks them itself. */
function sharedInputs(settings: ClusterSettings): string[] {
  const level = settings.choice("logLevel");
  const inputs = level === undefined ? [] : ["--log-level", level];
  for (const flag of ["cluster", "heartbeatMs", "electionTimeoutMs"] as const) {
    const setting = settings.find(flag);
    if (setting !== undefined) inputs.push(`--${kebabCase(flag)}`, setting.text);
  }
  return inputs;
}
