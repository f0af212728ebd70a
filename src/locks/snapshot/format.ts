import { DecodeError } from "../../kernel/bytes.ts";

/** What every snapshot of the lock machine begins with: eight bytes, then the format as four, little-endian. */
export const MAGIC = Uint8Array.from("MUFLOCKS", (letter) => letter.charCodeAt(0));
export const HEAD_BYTES = MAGIC.length + 4;

/** Rises with every change of what stands behind the head. */
export const FORMAT = 1;

/** The snapshot was made by another version of the program: it is not damaged, and this version cannot read it. */
export class SnapshotVersionError extends DecodeError {
  override name = "SnapshotVersionError";

  constructor(readonly format: number) {
    super(`a snapshot of the lock machine in format ${format}; this version reads format ${FORMAT}`);
  }
}

/** @throws {DecodeError} unless it holds: bytes that claim what cannot be are refused before the machine has it */
export function demand(condition: boolean, message: string): asserts condition {
  if (!condition) throw new DecodeError(message);
}
