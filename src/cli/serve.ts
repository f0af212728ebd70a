import { buildCommand } from "@stricli/core";
import { StartError } from "../kernel/start-error.ts";
import { DEFAULT_CLUSTER_NAME, type NodeConfiguration } from "../server/configuration.ts";
import type { RunningNode } from "../server/running-node.ts";
import { CliError } from "./cli-error.ts";
import { nodeSettings } from "./configuration/definitions.ts";
import { type HostPort, formatHostPort } from "../kernel/addresses.ts";
import {
  type CheckedConfiguration,
  nodeConfiguration,
  type NodeFlags,
  quorum,
} from "./configuration/node-configuration.ts";
import { configFlag, flagsOf } from "./configuration/setting-flags.ts";
import type { CliContext } from "./context.ts";
import { exitCode } from "./exit-code.ts";
import { jsonFlag, jsonText } from "./json-flag.ts";
import { createLogger } from "./log.ts";

type ServeFlags = NodeFlags & {
  readonly check: boolean;
  readonly json: boolean;
  readonly supervised: boolean;
};

/** A stop that takes longer than this is cut short: the log is durable at every instant, so nothing is lost by it. */
const STOP_DEADLINE_MS = 10_000;

export const serveCommand = buildCommand<ServeFlags, [], CliContext>({
  docs: {
    brief: "Run one node",
    fullDescription:
      "Runs one node in the foreground until SIGTERM or Ctrl-C.\n\n" +
      "Every setting has a variable, MUFAKAT_PEER_LISTEN for --peer-listen, and a key in the file that --config names,\n" +
      "peer-listen. A flag wins over its variable, that over the file, and that over PORT, NODE_ID and ALL_NODES of the\n" +
      "system that this one replaces.\n\n" +
      "Exit codes: 0 stopped as asked, 1 the node failed, 64 unknown flag, 78 a setting must be changed first.",
  },
  parameters: {
    flags: {
      ...flagsOf(nodeSettings),
      config: configFlag,
      check: {
        kind: "boolean",
        default: false,
        brief: "Print addresses, peers and quorum, and exit",
        withNegated: false,
      },
      json: jsonFlag("With --check: as JSON; else the log, as --log-format json"),
      supervised: {
        kind: "boolean",
        default: false,
        hidden: true,
        brief: "Stop when standard input ends, too: `up` holds its other end",
      },
    },
  },
  async func(flags) {
    const checked = nodeConfiguration(flags, this.environment);
    if (flags.check) {
      this.process.stdout.write(flags.json ? checkJson(checked) : checkText(checked));
      if (!flags.json) this.process.stderr.write(checked.notices.map((notice) => `mufakat: ${notice}\n`).join(""));
      return;
    }
    await serve(this, flags, checked);
  },
});

async function serve(
  context: CliContext,
  { json, supervised }: ServeFlags,
  { configuration, configurationFile, logFormat, logLevel, notices }: CheckedConfiguration,
): Promise<void> {
  const { stdout } = context.process;
  const log = createLogger({
    format: logFormat ?? (stdout.isTTY === true && !json ? "text" : "json"),
    level: logLevel,
    nodeId: configuration.nodeId,
    write: (line) => stdout.write(line),
  });
  if (configurationFile !== undefined) log.info({ file: configurationFile }, "configured");
  for (const notice of notices) log.warn({}, notice);
  // Before the start, so that a signal that comes meanwhile is not lost.
  const asked = stopAsked(context, supervised);
  const starting = new AbortController();
  void asked.reason.then(() => starting.abort(asked));
  try {
    const node = await context.startNode(configuration, log, starting.signal);
    log.info({ address: formatHostPort(node.address), peers: formatHostPort(node.peerAddress) }, "listening");
    const failure = await Promise.race([node.failed, asked.reason]);
    if (failure instanceof Error) {
      await stopWithin(node);
      throw failure instanceof StartError ? failure : nodeFailure(failure);
    }
    log.info({ because: failure }, "stopping");
    if (!(await stopWithin(node))) log.warn({ deadlineMs: STOP_DEADLINE_MS }, "stop took too long and was cut short");
    log.info({}, "stopped");
    context.process.exitCode = exitCode.ok;
  } catch (error) {
    // Asked to stop while it waited to be let into a cluster.
    if (error !== asked) throw error;
    log.info({}, "stopped");
    context.process.exitCode = exitCode.ok;
  } finally {
    asked.end();
  }
}

/** The node could not go on. */
function nodeFailure(cause: Error): CliError {
  return new CliError("node_failed", `the node stopped because it could not go on: ${cause.message}`, { cause });
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

function checkText({ configuration, configurationFile }: CheckedConfiguration): string {
  const { nodeId } = configuration;
  const members = membersOf(configuration);
  const needed = quorum(members.size);
  const lines = [
    `node      ${nodeId}`,
    `cluster   ${configuration.clusterName ?? DEFAULT_CLUSTER_NAME}`,
    `clients   ${formatHostPort(configuration.listen)}, advertised as ${formatHostPort(configuration.advertise)}`,
    `peers on  ${formatHostPort(configuration.peerListen)}`,
    `data      ${configuration.dataDirectory}`,
    ...(configurationFile === undefined ? [] : [`file      ${configurationFile}`]),
    ...[...members].map(([id, address], index) => {
      const self = id === nodeId ? " (this node)" : "";
      return `${index === 0 ? "members " : "        "}  ${id} ${formatHostPort(address)}${self}`;
    }),
    `quorum    ${needed} of ${members.size}: ${survives(members.size - needed)}`,
  ];
  return `${lines.join("\n")}\n`;
}

/** Of a cluster that starts for the first time. */
function membersOf({ members, nodeId, peerAddress }: NodeConfiguration): ReadonlyMap<string, HostPort> {
  return members ?? new Map([[nodeId, peerAddress]]);
}

function survives(failures: number): string {
  if (failures === 0) return "no node may fail";
  return failures === 1 ? "one node may fail" : `${failures} nodes may fail`;
}

function checkJson({ configuration, configurationFile, notices }: CheckedConfiguration): string {
  const members = Object.fromEntries([...membersOf(configuration)].map(([id, at]) => [id, formatHostPort(at)]));
  const shown = {
    node_id: configuration.nodeId,
    cluster: configuration.clusterName ?? DEFAULT_CLUSTER_NAME,
    listen: formatHostPort(configuration.listen),
    peer_listen: formatHostPort(configuration.peerListen),
    advertise: formatHostPort(configuration.advertise),
    data: configuration.dataDirectory,
    members,
    quorum: quorum(membersOf(configuration).size),
    heartbeat_ms: configuration.heartbeatIntervalMs,
    election_timeout_ms: configuration.electionTimeoutMs,
    insecure: configuration.insecure,
    configuration_file: configurationFile ?? null,
    notices,
  };
  return jsonText(shown);
}
