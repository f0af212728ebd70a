import { assert } from "../kernel/assert.ts";
import type { Volume } from "../wal/volume.ts";
import { StrayReads } from "./stray-reads.ts";

/** How a full disk refuses a new file. */
export const NO_ROOM: Error = Object.assign(new Error("no room on the simulated disk"), { code: "ENOSPC" });

/** What a disk keeps or loses as a whole. */
export const SECTOR_BYTES = 512;

export interface MemoryVolumeOptions {
  /**
   * Completions of `sync`, `create` and `remove` wait for {@link MemoryVolume.pump}. Otherwise they come before the call returns.
   */
  readonly delayed?: boolean;
  /** Told when a completion starts to wait: the host schedules a `pump` some time later. */
  readonly onPending?: () => void;
}

interface MemoryFile {
  /** What a power cut leaves. */
  durable: Uint8Array;
  /** What the process reads. */
  cache: Uint8Array;
  /** Sectors written and not yet synced. */
  readonly dirty: Set<number>;
}

type Pending =
  | { readonly type: "sync"; readonly name: string; readonly sectors: number[]; readonly done: Done }
  | { readonly type: "create"; readonly name: string; readonly size: number; readonly done: Done }
  | { readonly type: "remove"; readonly name: string; readonly done: Done };
type Done = (error?: Error) => void;

/**
 * Files in memory with a page cache and a disk below it, which a crash tells apart (PROTOCOLS D5): the death of the
 * process keeps the cache, a power cut keeps or loses every unsynced sector on its own. Deterministic.
 *
 * After a crash the log that used the volume must not be used again; its completions never come.
 */
export class MemoryVolume implements Volume {
  private readonly files = new Map<string, MemoryFile>();
  /** Removed, and the directory not synced since: a power cut may bring them back. */
  private readonly removed = new Map<string, MemoryFile>();
  private readonly queue: Pending[] = [];
  private syncFailure: Error | undefined;
  private createFailure: Error | undefined;
  /** What new files may still take, in bytes. */
  roomBytes = Number.POSITIVE_INFINITY;
  /** Since the start. */
  writes = 0;
  syncs = 0;
  powerCuts = 0;
  readonly strayReads = new StrayReads();

  constructor(private readonly options: MemoryVolumeOptions = {}) {}

  list(): string[] {
    return [...this.files.keys()];
  }

  size(name: string): number {
    return this.file(name).cache.length;
  }

  read(name: string, offset: number, length: number): Uint8Array {
    return this.strayReads.read(name, this.file(name).cache, offset, length);
  }

  write(name: string, offset: number, bytes: Uint8Array): void {
    const file = this.file(name);
    assert(offset >= 0 && offset + bytes.length <= file.cache.length, "a write stays within the file");
    file.cache.set(bytes, offset);
    this.writes++;
    if (bytes.length === 0) return;
    const last = Math.floor((offset + bytes.length - 1) / SECTOR_BYTES);
    for (let sector = Math.floor(offset / SECTOR_BYTES); sector <= last; sector++) file.dirty.add(sector);
  }

  sync(name: string, done: Done): void {
    this.begin({ type: "sync", name, sectors: [...this.file(name).dirty], done });
  }

  create(name: string, size: number, done: Done): void {
    assert(!this.files.has(name), "a file is created once");
    this.begin({ type: "create", name, size, done });
  }

  remove(name: string, done: Done): void {
    this.begin({ type: "remove", name, done });
  }

  /** No power cut would take anything of the files. */
  get isDurable(): boolean {
    return [...this.files.values()].every(({ dirty }) => dirty.size === 0);
  }

  /** Completions that wait. */
  get pending(): number {
    return this.queue.length;
  }

  /** Completes what was asked for first. @returns false when nothing waits */
  pump(): boolean {
    const next = this.queue.shift();
    if (next === undefined) return false;
    this.complete(next);
    return true;
  }

  /** `kill -9`: what was written stays in the page cache, durable or not. A file being created is there or not. */
  crashProcess(random: () => number): void {
    this.dropPending(random);
  }

  /** Every sector that was not synced is kept or lost on its own; so is a file being created. */
  crashPower(random: () => number): void {
    this.powerCuts++;
    for (const [name, file] of this.removed) if (random() < 0.5) this.bringBack(name, file);
    this.removed.clear();
    for (const file of this.files.values()) {
      for (const sector of file.dirty) if (random() < 0.5) store(file, sector);
      this.forgetCache(file);
    }
    this.dropPending(random);
  }

