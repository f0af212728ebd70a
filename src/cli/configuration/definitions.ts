import { limits } from "../../kernel/limits.ts";
import { logFormats, logLevels } from "../log.ts";

/**
 * One setting, of which come its flag (`--peer-listen`), its variable (`MUFAKAT_PEER_LISTEN`) and its key in a
 * configuration file (`peer-listen`). The name in these tables is the flag's in camelCase.
 */
export type SettingDefinition = { readonly brief: string } & (
  | {
      readonly type: "text";
      readonly placeholder: string;
      /** The older system's variable for it. */
      readonly alias?: string;
    }
  /** `ID=HOST:PEERPORT,…` as text; in a file a table. */
  | { readonly type: "members"; readonly placeholder: string; readonly alias?: string }
  | {
      readonly type: "integer";
      readonly placeholder: string;
      readonly minimum: number;
      readonly maximum: number;
      readonly default: number;
    }
  | { readonly type: "choice"; readonly placeholder: string; readonly choices: readonly string[] }
  | { readonly type: "switch" }
);

export type SettingDefinitions = Readonly<Record<string, SettingDefinition>>;

const times = {
  heartbeatMs: {
    type: "integer",
    placeholder: "MS",
    minimum: 5,
    maximum: 10_000,
    default: 50,
    brief: "Heartbeat interval in ms (default 50)",
  },
  electionTimeoutMs: {
    type: "integer",
    placeholder: "MS",
    minimum: 15,
    maximum: 60_000,
    default: 300,
    brief: "Shortest election time-out in ms (default 300)",
  },
} as const;

const logLevel = {
  type: "choice",
  placeholder: "LEVEL",
  choices: logLevels,
  brief: "debug, info, warn, error or silent (default info)",
} as const;

/** Of `serve`: one node. */
export const nodeSettings = {
  id: { type: "text", placeholder: "ID", alias: "NODE_ID", brief: "Name of this node in --peers (default node1)" },
  listen: {
    type: "text",
    placeholder: "HOST:PORT",
    alias: "PORT",
    brief: "Address for clients (default 127.0.0.1:8001)",
  },
  peerListen: {
    type: "text",
    placeholder: "HOST:PORT",
    brief: "Address for the other nodes (default: client port + 1000)",
  },
  advertise: {
    type: "text",
    placeholder: "HOST:PORT",
    brief: "Client address as others reach it (default: --listen)",
  },
  peers: {
    type: "members",
    placeholder: "LIST",
    alias: "ALL_NODES",
    brief: "All nodes of a new cluster: node1=HOST:PEERPORT,… (default: this node alone)",
  },
  join: {
    type: "text",
    placeholder: "URL",
    brief: "Join the cluster of the node there: only looked at while --data is new",
  },
  cluster: {
    type: "text",
    placeholder: "NAME",
    brief: "Name of the cluster; nodes of another are refused (default mufakat)",
  },
  data: { type: "text", placeholder: "DIR", brief: "Directory of this node's log (default .mufakat/ID)" },
  insecure: { type: "switch", brief: "Allow addresses beyond this machine: there is no TLS yet" },
  ...times,
  logFormat: {
    type: "choice",
    placeholder: "FORMAT",
    choices: logFormats,
    brief: "json or text (default: text on a terminal, else json)",
  },
  logLevel,
} as const satisfies SettingDefinitions;

/** Of `up`: a whole cluster on this machine. */
export const clusterSettings = {
  nodes: {
    type: "integer",
    placeholder: "N",
    minimum: 1,
    maximum: limits.maxNodes,
    default: 3,
    brief: "Number of nodes, 1 to 7 (default 3)",
  },
  port: {
    type: "integer",
    placeholder: "PORT",
    minimum: 1,
    maximum: 65_535,
    default: 8001,
    brief: "Client port of the first node (default 8001)",
  },
  data: { type: "text", placeholder: "DIR", brief: "Directory for the nodes' data (default .mufakat)" },
  cluster: { type: "text", placeholder: "NAME", brief: "Name of the cluster (default mufakat)" },
  ...times,
  logFormat: {
    type: "choice",
    placeholder: "FORMAT",
    choices: logFormats,
    brief: "json or text (default text)",
  },
  logLevel,
} as const satisfies SettingDefinitions;

/** `peerListen` → `peer-listen`: a flag, and a key of a configuration file. */
export function kebabCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `peerListen` → `MUFAKAT_PEER_LISTEN`. */
export function variableName(setting: string): string {
  return `MUFAKAT_${kebabCase(setting).replaceAll("-", "_").toUpperCase()}`;
}
