/** What was durable is damaged. Never repaired by guessing (PROTOCOLS D4); repair from peers is D7's. */
export class LogCorruptError extends Error {
  override name = "LogCorruptError";

  /** @param what is wrong, without a full stop */
  constructor(
    readonly file: string,
    readonly offset: number,
    what: string,
  ) {
    super(
      `The log is damaged in ${file} at offset ${offset} (${what}): restore the data directory from a backup or replace the node.`,
    );
  }
}

/** The log was written by a newer release. */
export class LogFormatError extends Error {
  override name = "LogFormatError";

  constructor(file: string, found: number, known: number) {
    super(
      `The log file ${file} has format ${found} and this release reads formats up to ${known}: start the newer release.`,
    );
  }
}