  /** A power cut that keeps exactly the sectors for which `keep` says so. */
  crashPowerKeeping(keep: (name: string, sector: number) => boolean): void {
    for (const [name, file] of this.files) {
      for (const sector of file.dirty) if (keep(name, sector)) store(file, sector);
      this.forgetCache(file);
    }
    this.dropPending(() => 1);
  }

  /**
   * The next sync fails as Linux does it: the pages count as clean, the disk never got them, and a process
   * that opens the file again reads them from the cache (Rebello et al., "Can Applications Recover from fsync Failures?", 2020).
   *
   * @param error undefined: it does not fail, after all
   */
  failNextSync(error: Error | undefined): void {
    this.syncFailure = error;
  }

  failNextCreate(error: Error): void {
    this.createFailure = error;
  }

  /** Rot: on the disk and in the cache. */
  flipBit(name: string, bit: number): void {
    const file = this.file(name);
    for (const bytes of [file.durable, file.cache]) {
      const at = bit >>> 3;
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
    }
  }

  /** Overwrites on the disk and in the cache, as rot or a person with an editor would. */
  damage(name: string, offset: number, bytes: Uint8Array): void {
    const file = this.file(name);
    file.durable.set(bytes, offset);
    file.cache.set(bytes, offset);
  }

  /** The file ends there from now on. */
  cut(name: string, size: number): void {
    const { durable, cache } = this.file(name);
    this.files.set(name, { durable: durable.slice(0, size), cache: cache.slice(0, size), dirty: new Set() });
  }

  /** As a person would delete it: for good. */
  lose(name: string): void {
    this.files.delete(name);
  }

  /** The same files, without what is pending. */
  clone(options: MemoryVolumeOptions = {}): MemoryVolume {
    const copy = new MemoryVolume(options);
    for (const [name, { durable, cache, dirty }] of this.files) {
      copy.files.set(name, { durable: durable.slice(), cache: cache.slice(), dirty: new Set(dirty) });
    }
    return copy;
  }

  private begin(operation: Pending): void {
    if (this.options.delayed !== true) {
      this.complete(operation);
      return;
    }
    this.queue.push(operation);
    this.options.onPending?.();
  }

  private complete(operation: Pending): void {
    if (operation.type === "create") this.completeCreate(operation.name, operation.size, operation.done);
    else if (operation.type === "remove") this.completeRemove(operation.name, operation.done);
    else this.completeSync(operation.name, operation.sectors, operation.done);
  }

  private completeCreate(name: string, size: number, done: Done): void {
    const failure = this.createFailure ?? (size > this.roomBytes ? NO_ROOM : undefined);
    this.createFailure = undefined;
    if (failure === undefined) this.addFile(name, size);
    // The directory is synced.
    if (failure === undefined) this.removed.clear();
    done(failure);
  }

  private completeRemove(name: string, done: Done): void {
    this.removed.set(name, this.file(name));
    this.roomBytes += this.size(name);
    this.files.delete(name);
    done();
  }

  private bringBack(name: string, file: MemoryFile): void {
    this.roomBytes -= file.cache.length;
    this.files.set(name, file);
  }

  private completeSync(name: string, sectors: readonly number[], done: Done): void {
    const file = this.file(name);
    const failure = this.syncFailure;
    this.syncFailure = undefined;
    this.syncs++;
    for (const sector of sectors) {
      if (failure === undefined) store(file, sector);
      file.dirty.delete(sector);
    }
    done(failure);
  }

  private addFile(name: string, size: number): void {
    this.roomBytes -= size;
    this.files.set(name, { durable: new Uint8Array(size), cache: new Uint8Array(size), dirty: new Set() });
  }

  private forgetCache(file: MemoryFile): void {
    file.cache.set(file.durable);
    file.dirty.clear();
  }

  private dropPending(random: () => number): void {
    this.strayReads.disarm();
    for (const operation of this.queue) {
      if (operation.type === "sync" || random() >= 0.5) continue;
      if (operation.type === "remove") this.completeRemove(operation.name, () => {});
      else if (operation.size <= this.roomBytes) this.addFile(operation.name, operation.size);
    }
    this.queue.length = 0;
    this.syncFailure = undefined;
    this.createFailure = undefined;
  }

  private file(name: string): MemoryFile {
    const file = this.files.get(name);
    assert(file !== undefined, `the file ${name} exists`);
    return file;
  }
}

function store(file: MemoryFile, sector: number): void {
  const start = sector * SECTOR_BYTES;
  file.durable.set(file.cache.subarray(start, start + SECTOR_BYTES), start);
}
