/**
 * The few file operations that the write-ahead log needs. `io/` implements them with the operating
 * system's files, `sim/` with files in memory that lose, tear and flip what a real disk may.
 */
export interface Volume {
  /** Names of all files, in no order. */
  list(): string[];
  /** @returns size in bytes */
  size(name: string): number;
  /** Up to `length` bytes at `offset`; fewer at the end of the file. */
  read(name: string, offset: number, length: number): Uint8Array;
  /** Into the page cache, not yet durable. Within the file's size only. */
  write(name: string, offset: number, bytes: Uint8Array): void;
  /**
   * fdatasync. `done` may be called before `sync` returns; an error is fatal for the log (PROTOCOLS D9)
   * and `done` is then called with it, once.
   */
  sync(name: string, done: (error?: Error) => void): void;
  /**
   * A new file of `size` zero bytes, durable under its name (file and directory synced) when `done` is called.
   * Before that the name does not exist, after a crash neither or whole.
   */
  create(name: string, size: number, done: (error?: Error) => void): void;
  /** Not durably: after a power cut the file may be there again. What failed is tried again at the next start. */
  remove(name: string, done: (error?: Error) => void): void;
}
