import {
  AliasNotFoundError,
  ArgumentParseError,
  FlagNotFoundError,
  UnexpectedFlagError,
  UnexpectedPositionalError,
  UnsatisfiedPositionalError,
  UnsatisfiedFlagError,
} from "@stricli/core";
import { StartError } from "../kernel/start-error.ts";
import { kebabCase } from "./configuration/definitions.ts";

/**
 * What is wrong with a command line, in one sentence.
 *
 * By class and not by the library's own formatter: that looks the class up by its name, which is another one in the
 * minified executable.
 */
export function argumentErrorText(error: unknown): string {
  if (error instanceof FlagNotFoundError) {
    return withHelp(`there is no flag --${error.input}${suggestion(error.corrections.map(flagName))}`);
  }
  if (error instanceof AliasNotFoundError) return withHelp(`there is no flag -${error.input}`);
  if (error instanceof UnsatisfiedFlagError) return withHelp(`${flagName(error.externalFlagName)} needs a value`);
  if (error instanceof UnexpectedFlagError) {
    return withHelp(`${flagName(error.externalFlagName)} is given more than once`);
  }
  if (error instanceof UnexpectedPositionalError) return withHelp(`"${error.input}" is one argument too many`);
  if (error instanceof UnsatisfiedPositionalError) return withHelp(`${error.placeholder} is missing`);
  if (error instanceof ArgumentParseError) {
    // A parser of ours says what it takes; the library's are those of switches.
    if (error.exception instanceof StartError) return error.exception.message;
    const flag = flagName(error.externalFlagNameOrPlaceholder);
    return withHelp(`${flag} is a switch and takes no value such as "${error.input}"`);
  }
  return withHelp(error instanceof Error ? error.message : String(error));
}

/** ` (did you mean x or y?)`, or nothing. */
export function suggestion(corrections: readonly string[]): string {
  return corrections.length === 0 ? "" : ` (did you mean ${corrections.join(" or ").replaceAll("`", "")}?)`;
}

function withHelp(text: string): string {
  return `${text}; --help lists what there is.`;
}

function flagName(name: string): string {
  return `--${kebabCase(name)}`;
}
