import {
  close,
  closeSync,
  fdatasyncSync,
  fstatSync,
  fsync,
  fsyncSync,
  openSync,
  readSync,
  readdirSync,
  rename,
  statfs,
  unlink,
  unlinkSync,
  write,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { assert } from "../kernel/assert.ts";
import { isNoRoom } from "../wal/errors.ts";
import type { Volume } from "../wal/volume.ts";
import { UNFINISHED } from "./durable-file.ts";
import { FileDescriptors } from "./file-descriptors.ts";

/** Zeros are written in pieces, off the main thread: none holds up a foreground fdatasync for long. */
const ZEROS = new Uint8Array(256 * 1024);

export interface FileVolumeOptions {
  /** Told how long each fdatasync took, in ms. */
  readonly onSynced?: (durationMs: number) => void;
}

type Done = (error?: Error) => void;
/** With the descriptor of the file if and only if there is no error. */
type Created = (error: Error | undefined, descriptor?: number) => void;

const ABANDONED = new Error("the volume was closed");

/**
 * A {@link Volume} in a directory of the operating system's.
 *
 * `write` and `sync` work on the main thread: a hand-over to a thread pool and back costs more than it
 * hides, and a node has nothing to answer before its log is durable. `create` is asynchronous.
 */
export class FileVolume implements Volume {
  private readonly descriptors = new FileDescriptors();
  private readonly directoryDescriptor: number;
  private readonly underWay = new Set<Promise<void>>();
  private failure: Error | undefined;
  private closed = false;

  /** @param directory exists, and belongs to this process alone */
  constructor(
    private readonly directory: string,
    private readonly options: FileVolumeOptions = {},
  ) {
    // A name that was there before a crash may not be durable yet.
    for (const name of readdirSync(directory)) if (name.endsWith(UNFINISHED)) unlinkSync(join(directory, name));
    this.directoryDescriptor = openSync(directory, "r");
    fsyncSync(this.directoryDescriptor);
  }

  list(): string[] {
    return readdirSync(this.directory).filter((name) => !name.endsWith(UNFINISHED));
  }

  size(name: string): number {
    return fstatSync(this.descriptor(name)).size;
  }

  read(name: string, offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.size(name) - offset)));
    const descriptor = this.descriptor(name);
    for (let at = 0; at < bytes.length;) {
      const count = readSync(descriptor, bytes, at, bytes.length - at, offset + at);
      assert(count > 0, "a file does not shrink while it is read");
      at += count;
    }
    return bytes;
  }

  write(name: string, offset: number, bytes: Uint8Array): void {
    const descriptor = this.descriptor(name);
    for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at, bytes.length - at, offset + at);
  }

  /** After a failed fdatasync the page cache lies: a second one would succeed. So no other is tried (PROTOCOLS D9). */
  sync(name: string, done: Done): void {
    const started = performance.now();
    try {
      if (this.failure === undefined) fdatasyncSync(this.descriptor(name));
    } catch (error) {
      this.failure = error instanceof Error ? error : new Error(String(error));
    }
    if (this.failure !== undefined) {
      done(this.failure);
      return;
    }
    this.options.onSynced?.(performance.now() - started);
    done();
  }

  create(name: string, size: number, done: Done): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.underWay.add(promise);
    const isAbandoned = (): boolean => this.closed;
    const path = join(this.directory, name);
    const open = (unfinished: string): number => this.descriptors.open(unfinished, "w+");
    const finish: Created = (error, descriptor) => {
      this.underWay.delete(promise);
      resolve();
      if (this.closed) {
        if (descriptor !== undefined) closeSync(descriptor);
      } else if (descriptor === undefined) done(error);
      else this.created(name, descriptor, done);
    };
    const failed = (error: Error): void => {
      this.failure ??= error;
    };
    requireRoom(this.directory, size, (error) => {
      if (error !== undefined || this.closed) finish(error ?? ABANDONED);
      else createZeroed(path, size, { open, isAbandoned, failed }, finish);
    });
  }

  /** On the thread pool: to free a large file's blocks takes a file system some time. */
  remove(name: string, done: Done): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.underWay.add(promise);
    this.descriptors.forget(name);
    unlink(join(this.directory, name), (error) => {
      this.underWay.delete(promise);
      resolve();
      if (!this.closed) done(error ?? undefined);
    });
  }

  /** The descriptor is kept: there may be no other when the file is needed. */
  private created(name: string, descriptor: number, done: Done): void {
    this.descriptors.set(name, descriptor);
    try {
      fsyncSync(this.directoryDescriptor);
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      this.failure ??= failure;
      done(failure);
      return;
    }
    done();
  }

  /** Resolves when nothing of this volume touches the directory any more. Completions that are due never come. */
  async close(): Promise<void> {
    this.closed = true;
    this.descriptors.close();
    closeSync(this.directoryDescriptor);
    await Promise.all(this.underWay);
  }

  private descriptor(name: string): number {
    let descriptor = this.descriptors.get(name);
    if (descriptor === undefined) {
      assert(!this.closed, "a closed volume is not used");
      descriptor = this.descriptors.open(join(this.directory, name), "r+");
      this.descriptors.set(name, descriptor);
    }
    return descriptor;
  }
}

