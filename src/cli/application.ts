import { buildApplication, buildRouteMap, ExitCode, run, text_en } from "@stricli/core";
import { StartError } from "../kernel/start-error.ts";
import { version } from "../server/version.ts";
import { argumentErrorText, suggestion } from "./argument-error.ts";
import { clusterTransferCommand } from "./cluster-transfer.ts";
import type { CliContext } from "./context.ts";
import { exitCode } from "./exit-code.ts";
import { healthcheckCommand } from "./healthcheck.ts";
import { lockRoutes, sessionRoutes } from "./lock.ts";
import { NodeFailure, serveCommand } from "./serve.ts";
import { simCommand } from "./sim.ts";
import { statusCommand } from "./status.ts";
import { upCommand } from "./up.ts";
import { versionCommand } from "./version.ts";

const root = buildRouteMap({
  routes: {
    up: upCommand,
    serve: serveCommand,
    status: statusCommand,
    lock: lockRoutes,
    session: sessionRoutes,
    cluster: buildRouteMap({
      routes: { transfer: clusterTransferCommand },
      docs: { brief: "Change the cluster" },
    }),
    healthcheck: healthcheckCommand,
    sim: simCommand,
    version: versionCommand,
  },
  docs: { brief: "Locks with fencing tokens, from a cluster that starts with one command" },
});

const application = buildApplication<CliContext>(root, {
  name: "mufakat",
  versionInfo: { currentVersion: version },
  scanner: { caseStyle: "allow-kebab-for-camel", allowArgumentEscapeSequence: true },
  documentation: { onlyRequiredInUsageLine: true },
  determineExitCode: (error) => (error instanceof StartError ? exitCode.configuration : exitCode.failure),
  localization: {
    text: {
      ...text_en,
      noCommandRegisteredForInput: ({ input, corrections }) =>
        `mufakat: there is no command "${input}"${suggestion(corrections)}: "mufakat --help" lists the commands.`,
      exceptionWhileParsingArguments: (error) => `mufakat: ${argumentErrorText(error)}`,
      exceptionWhileRunningCommand: (error) => `mufakat: ${errorText(error)}`,
      commandErrorResult: (error) => `mufakat: ${errorText(error)}`,
    },
  },
});

/**
 * Runs one command line.
 *
 * @param inputs without the program itself
 * @returns the code that the process is to exit with
 */
export async function runCli(inputs: readonly string[], context: CliContext): Promise<number> {
  await run(application, inputs, context);
  const code = context.process.exitCode ?? exitCode.ok;
  if (code === ExitCode.UnknownCommand || code === ExitCode.InvalidArgument) return exitCode.usage;
  return code < 0 ? exitCode.failure : code;
}

/** What was foreseen is one sentence; the rest is a defect, and its stack helps whoever reports it. */
function errorText(error: unknown): string {
  if (error instanceof StartError || error instanceof NodeFailure) return error.message;
  return error instanceof Error ? `unexpected: ${error.stack ?? error.message}` : `unexpected: ${String(error)}`;
}
