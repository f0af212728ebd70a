import { closeSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { crc32c } from "../kernel/crc32c.ts";
import type { PageStore } from "../queue/pages.ts";

/** A page is written as whole blocks, wherever some are free. */
const BLOCK_BYTES = 16 * 1024;

interface Stored {
  readonly length: number;
  readonly crc: number;
  readonly blocks: readonly number[];
}

/**
 * Pages in a file that only this process knows: it has no name from the start, is never synced, and goes with the process. What is in it
 * can be had again from the snapshot and the log. So long backlogs take disk instead of memory.
 */
export class FilePages implements PageStore {
  private fd: number | undefined;
  private readonly stored = new Map<number, Stored>();
  /** What the disk had no room for, or gave an error. */
  private readonly kept = new Map<number, Uint8Array>();
  private readonly free: number[] = [];
  private blocks = 0;

  /** @param path where the file is made, with the first page; whatever is there goes */
  constructor(private readonly path: string) {}

  /** Of the file, in bytes: it never shrinks, and blocks that are free are used again. */
  get fileBytes(): number {
    return this.blocks * BLOCK_BYTES;
  }

  /** Pages that are in memory, because the disk did not take them. */
  get keptCount(): number {
    return this.kept.size;
  }

  put(id: number, content: Uint8Array): void {
    const blocks = this.allocate(Math.ceil(content.length / BLOCK_BYTES));
    try {
      const fd = this.open();
      for (const [place, block] of blocks.entries()) {
        const piece = content.subarray(place * BLOCK_BYTES, (place + 1) * BLOCK_BYTES);
        for (let at = 0; at < piece.length;) {
          at += writeSync(fd, piece, at, piece.length - at, block * BLOCK_BYTES + at);
        }
      }
    } catch {
      // A disk that is full is no reason to stop: the log says so, and refuses what needs room.
      this.free.push(...blocks);
      this.kept.set(id, content);
      return;
    }
    this.stored.set(id, { length: content.length, crc: crc32c(content, 0, content.length), blocks });
  }

  /** @throws when the file does not give back what was written: the process must end, and begin with its snapshot and log */
  get(id: number): Uint8Array {
    const kept = this.kept.get(id);
    if (kept !== undefined) return kept;
    const page = this.stored.get(id);
    if (page === undefined) throw new Error(`page ${id} is not there`);
    const fd = this.open();
    const content = new Uint8Array(page.length);
    for (const [place, block] of page.blocks.entries()) {
      const start = place * BLOCK_BYTES;
      const end = Math.min(page.length, start + BLOCK_BYTES);
      for (let at = start; at < end;) {
        const read = readSync(fd, content, at, end - at, block * BLOCK_BYTES + at - start);
        if (read === 0) throw new Error(`page ${id} is cut short`);
        at += read;
      }
    }
    if (crc32c(content, 0, content.length) !== page.crc) throw new Error(`page ${id} is damaged`);
    return content;
  }

  delete(id: number): void {
    this.kept.delete(id);
    const page = this.stored.get(id);
    if (page === undefined) return;
    this.stored.delete(id);
    this.free.push(...page.blocks);
  }

  close(): void {
    this.stored.clear();
    this.kept.clear();
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }

  private open(): number {
    if (this.fd === undefined) {
      this.fd = openSync(this.path, "w+", 0o600);
      unlinkSync(this.path);
    }
    return this.fd;
  }

  private allocate(count: number): number[] {
    const blocks: number[] = [];
    for (let i = 0; i < count; i++) blocks.push(this.free.pop() ?? this.blocks++);
    return blocks;
  }
}
