import { readSync } from "node:fs";
import { join } from "node:path";
import { FileDescriptors } from "./file-descriptors.ts";

/**
 * Reads files of a directory that another thread writes to: segments that are pinned, snapshots. Touches nothing; a
 * `FileVolume` there would delete what the other one is making.
 */
export class FileReads {
  private readonly descriptors = new FileDescriptors();

  constructor(private readonly directory: string) {}

  /** Up to `length` bytes at `offset`; fewer at the end of the file. */
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

  close(): void {
    this.descriptors.close();
  }

  private descriptor(name: string): number {
    let descriptor = this.descriptors.get(name);
    if (descriptor === undefined) {
      descriptor = this.descriptors.open(join(this.directory, name), "r");
      this.descriptors.set(name, descriptor);
    }
    return descriptor;
  }
}
