import { StartError } from "../kernel/start-error.ts";

/** Reads decimal seconds of a flag. @returns a parser that gives ms and throws {@link StartError} */
export function secondsBetween(flag: string, minimum: number, maximum: number): (input: string) => number {
  return (input) => {
    const seconds = /^\d{1,9}(\.\d{1,9})?$/.test(input) ? Number(input) : Number.NaN;
    if (seconds >= minimum && seconds <= maximum) return Math.ceil(seconds * 1000);
    throw new StartError(`${flag} must be a number of seconds from ${minimum} to ${maximum}, not "${input}".`);
  };
}
