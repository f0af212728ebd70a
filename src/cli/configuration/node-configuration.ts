import { StartError } from "../../kernel/start-error.ts";
import { limits } from "../../kernel/limits.ts";
import type { HostPort, NodeConfiguration } from "../../server/configuration.ts";
import type { Environment } from "../context.ts";
import { formatHostPort, isLoopback, isWildcard, parseHostPort, parsePort } from "./host-port.ts";
import { checkName, parseClientUrls, parsePeers, peerPortOf } from "./members.ts";
import { Settings, type Setting, variableName } from "./settings.ts";

/** The flags of `serve` that say what the node is. All optional: each has a variable and a default. */
export interface NodeFlags {
  readonly id?: string;
  readonly listen?: string;
  readonly peerListen?: string;
  readonly advertise?: string;
  readonly peers?: string;
  readonly cluster?: string;
  readonly data?: string;
  readonly insecure?: boolean;
  readonly heartbeatMs?: string;
  readonly electionTimeoutMs?: string;
}

export interface CheckedConfiguration {
  readonly configuration: NodeConfiguration;
  /** Sentences for the person: nothing that stops the node, each worth knowing. */
  readonly notices: readonly string[];
}

/** An election before the third missed heartbeat would be the network's jitter, not a dead leader. */
const MINIMUM_HEARTBEATS_PER_ELECTION = 3;

/**
 * Flags, then `MUFAKAT_…`, then the older system's variables, then defaults: checked, and made one.
 *
 * @throws {StartError} at the first value that cannot be, with one sentence that says what to change
 */
export function nodeConfiguration(flags: NodeFlags, environment: Environment): CheckedConfiguration {
  const settings = new Settings({ ...flags }, environment);
  const nodeId = readName(settings.find("id", "NODE_ID"), "node1");
  const clusterName = readName(settings.find("cluster"), "mufakat");
  const insecure = settings.switch("insecure");
  const listen = readListen(settings);
  const peerListenSetting = settings.find("peerListen");
  const peerListen = readPeerListen(peerListenSetting, listen);
  const members = readMembers(settings, nodeId, peerListen);
  checkMembers(members, nodeId, peerListen, peerListenSetting);
  if (!insecure) refuseBeyondLoopback(listen, peerListen, members);
  const data = settings.find("data")?.text ?? `.mufakat/${nodeId}`;
  if (data.includes("\0")) throw new StartError("--data must not hold a zero byte.");
  const configuration: NodeConfiguration = {
    nodeId,
    clusterName,
    listen,
    peerListen,
    advertise: readAdvertise(settings, listen, members.get(nodeId)),
    members,
    dataDirectory: data,
    insecure,
    ...readTimes(settings),
  };
  return { configuration, notices: notices(configuration, environment) };
}

/** Members that must agree before anything is acknowledged. */
export function quorum(nodes: number): number {
  return Math.floor(nodes / 2) + 1;
}

function readName(setting: Setting | undefined, fallback: string): string {
  return setting === undefined ? fallback : checkName(setting.text, setting.source);
}

function readListen(settings: Settings): HostPort {
  const setting = settings.find("listen", "PORT");
  if (setting === undefined) return { host: "127.0.0.1", port: 8001 };
  if (setting.source === "PORT") return { host: "127.0.0.1", port: parsePort(setting.text, setting.source) };
  return parseHostPort(setting.text, setting.source);
}

function readPeerListen(setting: Setting | undefined, listen: HostPort): HostPort {
  if (setting !== undefined) return parseHostPort(setting.text, setting.source);
  return { host: listen.host, port: peerPortOf(listen.port, "--listen") };
}

function readAdvertise(settings: Settings, listen: HostPort, self: HostPort | undefined): HostPort {
  const setting = settings.find("advertise");
  if (setting !== undefined) {
    const address = parseHostPort(setting.text, setting.source);
    if (!isWildcard(address.host)) return address;
    throw new StartError(`${setting.source} must be an address that others can dial, not ${setting.text}.`);
  }
  if (!isWildcard(listen.host)) return listen;
  return { host: self?.host ?? "127.0.0.1", port: listen.port };
}

function readMembers(settings: Settings, nodeId: string, peerListen: HostPort): Map<string, HostPort> {
  const setting = settings.find("peers", "ALL_NODES");
  if (setting === undefined) {
    const host = isWildcard(peerListen.host) ? "127.0.0.1" : peerListen.host;
    return new Map([[nodeId, { host, port: peerListen.port }]]);
  }
  const members = setting.source === "ALL_NODES" ? parseClientUrls(setting, nodeId) : parsePeers(setting);
  if (members.size > limits.maxNodes) {
    throw new StartError(`${setting.source} lists ${members.size} nodes: a cluster has at most ${limits.maxNodes}.`);
  }
  if (!members.has(nodeId)) {
    const ids = [...members.keys()].join(", ");
    throw new StartError(`${setting.source} does not list this node ${nodeId}: add it, or set --id to one of ${ids}.`);
  }
  return members;
}

