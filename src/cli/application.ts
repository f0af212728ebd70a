import { buildApplication, buildRouteMap, ExitCode, type RouteMap, run, text_en } from "@stricli/core";
import { version } from "../server/version.ts";
import { argumentErrorText, suggestion } from "./argument-error.ts";
import { asCliError, CliError, errorText } from "./cli-error.ts";
import { backupCommand } from "./backup.ts";
import { clusterAddCommand } from "./cluster-add.ts";
import { clusterRemoveCommand } from "./cluster-remove.ts";
import { clusterReplaceCommand } from "./cluster-replace.ts";
import { clusterTransferCommand } from "./cluster-transfer.ts";
import type { CliContext } from "./context.ts";
import { exitCode } from "./exit-code.ts";
import { healthcheckCommand } from "./healthcheck.ts";
import { lockRoutes, sessionRoutes } from "./lock.ts";
import { splitAtSeparator } from "./lock-run/separator.ts";
import { queueRoutes } from "./queue.ts";
import { recoverCommand } from "./recover.ts";
import { restoreCommand } from "./restore.ts";
import { ringShowCommand } from "./ring-show.ts";
import { serveCommand } from "./serve.ts";
import { simCommand } from "./sim.ts";
import { statusCommand } from "./status.ts";
import { upCommand } from "./up.ts";
import { versionCommand } from "./version.ts";

/** Every command there is. */
export const commands = buildRouteMap({
  routes: {
    up: upCommand,
    serve: serveCommand,
    status: statusCommand,
    lock: lockRoutes,
    session: sessionRoutes,
    queue: queueRoutes,
    cluster: buildRouteMap({
      routes: {
        add: clusterAddCommand,
        remove: clusterRemoveCommand,
        replace: clusterReplaceCommand,
        transfer: clusterTransferCommand,
      },
      docs: { brief: "Change the cluster" },
    }),
    ring: buildRouteMap({ routes: { show: ringShowCommand }, docs: { brief: "Where queues live" } }),
    backup: backupCommand,
    restore: restoreCommand,
    recover: recoverCommand,
    healthcheck: healthcheckCommand,
    sim: simCommand,
    version: versionCommand,
  },
  docs: { brief: "Locks with fencing tokens, from a cluster that starts with one command" },
});

function applicationFor(routes: RouteMap<CliContext>, asJson: boolean) {
  const shown = (error: CliError): string => errorText(error, asJson);
  return buildApplication<CliContext>(routes, {
    name: "mufakat",
    versionInfo: { currentVersion: version },
    scanner: { caseStyle: "allow-kebab-for-camel", allowArgumentEscapeSequence: true },
    documentation: { onlyRequiredInUsageLine: true, disableAnsiColor: asJson },
    determineExitCode: (error) => asCliError(error).exitCode,
    localization: {
      text: {
        ...text_en,
        noCommandRegisteredForInput: ({ input, corrections }) =>
          shown(
            new CliError(
              "usage",
              `there is no command "${input}"${suggestion(corrections)}: "mufakat --help" lists the commands.`,
            ),
          ),
        exceptionWhileParsingArguments: (error) => shown(new CliError("usage", argumentErrorText(error))),
        exceptionWhileRunningCommand: (error) => shown(asCliError(error)),
        commandErrorResult: (error) => shown(asCliError(error)),
      },
    },
  });
}

/**
 * Runs one command line.
 *
 * @param inputs without the program itself
 * @param routes the commands that there are
 * @returns the code that the process is to exit with
 */
export async function runCli(
  inputs: readonly string[],
  context: CliContext,
  routes: RouteMap<CliContext> = commands,
): Promise<number> {
  // Known before anything is parsed: what is wrong with a command line is said in the form that it asks for.
  const asJson = inputs.slice(0, [...inputs, "--"].indexOf("--")).includes("--json");
  const split = splitAtSeparator(inputs);
  if (split instanceof CliError) {
    context.process.stderr.write(`${errorText(split, asJson)}\n`);
    return split.exitCode;
  }
  const { own, behind } = split;
  await run(
    applicationFor(routes, asJson),
    own,
    behind === undefined ? context : { ...context, behindSeparator: behind },
  );
  const code = context.process.exitCode ?? exitCode.ok;
  if (code === ExitCode.UnknownCommand || code === ExitCode.InvalidArgument) return exitCode.usage;
  return code < 0 ? exitCode.defect : code;
}
