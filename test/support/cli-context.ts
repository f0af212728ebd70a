import type { RouteMap } from "@stricli/core";
import type { CliContext, CliProcess, StopSignal, StopSignals } from "../../src/cli/context.ts";
import { runCli } from "../../src/cli/application.ts";
import type { RunningNode, StartNode } from "../../src/server/running-node.ts";

export interface CliRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Signals that a test sends itself. */
export class TestSignals implements StopSignals {
  private listener: ((signal: StopSignal) => void) | undefined;
  private names: readonly StopSignal[] = [];

  subscribe(listener: (signal: StopSignal) => void, names: readonly StopSignal[] = ["SIGINT", "SIGTERM"]): () => void {
    this.listener = listener;
    this.names = names;
    return () => {
      this.listener = undefined;
    };
  }

  get subscribed(): boolean {
    return this.listener !== undefined;
  }

  send(signal: StopSignal): void {
    if (this.names.includes(signal)) this.listener?.(signal);
  }
}

/** A context in which nothing can be started and nobody sends a signal. */
export function cliContext(process: CliProcess, parts: Partial<CliContext> = {}): CliContext {
  return {
    process,
    environment: {},
    selfCommand: ["mufakat"],
    startNode: () => Promise.reject(new Error("this test starts no node")),
    signals: new TestSignals(),
    hasTerminal: false,
    signalGroup(leaderProcessId, signal) {
      try {
        globalThis.process.kill(-leaderProcessId, signal);
      } catch {
        // Nobody of the group is left.
      }
    },
    ignores: () => false,
    endOfInput: () => new Promise<void>(() => {}),
    input: () => new Blob([]).stream(),
    inputBytes: undefined,
    outputTaken: () => Promise.resolve(true),
    ...parts,
  };
}

/** Runs a command line in this process and gives what a person would have seen. */
export async function cli(
  inputs: readonly string[],
  parts: Partial<CliContext> = {},
  routes?: RouteMap<CliContext>,
): Promise<CliRun> {
  let stdout = "";
  let stderr = "";
  const streams = {
    stdout: { write: (text: string) => void (stdout += text) },
    stderr: { write: (text: string) => void (stderr += text) },
  };
  const code = await runCli(inputs, cliContext(streams, parts), routes);
  return { code, stdout, stderr };
}

/** A node that does nothing until it is stopped or made to fail. */
export class FakeNode implements RunningNode {
  readonly address = { host: "127.0.0.1", port: 18001 };
  readonly peerAddress = { host: "127.0.0.1", port: 19001 };
  stops = 0;
  private readonly failure = Promise.withResolvers<Error>();

  get failed(): Promise<Error> {
    return this.failure.promise;
  }

  readonly start: StartNode = () => Promise.resolve(this);

  fail(error: Error): void {
    this.failure.resolve(error);
  }

  stop(): Promise<void> {
    this.stops += 1;
    return Promise.resolve();
  }
}
