import { assert } from "../kernel/assert.ts";
import type { SnapshotFiles } from "../wal/snapshot-files.ts";
import { NO_ROOM, SECTOR_BYTES } from "./memory-volume.ts";
import { StrayReads } from "./stray-reads.ts";

interface MemoryFile {
  /** What a power cut leaves. */
  durable: Uint8Array;
  /** What the process reads. */
  cache: Uint8Array;
  /** Sectors written and not yet synced. */
  readonly dirty: Set<number>;
}

/** What happened to the directory since it was synced. */
type Change =
  | { readonly type: "create"; readonly name: string; readonly file: MemoryFile }
  | { readonly type: "rename"; readonly from: string; readonly to: string; readonly file: MemoryFile }
  | { readonly type: "remove"; readonly name: string };

type Done = (error?: Error) => void;

export interface MemorySnapshotFilesOptions {
  /** Completions wait for {@link MemorySnapshotFiles.pump}. Otherwise they come before the call returns. */
  readonly delayed?: boolean;
  /** Told when a completion starts to wait: the host schedules a `pump` some time later. */
  readonly onPending?: () => void;
}

/**
 * Files in memory that grow and are renamed, with a page cache and a disk below it, as `MemoryVolume`: a power cut keeps or
 * loses every unsynced sector, and every change of the directory that was not synced, on its own. Deterministic.
 */
export class MemorySnapshotFiles implements SnapshotFiles {
  /** As the process sees it, and as a power cut leaves it but for `changes`. */
  private names = new Map<string, MemoryFile>();
  private durableNames = new Map<string, MemoryFile>();
  private changes: Change[] = [];
  private readonly queue: (() => void)[] = [];
  private syncFailure: Error | undefined;
  readonly strayReads = new StrayReads();
  /** What files may still grow by, in bytes. */
  roomBytes = Number.POSITIVE_INFINITY;

  constructor(private readonly options: MemorySnapshotFilesOptions = {}) {}

  list(): string[] {
    return [...this.names.keys()];
  }

  size(name: string): number {
    return this.file(name).cache.length;
  }

  read(name: string, offset: number, length: number): Uint8Array {
    return this.strayReads.read(name, this.file(name).cache, offset, length);
  }

  create(name: string): void {
    const file: MemoryFile = { durable: new Uint8Array(0), cache: new Uint8Array(0), dirty: new Set() };
    this.names.set(name, file);
    this.changes.push({ type: "create", name, file });
  }

  write(name: string, offset: number, bytes: Uint8Array): void {
    const file = this.file(name);
    const growth = Math.max(0, offset + bytes.length - file.cache.length);
    if (growth > this.roomBytes) throw NO_ROOM;
    this.roomBytes -= growth;
    if (growth > 0) file.cache = grown(file.cache, offset + bytes.length);
    file.cache.set(bytes, offset);
    const last = Math.floor((offset + bytes.length - 1) / SECTOR_BYTES);
    for (let sector = Math.floor(offset / SECTOR_BYTES); sector <= last; sector++) file.dirty.add(sector);
  }

  sync(name: string, done: Done): void {
    const file = this.names.get(name);
    const sectors = [...(file?.dirty ?? [])];
    this.begin(() => {
      const failure = this.syncFailure ?? (file === undefined ? new Error("ENOENT") : undefined);
      this.syncFailure = undefined;
      if (failure === undefined && file !== undefined) {
        for (const sector of sectors) store(file, sector);
        this.syncDirectory();
      }
      done(failure);
    });
  }

  rename(from: string, to: string, done: Done): void {
    const file = this.file(from);
    this.names.delete(from);
    this.names.set(to, file);
    this.changes.push({ type: "rename", from, to, file });
    this.begin(() => {
      this.syncDirectory();
      done();
    });
  }

  remove(name: string, done: Done): void {
    const size = this.names.get(name)?.cache.length ?? 0;
    this.names.delete(name);
    this.changes.push({ type: "remove", name });
    this.begin(() => {
      this.roomBytes += size;
      done();
    });
  }

  /** Completions that wait. */
  get pending(): number {
    return this.queue.length;
  }

  /** Completes what was asked for first. @returns false when nothing waits */
  pump(): boolean {
    const next = this.queue.shift();
    next?.();
    return next !== undefined;
  }

  /**
   * `kill -9`: what was written stays in the page cache, durable or not. The next process syncs the directory before it
   * reads it, as `SnapshotDirectory` does: a name that it acts upon does not go away again (PROTOCOLS D5).
   */
  crashProcess(): void {
    this.forgetPending();
    this.syncDirectory();
  }

  crashPower(random: () => number): void {
    this.forgetPending();
    const files = new Set([...this.names.values(), ...this.durableNames.values()]);
    for (const file of files) {
      for (const sector of file.dirty) if (random() < 0.5) store(file, sector);
      file.dirty.clear();
      file.cache = file.durable.slice();
    }
    for (const change of this.changes) if (random() < 0.5) apply(this.durableNames, change);
    this.changes = [];
    this.names = new Map(this.durableNames);
  }

  /** What any power cut would leave: files that are on the disk under a name that stays, as they are there. */
  *durableFiles(): Generator<readonly [name: string, bytes: Uint8Array]> {
    for (const [name, file] of this.durableNames) {
      if (this.names.get(name) === file && file.dirty.size === 0) yield [name, file.durable];
    }
  }

  /** @param error undefined: it does not fail, after all */
  failNextSync(error: Error | undefined): void {
    this.syncFailure = error;
  }

  /** Overwrites on the disk and in the cache, as rot or a person with an editor would. */
  damage(name: string, offset: number, bytes: Uint8Array): void {
    const file = this.file(name);
    // What is in the cache alone has no place there yet.
    if (offset + bytes.length <= file.durable.length) file.durable.set(bytes, offset);
    file.cache.set(bytes, offset);
  }

  private forgetPending(): void {
    this.queue.length = 0;
    this.syncFailure = undefined;
    this.strayReads.disarm();
  }

  private syncDirectory(): void {
    this.durableNames = new Map(this.names);
    this.changes = [];
  }

  private begin(complete: () => void): void {
    if (this.options.delayed !== true) {
      complete();
      return;
    }
    this.queue.push(complete);
    this.options.onPending?.();
  }

  private file(name: string): MemoryFile {
    const file = this.names.get(name);
    assert(file !== undefined, `the file ${name} exists`);
    return file;
  }
}

function apply(names: Map<string, MemoryFile>, change: Change): void {
  if (change.type === "create") names.set(change.name, change.file);
  else if (change.type === "remove") names.delete(change.name);
  else {
    names.delete(change.from);
    names.set(change.to, change.file);
  }
}

function store(file: MemoryFile, sector: number): void {
  const start = sector * SECTOR_BYTES;
  const bytes = file.cache.subarray(start, start + SECTOR_BYTES);
  if (start + bytes.length > file.durable.length) file.durable = grown(file.durable, start + bytes.length);
  file.durable.set(bytes, start);
  file.dirty.delete(sector);
}

function grown(bytes: Uint8Array, size: number): Uint8Array {
  const larger = new Uint8Array(size);
  larger.set(bytes);
  return larger;
}
