import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { errorCode } from "../../io/durable-file.ts";
import { StartError } from "../../kernel/start-error.ts";

const PIECE_BYTES = 256 * 1024;

/**
 * Reads the file of a backup from its beginning to its end.
 *
 * @param take the bytes are valid during the call
 * @throws {StartError} when it cannot be read
 */
export function forEachPiece(file: string, take: (bytes: Uint8Array, done: number, total: number) => void): void {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, "r");
    const { size } = fstatSync(descriptor);
    const piece = new Uint8Array(PIECE_BYTES);
    for (let done = 0; ;) {
      const count = readSync(descriptor, piece, 0, PIECE_BYTES, null);
      if (count === 0) return;
      done += count;
      take(piece.subarray(0, count), done, Math.max(size, done));
    }
  } catch (error) {
    const code = errorCode(error);
    // A code of the operating system's: those of ours are in lower case.
    if (code === undefined || code !== code.toUpperCase()) throw error;
    const why = code === "ENOENT" ? "there is no such file" : code;
    throw new StartError(`The backup ${file} cannot be read (${why}): name another file.`);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
