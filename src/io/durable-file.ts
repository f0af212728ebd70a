import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** Ends the names of files that are not finished. */
export const UNFINISHED = ".tmp";

/** Makes names durable: those created in the directory, renamed or removed. */
export function syncDirectory(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Replaces the file by `text`, whole or not at all, durable on return.
 * Three steps, each for a crash: synced before the rename (else an empty file takes the name), renamed, directory synced.
 */
export function writeFileDurably(path: string, text: string): void {
  const unfinished = path + UNFINISHED;
  const bytes = new TextEncoder().encode(text);
  const descriptor = openSync(unfinished, "w", 0o600);
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(unfinished, path);
  syncDirectory(dirname(path));
}

/** @returns undefined when there is no such file */
export function readFileIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** The operating system's code of an error, as `ENOENT`. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
