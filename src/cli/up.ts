import { buildCommand } from "@stricli/core";
import { StartError } from "../kernel/start-error.ts";
import { surveyData } from "../server/data-survey.ts";
import { clusterSettings, variableName } from "./configuration/definitions.ts";
import { nodeVariables } from "./configuration/node-configuration.ts";
import { configFlag, flagsOf } from "./configuration/setting-flags.ts";
import { loadSettings } from "./configuration/load-settings.ts";
import type { SettingFlags } from "./configuration/settings.ts";
import type { CliContext, Environment } from "./context.ts";
import { exitCode } from "./exit-code.ts";
import { jsonFlag } from "./json-flag.ts";
import { Cluster } from "./up/cluster.ts";
import { UpConsole } from "./up/console.ts";
import { checkPortsAreFree } from "./up/free-ports.ts";
import { greeting, readyLine } from "./up/greeting.ts";
import { findLeader } from "./up/leader.ts";
import { planCluster, type ClusterPlan } from "./up/plan.ts";

type UpFlags = SettingFlags<typeof clusterSettings> & { readonly config?: string; readonly json: boolean };

const LEADER_POLL_MS = 100;
const LEADER_PATIENCE_MS = 15_000;
/** A majority is enough to work with, but a person who tries the third node first should find it there. */
const ALL_NODES_PATIENCE_MS = 3_000;

export const upCommand = buildCommand<UpFlags, [], CliContext>({
  docs: {
    brief: "Run a whole cluster on this machine",
    fullDescription:
      "Runs the nodes as child processes on 127.0.0.1, shows their logs, and starts one again that dies.\n\n" +
      "Node n listens for clients on --port + n - 1 and for the others 1000 above that.\n\n" +
      "Where nodes have data, those that have none join their cluster: --nodes 5 after --nodes 3 adds two. Fewer nodes than\n" +
      "there are members only start fewer; `mufakat cluster remove` lets one leave.\n\n" +
      "Every setting has a variable, MUFAKAT_NODES for --nodes, and a key in the file that --config names, nodes. A flag\n" +
      "wins over its variable, and that over the file.\n\n" +
      "Exit codes: 0 stopped as asked, 64 unknown flag, 78 a setting must be changed first.",
  },
  parameters: {
    flags: {
      ...flagsOf(clusterSettings),
      config: configFlag,
      json: jsonFlag("One line of JSON on standard output once the cluster is ready; all else to standard error"),
    },
  },
  async func({ json, ...flags }) {
    const plan = planCluster(loadSettings("up", flags, this.environment).settings, surveyData);
    await checkPortsAreFree(plan.nodes.flatMap((node) => [node.port, node.peerPort]));
    await runCluster(this, plan, new UpConsole(this, plan.logFormat, json));
    this.process.exitCode = exitCode.ok;
  },
});

/** Until a signal asks us to stop; throws when no node can run. */
async function runCluster(context: CliContext, plan: ClusterPlan, output: UpConsole): Promise<void> {
  const cluster = new Cluster(plan, context.selfCommand, childEnvironment(context.environment), output);
  let signals = 0;
  const asked = Promise.withResolvers<void>();
  const unsubscribe = context.signals.subscribe((signal) => {
    signals += 1;
    output.own(signals === 1 ? `${signal}: stopping all nodes; once more ends them at once` : "ending all nodes now");
    if (signals > 1) cluster.kill();
    asked.resolve();
  });
  const ended = new AbortController();
  try {
    cluster.start();
    const stopped = Promise.race([asked.promise, cluster.refused]);
    void greetWhenLed(context, plan, cluster, output, ended.signal);
    const refusal = await stopped;
    ended.abort();
    await cluster.stop();
    if (refusal !== undefined) throw new StartError(refusal);
    output.own("all nodes have stopped");
  } finally {
    ended.abort();
    unsubscribe();
  }
}

async function greetWhenLed(
  context: CliContext,
  plan: ClusterPlan,
  cluster: Cluster,
  output: UpConsole,
  ended: AbortSignal,
): Promise<void> {
  const ports = plan.nodes.map((node) => node.port);
  const startedMs = performance.now();
  let patient = true;
  while (!ended.aborted) {
    const leader = await findLeader(ports);
    if (ended.aborted) return;
    const waitedMs = performance.now() - startedMs;
    if (leader !== undefined && (leader.followers === ports.length || waitedMs > ALL_NODES_PATIENCE_MS)) {
      cluster.hasStarted();
      output.ready(output.asJson ? readyLine(plan, leader) : greeting(plan, leader, programName(context.selfCommand)));
      return;
    }
    if (leader === undefined && patient && waitedMs > LEADER_PATIENCE_MS) {
      patient = false;
      output.own("there is no leader yet; the lines above should say why");
    }
    await Bun.sleep(LEADER_POLL_MS);
  }
}

/** What a person types to run this program again. */
function programName(selfCommand: readonly string[]): string {
  const [executable = "mufakat"] = selfCommand;
  return selfCommand.length > 1 ? "npm run mufakat --" : executable;
}

const CLUSTER_VARIABLES = [...Object.keys(clusterSettings), "config"].map(variableName);

/** Each child is told who it is by flags: variables meant for one node, or for us, must not say otherwise. */
function childEnvironment(environment: Environment): Record<string, string | undefined> {
  const kept = ([name]: [string, unknown]): boolean =>
    !nodeVariables.includes(name) && !CLUSTER_VARIABLES.includes(name);
  return Object.fromEntries(Object.entries(environment).filter(kept));
}
