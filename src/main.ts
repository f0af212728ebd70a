import { fstatSync } from "node:fs";
import { isatty } from "node:tty";
import { createApp } from "../routes/app.ts";
import { runCli } from "./cli/application.ts";
import type { CliContext, StopSignals } from "./cli/context.ts";
import { ignoresSignal } from "./cli/ignored-signals.ts";
import { startNode } from "./server/node.ts";

/** True in the executable: `deploy/build.ts` sets it. */
declare const MUFAKAT_EXECUTABLE: boolean;

const isExecutable = typeof MUFAKAT_EXECUTABLE === "boolean" && MUFAKAT_EXECUTABLE;

const signals: StopSignals = {
  subscribe(listener, names = ["SIGINT", "SIGTERM"]) {
    for (const name of names) process.on(name, listener);
    return () => {
      for (const name of names) process.off(name, listener);
    };
  },
};

const context: CliContext = {
  process: { stdout: process.stdout, stderr: process.stderr, env: process.env },
  environment: process.env,
  selfCommand: isExecutable ? [process.execPath] : [process.execPath, Bun.main],
  startNode: (configuration, log, signal) => startNode(configuration, { createApp, log, signal }),
  signals,
  hasTerminal: [0, 1, 2].some((descriptor) => isatty(descriptor)),
  signalGroup(leaderProcessId, signal) {
    try {
      process.kill(-leaderProcessId, signal);
    } catch {
      // Nobody of the group is left.
    }
  },
  ignores: ignoresSignal,
  async endOfInput() {
    for await (const _chunk of Bun.stdin.stream()) {
      // Nobody has anything to say there: only the end counts.
    }
  },
  input: () => Bun.stdin.stream(),
  get inputBytes() {
    try {
      const input = fstatSync(0);
      return input.isFile() ? input.size : undefined;
    } catch {
      return undefined;
    }
  },
  outputTaken: () => flushed(process.stdout),
};

// Whoever read our output may be gone before us (a supervisor that was killed): that must not cut a stop short.
const closed = new Set<NodeJS.WriteStream>();
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => closed.add(stream));

const code = await runCli(process.argv.slice(2), context);
// An exit at once would cut off what a pipe has not taken yet.
await Promise.all([process.stdout, process.stderr].map(flushed));
process.exit(code);

/** @returns whether somebody has taken it */
function flushed(stream: NodeJS.WriteStream): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  stream.write("", (error) => resolve((error ?? undefined) === undefined && !closed.has(stream)));
  return promise;
}
