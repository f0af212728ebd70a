import {
  close,
  closeSync,
  fdatasync,
  fsync,
  fsyncSync,
  open,
  openSync,
  readSync,
  readdirSync,
  rename,
  renameSync,
  statSync,
  unlink,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { assert } from "../kernel/assert.ts";
import type { SnapshotFiles } from "../wal/snapshot-files.ts";
import { FileDescriptors } from "./file-descriptors.ts";

type Done = (error?: Error) => void;

/** Ends the names of files that are being deleted. */
const GONE = ".gone";

/**
 * {@link SnapshotFiles} in a directory of the operating system's, for one thread. What takes a file system long (to sync,
 * to free the blocks of a large file) runs on the thread pool.
 */
export class SnapshotDirectory implements SnapshotFiles {
  private readonly descriptors = new FileDescriptors();
  private readonly directoryDescriptor: number;
  /** Made here, and the directory not synced since. */
  private readonly unnamed = new Set<string>();
  private readonly underWay = new Set<Promise<void>>();
  private removals = 0;
  private closed = false;

  /** @param directory exists, and belongs to this process alone */
  constructor(private readonly directory: string) {
    // A name that was there before a crash may not be durable yet, and is acted upon from now on.
    this.directoryDescriptor = openSync(directory, "r");
    fsyncSync(this.directoryDescriptor);
  }

  /** What a process before this one had not deleted yet: to be called by one thread, at the start. */
  sweep(): void {
    for (const name of readdirSync(this.directory)) if (name.endsWith(GONE)) unlinkSync(join(this.directory, name));
  }

  list(): string[] {
    return readdirSync(this.directory).filter((name) => !name.endsWith(GONE));
  }

  size(name: string): number {
    return statSync(join(this.directory, name)).size;
  }

  read(name: string, offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    const descriptor = this.descriptor(name);
    for (let at = 0; at < length;) {
      const count = readSync(descriptor, bytes, at, length - at, offset + at);
      if (count === 0) return bytes.subarray(0, at);
      at += count;
    }
    return bytes;
  }

  create(name: string): void {
    assert(!this.closed, "a closed directory is not used");
    this.descriptors.forget(name);
    this.descriptors.set(name, this.descriptors.open(join(this.directory, name), "w+"));
    this.unnamed.add(name);
  }

  write(name: string, offset: number, bytes: Uint8Array): void {
    const descriptor = this.descriptor(name);
    for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at, bytes.length - at, offset + at);
  }

  /** With a descriptor of its own: the other may be closed meanwhile, and its number be another file's. */
  sync(name: string, done: Done): void {
    const isUnnamed = this.unnamed.has(name);
    const finish = this.begin(done);
    open(join(this.directory, name), "r+", (openError, descriptor) => {
      if (openError !== null) {
        finish(openError);
        return;
      }
      fdatasync(descriptor, (error) => {
        close(descriptor);
        if (error !== null || !isUnnamed) {
          finish(error);
          return;
        }
        this.unnamed.delete(name);
        this.syncDirectory(finish);
      });
    });
  }

  rename(from: string, to: string, done: Done): void {
    const finish = this.begin(done);
    rename(join(this.directory, from), join(this.directory, to), (error) => {
      // Both hold the file that had the name before.
      this.descriptors.forget(from);
      this.descriptors.forget(to);
      this.unnamed.delete(from);
      if (error === null) this.syncDirectory(finish);
      else finish(error);
    });
  }

  remove(name: string, done: Done): void {
    const gone = join(this.directory, `${name}.${++this.removals}${GONE}`);
    this.descriptors.forget(name);
    this.unnamed.delete(name);
    const finish = this.begin(done);
    try {
      renameSync(join(this.directory, name), gone);
    } catch (error) {
      queueMicrotask(() => finish(error instanceof Error ? error : new Error(String(error))));
      return;
    }
    unlink(gone, finish);
  }

  /** Resolves when nothing of this object touches the directory any more. Completions that are due never come. */
  async close(): Promise<void> {
    this.closed = true;
    this.descriptors.close();
    await Promise.all(this.underWay);
    closeSync(this.directoryDescriptor);
  }

  private syncDirectory(finish: (error: Error | null) => void): void {
    fsync(this.directoryDescriptor, finish);
  }

  private begin(done: Done): (error: Error | null) => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.underWay.add(promise);
    return (error) => {
      this.underWay.delete(promise);
      resolve();
      if (!this.closed) done(error ?? undefined);
    };
  }

  private descriptor(name: string): number {
    let descriptor = this.descriptors.get(name);
    if (descriptor === undefined) {
      assert(!this.closed, "a closed directory is not used");
      descriptor = this.descriptors.open(join(this.directory, name), "r+");
      this.descriptors.set(name, descriptor);
    }
    return descriptor;
  }
}