/** A port that the others dial and this node does not listen on is a node that never joins. */
function checkMembers(
  members: ReadonlyMap<string, HostPort>,
  nodeId: string,
  peerListen: HostPort,
  peerListenSetting: Setting | undefined,
): void {
  const self = members.get(nodeId);
  if (self === undefined || self.port === peerListen.port || peerListenSetting !== undefined) return;
  throw new StartError(
    `--peers has ${nodeId} at ${formatHostPort(self)}, but it would listen for peers on ${formatHostPort(peerListen)}: ` +
      `give --peer-listen ${formatHostPort({ host: peerListen.host, port: self.port })}, or change --peers.`,
  );
}

function refuseBeyondLoopback(listen: HostPort, peerListen: HostPort, members: ReadonlyMap<string, HostPort>): void {
  const remedy = "use a loopback address, or add --insecure if the network is trusted: there is no TLS yet";
  if (!isLoopback(listen.host)) {
    throw new StartError(`--listen ${formatHostPort(listen)} is open to other machines: ${remedy}.`);
  }
  if (!isLoopback(peerListen.host)) {
    throw new StartError(`--peer-listen ${formatHostPort(peerListen)} is open to other machines: ${remedy}.`);
  }
  for (const [id, address] of members) {
    if (isLoopback(address.host)) continue;
    throw new StartError(`--peers has ${id} on another machine, ${formatHostPort(address)}: ${remedy}.`);
  }
}

function readTimes(settings: Settings): { heartbeatIntervalMs: number; electionTimeoutMs: number } {
  const heartbeatIntervalMs = settings.integer("heartbeatMs", { minimum: 5, maximum: 10_000, default: 50 });
  const electionTimeoutMs = settings.integer("electionTimeoutMs", { minimum: 15, maximum: 60_000, default: 300 });
  const minimum = heartbeatIntervalMs * MINIMUM_HEARTBEATS_PER_ELECTION;
  if (electionTimeoutMs >= minimum) return { heartbeatIntervalMs, electionTimeoutMs };
  throw new StartError(
    `--election-timeout-ms ${electionTimeoutMs} must be at least three heartbeats: ` +
      `set it to ${minimum} or more, or lower --heartbeat-ms ${heartbeatIntervalMs}.`,
  );
}

/** Variables that other parts of this program read. */
const OTHER_VARIABLES = [
  "MUFAKAT_URL",
  "MUFAKAT_LOG_FORMAT",
  "MUFAKAT_LOG_LEVEL",
  // What `lock run` gives its command, which may be a node.
  "MUFAKAT_LOCK",
  "MUFAKAT_FENCING_TOKEN",
  "MUFAKAT_LOCK_SESSION",
];

const NODE_FLAGS = [
  "id",
  "listen",
  "peerListen",
  "advertise",
  "peers",
  "cluster",
  "data",
  "insecure",
  "heartbeatMs",
  "electionTimeoutMs",
] as const satisfies readonly (keyof NodeFlags)[];

/** The variables that say what one node is: `up` keeps them from its children. */
export const nodeVariables: readonly string[] = [...NODE_FLAGS.map(variableName), "PORT", "NODE_ID", "ALL_NODES"];

function notices(configuration: NodeConfiguration, environment: Environment): string[] {
  const said: string[] = [];
  const nodes = configuration.members.size;
  if (nodes % 2 === 0) {
    said.push(`${nodes} nodes survive no more failures than ${nodes - 1} would: an odd number is better.`);
  }
  const self = configuration.members.get(configuration.nodeId);
  if (self !== undefined && !isLoopback(self.host) && isLoopback(configuration.peerListen.host)) {
    said.push(
      `Peers are told to dial ${formatHostPort(self)}, and this node listens for them on loopback: ` +
        `give --peer-listen 0.0.0.0:${self.port} unless something forwards that port.`,
    );
  }
  if (environment["REDIS_HOST"] !== undefined || environment["REDIS_PORT"] !== undefined) {
    said.push("REDIS_HOST and REDIS_PORT are accepted and have no meaning yet: nothing here uses Redis.");
  }
  const known = new Set([...nodeVariables, ...OTHER_VARIABLES]);
  for (const name of Object.keys(environment)) {
    if (name.startsWith("MUFAKAT_") && !known.has(name)) said.push(`${name} is not a setting and is ignored.`);
  }
  return said;
}
