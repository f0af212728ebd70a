import { StartError } from "../../kernel/start-error.ts";
import { limits } from "../../kernel/limits.ts";
import { PEER_PORT_OFFSET } from "../configuration/members.ts";
import { kebabCase, type Settings } from "../configuration/settings.ts";
import { logFormats, logLevels, type LogFormat } from "../log.ts";

/** What `up` starts. */
export interface ClusterPlan {
  readonly nodes: readonly NodePlan[];
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

/** @throws {StartError} */
export function planCluster(settings: Settings): ClusterPlan {
  const count = settings.integer("nodes", { minimum: 1, maximum: limits.maxNodes, default: 3 });
  const firstPort = settings.integer("port", { minimum: 1, maximum: 65_535, default: 8001 });
  const lastPort = 65_535 - PEER_PORT_OFFSET - count + 1;
  if (firstPort > lastPort) {
    throw new StartError(
      `--port ${firstPort} leaves no room for ${count} nodes and their peer ports: choose ${lastPort} or less.`,
    );
  }
  const dataDirectory = settings.find("data")?.text ?? ".mufakat";
  const logFormat = settings.choice("logFormat", logFormats) ?? "text";
  const shared = [...sharedInputs(settings), "--log-format", logFormat];
  const ids = Array.from({ length: count }, (_, index) => `node${index + 1}`);
  const peers = ids.map((id, index) => `${id}=127.0.0.1:${firstPort + PEER_PORT_OFFSET + index}`).join(",");
  const nodes = ids.map((id, index): NodePlan => {
    const port = firstPort + index;
    const peerPort = port + PEER_PORT_OFFSET;
    const own = ["--id", id, "--listen", `127.0.0.1:${port}`, "--peer-listen", `127.0.0.1:${peerPort}`];
    const place = ["--peers", peers, "--data", `${dataDirectory}/${id}`];
    return { id, port, peerPort, inputs: ["serve", "--supervised", ...own, ...place, ...shared] };
  });
  return { nodes, dataDirectory, logFormat };
}

/** Settings that all nodes have alike, handed through as they were written: each node checks them itself. */
function sharedInputs(settings: Settings): string[] {
  const level = settings.choice("logLevel", logLevels);
  const inputs = level === undefined ? [] : ["--log-level", level];
  for (const flag of ["cluster", "heartbeatMs", "electionTimeoutMs"]) {
    const setting = settings.find(flag);
    if (setting !== undefined) inputs.push(`--${kebabCase(flag)}`, setting.text);
  }
  return inputs;
}
