import type { Socket } from "bun";
import type { ByteSink } from "./peer-writer.ts";

export type PeerSocket = Socket<undefined>;

/** A socket as a {@link ByteSink}: always with offset and size, so that no view is made. */
export function sinkOf(socket: PeerSocket): ByteSink {
  return { write: (bytes, offset, size) => socket.write(bytes, offset, size) };
}

/**
 * Bun hands what a socket handler throws to the `error` handler. That is a bug of ours, perhaps a broken
 * invariant: it must end the process as any other uncaught error does.
 */
export function rethrow(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** The code of an operating system's error, or its message. */
export function errorCode(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}
