import type { CommandContext, StricliProcess } from "@stricli/core";
import type { StartNode } from "../server/running-node.ts";

/** The parts of the process that commands see. `main.ts` hands in the real ones, tests their own. */
export interface CliContext extends CommandContext {
  readonly process: CliProcess;
  readonly environment: Environment;
  /** The command line that runs this program again: the executable, or Bun and the path of `main.ts`. */
  readonly selfCommand: readonly string[];
  readonly startNode: StartNode;
  readonly signals: StopSignals;
  /** Whether standard input, output or error is a terminal: then its signals reach our children without us. */
  readonly hasTerminal: boolean;
  /** Sends to all processes of a child that was started as the first of a group of its own. */
  signalGroup(leaderProcessId: number, signal: NodeJS.Signals): void;
  /** Whether whoever started us had the signal ignored, as nohup(1) does: then it stays so. Ask before listening to it. */
  ignores(signal: StopSignal): boolean;
  /** The command of `lock run`: all that stands behind its `--`. */
  readonly behindSeparator?: readonly string[];
  /** Resolves at the end of standard input: the parent of a supervised node has gone. */
  endOfInput(): Promise<void>;
  /** Standard input, once. */
  input(): AsyncIterable<Uint8Array>;
  /** How long that is, where it is a file. */
  readonly inputBytes: number | undefined;
  /** Resolves when standard output has taken all that was written: false when nobody reads it any more. */
  outputTaken(): Promise<boolean>;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export interface CliProcess extends StricliProcess {
  exitCode?: number;
  readonly stdout: CliStream;
  readonly stderr: CliStream;
}

export interface CliStream {
  readonly write: (text: string) => void;
  readonly isTTY?: boolean | undefined;
}

export type StopSignal = "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGQUIT";

export interface StopSignals {
  /**
   * @param names SIGINT and SIGTERM where nothing else is said
   * @returns a function that ends the subscription
   */
  subscribe(listener: (signal: StopSignal) => void, names?: readonly StopSignal[]): () => void;
}

/** Colour is for a terminal, and for nobody who set NO_COLOR (no-color.org). */
export function usesColour(stream: CliStream, environment: Environment): boolean {
  return stream.isTTY === true && (environment["NO_COLOR"] ?? "") === "" && environment["TERM"] !== "dumb";
}
