import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { SnapshotFiles } from "../wal/snapshot-files.ts";
import { FileReads } from "./file-reads.ts";

/** Segments or snapshots of a directory that must stay as it is: also what a crash left there is not deleted. */
export class DirectoryReads implements Pick<SnapshotFiles, "list" | "size" | "read" | "remove"> {
  private readonly reads: FileReads;

  constructor(private readonly directory: string) {
    this.reads = new FileReads(directory);
  }

  /** An earlier release made no directory of snapshots. */
  list(): string[] {
    return existsSync(this.directory) ? readdirSync(this.directory) : [];
  }

  size(name: string): number {
    return statSync(join(this.directory, name)).size;
  }

  read(name: string, offset: number, length: number): Uint8Array {
    return this.reads.read(name, offset, length);
  }

  remove(_name: string, done: (error?: Error) => void): void {
    done();
  }

  close(): void {
    this.reads.close();
  }
}
