import { StartError } from "../../kernel/start-error.ts";
import { limits } from "../../kernel/limits.ts";
import type { NodeConfiguration } from "../../server/configuration.ts";
import type { Environment } from "../context.ts";
import type { LogFormat, LogLevel } from "../log.ts";
import { type HostPort, formatHostPort, isLoopback, isWildcard } from "../../kernel/addresses.ts";
import { parseUrl } from "../node-url.ts";
import { parseHostPort } from "./host-port.ts";
import { listenAddress } from "./listen-address.ts";
import { checkName, parseClientUrls, parsePeers, peerPortOf } from "./members.ts";
import { didYouMean } from "./nearest.ts";
import { nodeSettings, variableName } from "./definitions.ts";
import { loadSettings } from "./load-settings.ts";
import type { Setting, SettingFlags, Settings } from "./settings.ts";

/** The flags of `serve` that say what the node is. */
export type NodeFlags = SettingFlags<typeof nodeSettings> & { readonly config?: string };
type NodeSettings = Settings<typeof nodeSettings>;

export interface CheckedConfiguration {
  readonly configuration: NodeConfiguration;
  /** The file that settings came from, if one was named. */
  readonly configurationFile: string | undefined;
  /** Undefined: as it suits standard output. */
  readonly logFormat: LogFormat | undefined;
  readonly logLevel: LogLevel;
  /** Sentences for the person: nothing that stops the node, each worth knowing. */
  readonly notices: readonly string[];
}

/** An election before the third missed heartbeat would be the network's jitter, not a dead leader. */
const MINIMUM_HEARTBEATS_PER_ELECTION = 3;

/**
 * Flags, then `MUFAKAT_…`, then the configuration file, then the older system's variables, then defaults: checked, and
 * made one.
 *
 * @throws {StartError} at the first value that cannot be, with one sentence that says what to change
 */
export function nodeConfiguration(flags: NodeFlags, environment: Environment): CheckedConfiguration {
  const { settings, configurationFile } = loadSettings("serve", flags, environment);
  const nodeId = readName(settings.find("id"), "node1");
  const cluster = settings.find("cluster");
  const clusterName = cluster === undefined ? undefined : checkName(cluster.text, cluster.source);
  const insecure = settings.switch("insecure");
  const listen = listenAddress(settings.find("listen"));
  const peerListen = readPeerListen(settings, listen);
  const members = readMembers(settings, nodeId);
  if (members !== undefined) checkMembers(members, nodeId, peerListen, settings);
  if (!insecure) refuseBeyondLoopback(listen, peerListen, members, settings);
  const data = settings.find("data")?.text ?? `.mufakat/${nodeId}`;
  if (data === "" || data.includes("\0")) {
    throw new StartError(`${settings.source("data")} must be the path of a directory.`);
  }
  const advertise = readAdvertise(settings, listen, members?.get(nodeId));
  const peerHost = isWildcard(peerListen.host) ? advertise.host : peerListen.host;
  const configuration: NodeConfiguration = {
    nodeId,
    clusterName,
    listen,
    peerListen,
    advertise,
    peerAddress: members?.get(nodeId) ?? { host: peerHost, port: peerListen.port },
    members,
    join: readJoin(settings),
    dataDirectory: data,
    insecure,
    ...readTimes(settings),
  };
  return {
    configuration,
    configurationFile,
    logFormat: settings.choice("logFormat"),
    logLevel: settings.choice("logLevel") ?? "info",
    notices: notices(configuration, environment),
  };
}

/** Members that must agree before anything is acknowledged. */
export function quorum(nodes: number): number {
  return Math.floor(nodes / 2) + 1;
}

function readName(setting: Setting | undefined, fallback: string): string {
  return setting === undefined ? fallback : checkName(setting.text, setting.source);
}

function readPeerListen(settings: NodeSettings, listen: HostPort): HostPort {
  const setting = settings.find("peerListen");
  if (setting !== undefined) return parseHostPort(setting.text, setting.source);
  return { host: listen.host, port: peerPortOf(listen.port, settings.source("listen")) };
}

function readAdvertise(settings: NodeSettings, listen: HostPort, self: HostPort | undefined): HostPort {
  const setting = settings.find("advertise");
  if (setting !== undefined) {
    const address = parseHostPort(setting.text, setting.source);
    if (!isWildcard(address.host)) return address;
    throw new StartError(`${setting.source} must be an address that others can dial, not ${setting.text}.`);
  }
  if (!isWildcard(listen.host)) return listen;
  return { host: self?.host ?? "127.0.0.1", port: listen.port };
}

