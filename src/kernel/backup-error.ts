/** Bytes that are no backup, or not all of one. The message is what follows "FILE " in a sentence, without its full stop. */
export class BackupError extends Error {
  override name = "BackupError";

  constructor(
    readonly code: "not_a_backup" | "other_format" | "damaged_backup",
    message: string,
  ) {
    super(message);
  }
}
