import { buildCommand } from "@stricli/core";
import { StartError } from "../kernel/start-error.ts";
import type { NodeConfiguration } from "../server/configuration.ts";
import type { RunningNode } from "../server/running-node.ts";
import { formatHostPort } from "./configuration/host-port.ts";
import { nodeConfiguration, quorum, type NodeFlags } from "./configuration/node-configuration.ts";
import { Settings } from "./configuration/settings.ts";
import type { CliContext } from "./context.ts";
import { exitCode } from "./exit-code.ts";
import { createLogger, logFormats, logLevels } from "./log.ts";
import { textFlag } from "./text-flag.ts";

interface ServeFlags extends NodeFlags {
  readonly check: boolean;
  readonly json: boolean;
  readonly supervised: boolean;
  readonly logFormat?: string;
  readonly logLevel?: string;
}

/** A stop that takes longer than this is cut short: the log is durable at every instant, so nothing is lost by it. */
const STOP_DEADLINE_MS = 10_000;

export const serveCommand = buildCommand<ServeFlags, [], CliContext>({
  docs: {
    brief: "Run one node",
    fullDescription:
      "Runs one node in the foreground until SIGTERM or Ctrl-C.\n\n" +
      "Every setting has a variable: --peer-listen is MUFAKAT_PEER_LISTEN, and so on. A flag wins over its variable, and\n" +
      "that over PORT, NODE_ID and ALL_NODES of the system that this one replaces.\n\n" +
      "Exit codes: 0 stopped as asked, 1 the node failed, 64 unknown flag, 78 a setting must be changed first.",
  },
  parameters: {
    flags: {
      id: textFlag("Name of this node in --peers (default node1)", "ID"),
      listen: textFlag("Address for clients (default 127.0.0.1:8001)", "HOST:PORT"),
      peerListen: textFlag("Address for the other nodes (default: client port + 1000)", "HOST:PORT"),
      advertise: textFlag("Client address as others reach it (default: --listen)", "HOST:PORT"),
      peers: textFlag("All nodes of the cluster: node1=HOST:PEERPORT,… (default: this node alone)", "LIST"),
      cluster: textFlag("Name of the cluster; nodes of another are refused (default mufakat)", "NAME"),
      data: textFlag("Directory of this node's log (default .mufakat/ID)", "DIR"),
      insecure: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Allow addresses beyond this machine: there is no TLS yet",
      },
      check: { kind: "boolean", default: false, brief: "Print addresses, peers and quorum, and exit" },
      json: { kind: "boolean", default: false, brief: "With --check: as JSON" },
      heartbeatMs: textFlag("Heartbeat interval in ms (default 50)", "MS"),
      electionTimeoutMs: textFlag("Shortest election time-out in ms (default 300)", "MS"),
      logFormat: textFlag("json or text (default: text on a terminal, else json)", "FORMAT"),
      logLevel: textFlag("debug, info, warn, error or silent (default info)", "LEVEL"),
      supervised: {
        kind: "boolean",
        default: false,
        hidden: true,
        brief: "Stop when standard input ends, too: `up` holds its other end",
      },
    },
  },
  async func(flags) {
    const { configuration, notices } = nodeConfiguration(flags, this.environment);
    if (flags.check) {
      this.process.stdout.write(flags.json ? checkJson(configuration, notices) : checkText(configuration));
      if (!flags.json) this.process.stderr.write(notices.map((notice) => `mufakat: ${notice}\n`).join(""));
      return;
    }
    await serve(this, flags, configuration, notices);
  },
});

async function serve(
  context: CliContext,
  flags: ServeFlags,
  configuration: NodeConfiguration,
  notices: readonly string[],
): Promise<void> {
  const settings = new Settings({ logFormat: flags.logFormat, logLevel: flags.logLevel }, context.environment);
  const { stdout } = context.process;
  const log = createLogger({
    format: settings.choice("logFormat", logFormats) ?? (stdout.isTTY === true ? "text" : "json"),
    level: settings.choice("logLevel", logLevels) ?? "info",
    nodeId: configuration.nodeId,
    write: (line) => stdout.write(line),
  });
  for (const notice of notices) log.warn({}, notice);
  // Before the start, so that a signal that comes meanwhile is not lost.
  const asked = stopAsked(context, flags.supervised);
  try {
    const node = await context.startNode(configuration, log);
    log.info({ address: formatHostPort(node.address), peers: formatHostPort(node.peerAddress) }, "listening");
    const failure = await Promise.race([node.failed, asked.reason]);
    if (failure instanceof Error) {
      await stopWithin(node);
      throw failure instanceof StartError ? failure : new NodeFailure(failure);
    }
    log.info({ because: failure }, "stopping");
    if (!(await stopWithin(node))) log.warn({ deadlineMs: STOP_DEADLINE_MS }, "stop took too long and was cut short");
    log.info({}, "stopped");
    context.process.exitCode = exitCode.ok;
  } finally {
    asked.end();
  }
}

/** The node could not go on. One sentence, exit code 1. */
export class NodeFailure extends Error {
  override name = "NodeFailure";

  constructor(cause: Error) {
    super(`the node stopped because it could not go on: ${cause.message}`, { cause });
  }
}

function stopAsked(context: CliContext, supervised: boolean): { reason: Promise<string>; end: () => void } {
  const { promise, resolve } = Promise.withResolvers<string>();
  const end = context.signals.subscribe(resolve);
  if (supervised) void context.endOfInput().then(() => resolve("its supervisor has gone"));
  return { reason: promise, end };
}

/** @returns false when the deadline came first */
async function stopWithin(node: RunningNode): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), STOP_DEADLINE_MS);
  const stopped = node.stop().then(() => true);
  try {
    return await Promise.race([stopped, promise]);
  } finally {
    clearTimeout(timer);
  }
}

function checkText(configuration: NodeConfiguration): string {
  const { members, nodeId } = configuration;
  const needed = quorum(members.size);
  const lines = [
    `node      ${nodeId}`,
    `cluster   ${configuration.clusterName}`,
    `clients   ${formatHostPort(configuration.listen)}, advertised as ${formatHostPort(configuration.advertise)}`,
    `peers on  ${formatHostPort(configuration.peerListen)}`,
    `data      ${configuration.dataDirectory}`,
    ...[...members].map(([id, address], index) => {
      const self = id === nodeId ? " (this node)" : "";
      return `${index === 0 ? "members " : "        "}  ${id} ${formatHostPort(address)}${self}`;
    }),
    `quorum    ${needed} of ${members.size}: ${survives(members.size - needed)}`,
  ];
  return `${lines.join("\n")}\n`;
}

function survives(failures: number): string {
  if (failures === 0) return "no node may fail";
  return failures === 1 ? "one node may fail" : `${failures} nodes may fail`;
}

function checkJson(configuration: NodeConfiguration, notices: readonly string[]): string {
  const members = Object.fromEntries([...configuration.members].map(([id, at]) => [id, formatHostPort(at)]));
  const shown = {
    node_id: configuration.nodeId,
    cluster: configuration.clusterName,
    listen: formatHostPort(configuration.listen),
    peer_listen: formatHostPort(configuration.peerListen),
    advertise: formatHostPort(configuration.advertise),
    data: configuration.dataDirectory,
    members,
    quorum: quorum(configuration.members.size),
    heartbeat_ms: configuration.heartbeatIntervalMs,
    election_timeout_ms: configuration.electionTimeoutMs,
    notices,
  };
  return `${JSON.stringify(shown, null, 2)}\n`;
}
