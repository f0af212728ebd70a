import { CliError } from "../cli-error.ts";

export interface SplitInputs {
  /** Ours. */
  readonly own: readonly string[];
  /** What stands behind the first `--`: a command and its arguments, in which nothing is a flag of ours. */
  readonly behind: readonly string[] | undefined;
}

const HELP = ["--help", "-h"];

/**
 * Cuts `lock run NAME -- COMMAND` at its `--`. Of other commands `--` only says that no flag follows: they stay whole.
 *
 * The library would join what stands on both sides: `lock run -- rm x` would run `x` under a lock called `rm`, and
 * `lock run job backup --ttl 9` would take the command's flag for ours.
 *
 * @returns an error for `lock run` without a command
 */
export function splitAtSeparator(inputs: readonly string[]): SplitInputs | CliError {
  if (inputs[0] !== "lock" || inputs[1] !== "run") return { own: inputs, behind: undefined };
  const at = inputs.indexOf("--");
  const split =
    at < 0 ? { own: inputs, behind: undefined } : { own: inputs.slice(0, at), behind: inputs.slice(at + 1) };
  if ((split.behind ?? []).length > 0 || split.own.some((input) => HELP.includes(input))) return split;
  return new CliError(
    "usage",
    'lock run needs a command behind "--", such as: mufakat lock run nightly -- ./report.sh --full',
  );
}
