/** What was durable is damaged, or gone. Never repaired by guessing (PROTOCOLS D4), but from peers (D7). */
export class LogDamageError extends Error {
  /** @param damage what, and where; without a full stop */
  constructor(
    readonly damage: string,
    advice = "restore the data directory from a backup or replace the node",
  ) {
    super(`${damage}: ${advice}.`);
  }
}

export class LogCorruptError extends LogDamageError {
  override name = "LogCorruptError";

  /** @param what is wrong, without a full stop */
  constructor(
    readonly file: string,
    readonly offset: number,
    what: string,
  ) {
    super(`The log is damaged in ${file} at offset ${offset} (${what})`);
  }
}

/** What the log has forgotten is in no snapshot that can be read. */
export class SnapshotLostError extends LogDamageError {
  override name = "SnapshotLostError";

  /** @param damaged the files that were snapshots of the group */
  constructor(group: number, index: number, damaged: readonly string[]) {
    const why = damaged.length === 0 ? "is missing" : `is damaged (${damaged.join(", ")})`;
    super(
      `The snapshot of group ${group} that holds its entries up to ${index} ${why} and the log does not reach back to an earlier one`,
    );
  }
}

/** Nothing that can be read says whom this node gave its vote: with its old identity it must never vote again (PROTOCOLS M1). */
export class AmnesiaError extends LogDamageError {
  override name = "AmnesiaError";

  constructor(damage: string) {
    super(
      `The node has lost its term and its vote (${damage})`,
      "replace it with `mufakat cluster replace`, and start it with an empty --data and --join",
    );
  }
}

/** The bytes that came in are not the snapshot that they were said to be. Nothing of them is kept. */
export class SnapshotDamagedError extends Error {
  override name = "SnapshotDamagedError";
}

/** The codes of a disk, a quota or a limit on the size of files that has no room. */
const NO_ROOM = new Set<unknown>(["ENOSPC", "EDQUOT", "EFBIG"]);

/** Want of room ends by itself and costs nothing that is there; any other error of a disk is fatal (PROTOCOLS D9). */
export function isNoRoom(error: Error): boolean {
  return "code" in error && NO_ROOM.has(error.code);
}

/** A file was written by a newer release. */
export class LogFormatError extends Error {
  override name = "LogFormatError";

  constructor(file: string, found: number, known: number) {
    super(
      `The log file ${file} has format ${found} and this release reads formats up to ${known}: start the newer release.`,
    );
  }
}

/** A snapshot was written by a newer release. */
export class SnapshotFormatError extends Error {
  override name = "SnapshotFormatError";

  constructor(file: string) {
    super(`The snapshot ${file} has a format that this release does not read: start the newer release.`);
  }
}