function readJoin(settings: NodeSettings): string | undefined {
  const setting = settings.find("join");
  if (setting === undefined) return undefined;
  return parseUrl(setting.text, setting.source);
}

function readMembers(settings: NodeSettings, nodeId: string): Map<string, HostPort> | undefined {
  const setting = settings.find("peers");
  if (setting === undefined) return undefined;
  const members = setting.source === "ALL_NODES" ? parseClientUrls(setting, nodeId) : parsePeers(setting);
  if (members.size > limits.maxNodes) {
    throw new StartError(`${setting.source} lists ${members.size} nodes: a cluster has at most ${limits.maxNodes}.`);
  }
  if (!members.has(nodeId) && settings.find("join") === undefined) {
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
  settings: NodeSettings,
): void {
  const self = members.get(nodeId);
  if (self === undefined || self.port === peerListen.port || settings.find("peerListen") !== undefined) return;
  const source = settings.source("peers");
  throw new StartError(
    `${source} has ${nodeId} at ${formatHostPort(self)}, but it would listen for peers on ${formatHostPort(peerListen)}: ` +
      `give --peer-listen ${formatHostPort({ host: peerListen.host, port: self.port })}, or change ${source}.`,
  );
}

function refuseBeyondLoopback(
  listen: HostPort,
  peerListen: HostPort,
  members: ReadonlyMap<string, HostPort> | undefined,
  settings: NodeSettings,
): void {
  const remedy = "use a loopback address, or add --insecure if the network is trusted: there is no TLS yet";
  for (const [name, address] of [
    ["listen", listen],
    ["peerListen", peerListen],
  ] as const) {
    if (isLoopback(address.host)) continue;
    throw new StartError(`${settings.source(name)} opens ${formatHostPort(address)} to other machines: ${remedy}.`);
  }
  for (const [id, address] of members ?? []) {
    if (isLoopback(address.host)) continue;
    throw new StartError(
      `${settings.source("peers")} has ${id} on another machine, ${formatHostPort(address)}: ${remedy}.`,
    );
  }
}

function readTimes(settings: NodeSettings): { heartbeatIntervalMs: number; electionTimeoutMs: number } {
  const heartbeatIntervalMs = settings.integer("heartbeatMs");
  const electionTimeoutMs = settings.integer("electionTimeoutMs");
  const minimum = heartbeatIntervalMs * MINIMUM_HEARTBEATS_PER_ELECTION;
  if (electionTimeoutMs >= minimum) return { heartbeatIntervalMs, electionTimeoutMs };
  throw new StartError(
    `${settings.source("electionTimeoutMs")} is ${electionTimeoutMs} and must be at least three heartbeats: ` +
      `set it to ${minimum} or more, or lower ${settings.source("heartbeatMs")}, which is ${heartbeatIntervalMs}.`,
  );
}

/** Variables that other parts of this program read. */
const OTHER_VARIABLES = [
  "MUFAKAT_URL",
  "MUFAKAT_CONFIG",
  // What `lock run` gives its command, which may be a node.
  "MUFAKAT_LOCK",
  "MUFAKAT_FENCING_TOKEN",
  "MUFAKAT_LOCK_SESSION",
];

/** The variables that say what one node is: `up` keeps them from its children. */
export const nodeVariables: readonly string[] = [
  ...Object.keys(nodeSettings).map(variableName),
  ...Object.values(nodeSettings).flatMap((definition) => ("alias" in definition ? [definition.alias] : [])),
];

function notices(configuration: NodeConfiguration, environment: Environment): string[] {
  const said: string[] = [];
  const nodes = configuration.members?.size ?? 1;
  if (nodes % 2 === 0) {
    said.push(`${nodes} nodes survive no more failures than ${nodes - 1} would: an odd number is better.`);
  }
  const self = configuration.members?.get(configuration.nodeId);
  if (self !== undefined && !isLoopback(self.host) && isLoopback(configuration.peerListen.host)) {
    said.push(
      `Peers are told to dial ${formatHostPort(self)}, and this node listens for them on loopback: ` +
        `give --peer-listen 0.0.0.0:${self.port} unless something forwards that port.`,
    );
  }
  if (environment["REDIS_HOST"] !== undefined || environment["REDIS_PORT"] !== undefined) {
    said.push("REDIS_HOST and REDIS_PORT are accepted and have no meaning yet: nothing here uses Redis.");
  }
  const known = [...nodeVariables, ...OTHER_VARIABLES];
  for (const name of Object.keys(environment)) {
    if (!name.startsWith("MUFAKAT_") || known.includes(name)) continue;
    said.push(`${name} is not a setting and is ignored${didYouMean(name, known)}.`);
  }
  return said;
}
