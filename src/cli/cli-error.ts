import { type ErrorCode, errorCodes } from "../api/errors.ts";
import { StartError } from "../kernel/start-error.ts";
import { exitCode } from "./exit-code.ts";

/** Ends of commands that no node names: each with the code to exit with. */
const ownCodes = {
  usage: exitCode.usage,
  configuration: exitCode.configuration,
  not_json: exitCode.badData,
  not_a_backup: exitCode.badData,
  damaged_backup: exitCode.badData,
  other_format: exitCode.badData,
  unreachable: exitCode.unavailable,
  node_failed: exitCode.failure,
  unexpected: exitCode.defect,
} as const;

export type CliErrorCode = keyof typeof ownCodes | ErrorCode;

/** An end of a command that was foreseen and is no success: one sentence for a person, a stable code for a program. */
export class CliError extends Error {
  override name = "CliError";

  constructor(
    readonly code: CliErrorCode,
    message: string,
    options: ErrorOptions & { readonly details?: unknown; readonly exitCode?: number } = {},
  ) {
    super(message, options);
    this.details = options.details;
    this.exitCode = options.exitCode ?? exitCodeOf(code);
  }

  /** What the node added, as it stands. */
  readonly details: unknown;
  readonly exitCode: number;
}

function isErrorCode(code: CliErrorCode): code is ErrorCode {
  return Object.hasOwn(errorCodes, code);
}

function exitCodeOf(code: CliErrorCode): number {
  return isErrorCode(code) ? exitCode.failure : ownCodes[code];
}

/** Anything that a command threw, as an error that can be shown; what was not foreseen keeps its stack for whoever reports it. */
export function asCliError(error: unknown): CliError {
  if (error instanceof CliError) return error;
  if (error instanceof StartError) return new CliError("configuration", error.message);
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new CliError("unexpected", `unexpected: ${text}`, { cause: error });
}

/** What goes to standard error, without the end of its line. With --json: one line that a program can read. */
export function errorText({ code, message, details }: CliError, asJson: boolean): string {
  if (!asJson) return `mufakat: ${message}`;
  return JSON.stringify({ error: details === undefined ? { code, message } : { code, message, details } });
}
