/**
 * The few file operations that snapshots need: files that grow, get their name when they are whole, and go. `io/`
 * implements them with a directory, `sim/` with files in memory that crashes tear. One instance a thread may use the same
 * directory; what one writes the other leaves alone.
 */
export interface SnapshotFiles {
  /** Names of all files, in no order. */
  list(): string[];
  /** @returns size in bytes */
  size(name: string): number;
  /** Up to `length` bytes at `offset`; fewer at the end of the file. */
  read(name: string, offset: number, length: number): Uint8Array;
  /** An empty file, also in the place of another. Not durable. */
  create(name: string): void;
  /** Into the page cache, not yet durable. Lets the file grow. @throws what the disk says, want of room for one */
  write(name: string, offset: number, bytes: Uint8Array): void;
  /** What was written before is durable, and the file under its name, when `done` is called. */
  sync(name: string, done: (error?: Error) => void): void;
  /** Durably, when `done` is called; before that either name or the other is there. Replaces a file of that name. */
  rename(from: string, to: string, done: (error?: Error) => void): void;
  /** The name is free at once; the room when `done` is called. Not durably: after a power cut the file may be there again. */
  remove(name: string, done: (error?: Error) => void): void;
}
