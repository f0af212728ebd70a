import { assert } from "../kernel/assert.ts";
import type { Volume } from "./volume.ts";

interface ScratchFile {
  readonly size: number;
  /** Nothing of it is on the disk. */
  readonly isNew: boolean;
  /** In the order in which they were written. */
  readonly patches: { readonly offset: number; readonly bytes: Uint8Array }[];
}

/**
 * Opens a log that must stay as it is: what is read comes from its files, what is written stays in memory, and nothing of it
 * is ever durable. So what opening does to a log (the last flush written again, a torn one zeroed) happens to nobody's.
 */
export class ScratchVolume implements Volume {
  private readonly files = new Map<string, ScratchFile>();

  constructor(private readonly source: Pick<Volume, "list" | "size" | "read">) {
    for (const name of source.list()) this.files.set(name, { size: source.size(name), isNew: false, patches: [] });
  }

  list(): string[] {
    return [...this.files.keys()];
  }

  size(name: string): number {
    return this.file(name).size;
  }

  read(name: string, offset: number, length: number): Uint8Array {
    const { size, isNew, patches } = this.file(name);
    const end = Math.max(offset, Math.min(size, offset + length));
    const bytes = isNew ? new Uint8Array(end - offset) : this.source.read(name, offset, end - offset);
    for (const patch of patches) {
      const from = Math.max(offset, patch.offset);
      const to = Math.min(end, patch.offset + patch.bytes.length);
      if (from < to) bytes.set(patch.bytes.subarray(from - patch.offset, to - patch.offset), from - offset);
    }
    return bytes;
  }

  write(name: string, offset: number, bytes: Uint8Array): void {
    const { size, patches } = this.file(name);
    assert(offset >= 0 && offset + bytes.length <= size, "a write stays within the file");
    patches.push({ offset, bytes: bytes.slice() });
  }

  sync(_name: string, done: (error?: Error) => void): void {
    done();
  }

  create(name: string, size: number, done: (error?: Error) => void): void {
    assert(!this.files.has(name), "a file is created once");
    this.files.set(name, { size, isNew: true, patches: [] });
    done();
  }

  remove(name: string, done: (error?: Error) => void): void {
    this.files.delete(name);
    done();
  }

  private file(name: string): ScratchFile {
    const file = this.files.get(name);
    assert(file !== undefined, `the file ${name} exists`);
    return file;
  }
}