/**
 * Asks before anything is written: a disk that is nearly full is not filled up and emptied again at every try, at the cost
 * of whoever else uses it. What a file system does not tell (a quota, or no figures at all) shows when it is written.
 */
function requireRoom(directory: string, size: number, done: (error: Error | undefined) => void): void {
  statfs(directory, (error, found) => {
    const isShort = error === null && found.blocks > 0 && found.bavail * found.bsize < size;
    if (!isShort) done(undefined);
    else done(Object.assign(new Error(`ENOSPC: no room for ${size} bytes in ${directory}`), { code: "ENOSPC" }));
  });
}

interface Creation {
  open(path: string): number;
  isAbandoned(): boolean;
  /** An error of fsync that is not want of room: nothing more may be trusted to this disk (PROTOCOLS D9). */
  failed(error: Error): void;
}

/**
 * A file of zeros that are written, not a hole: the file system has nothing left to allocate or to journal when
 * a flush overwrites them, and a full disk shows here instead of there.
 */
function createZeroed(path: string, size: number, creation: Creation, done: Created): void {
  const isAbandoned = (): boolean => creation.isAbandoned();
  const unfinished = path + UNFINISHED;
  let descriptor: number;
  try {
    descriptor = creation.open(unfinished);
  } catch (error) {
    queueMicrotask(() => done(error instanceof Error ? error : new Error(String(error))));
    return;
  }
  const fail = (error: Error): void => close(descriptor, () => unlink(unfinished, () => done(error)));
  const finish = (error: Error | null): void => {
    const failure = error ?? (isAbandoned() ? ABANDONED : undefined);
    if (failure !== undefined) fail(failure);
    else rename(unfinished, path, (renameError) => (renameError ? fail(renameError) : done(undefined, descriptor)));
  };
  writeZeros(descriptor, 0, size, isAbandoned, (error) => {
    if (error !== null) finish(error);
    else
      fsync(descriptor, (failure) => {
        if (failure !== null && !isNoRoom(failure)) creation.failed(failure);
        finish(failure);
      });
  });
}

function writeZeros(
  descriptor: number,
  at: number,
  size: number,
  isAbandoned: () => boolean,
  done: (error: Error | null) => void,
): void {
  if (at === size || isAbandoned()) {
    done(isAbandoned() ? ABANDONED : null);
    return;
  }
  write(descriptor, ZEROS, 0, Math.min(ZEROS.length, size - at), at, (error, written) => {
    if (error !== null) done(error);
    else writeZeros(descriptor, at + written, size, isAbandoned, done);
  });
}
