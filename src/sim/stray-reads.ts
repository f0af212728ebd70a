/**
 * Reads that go astray: what comes, once, stands elsewhere in the file, where it was read before. Sound bytes, and not those
 * that were asked for.
 */
export class StrayReads {
  /** So many there were. */
  count = 0;
  private awaited = false;
  /** By file. */
  private readonly lastOffsets = new Map<string, number>();

  /** The next read that can go astray does. */
  arm(): void {
    this.awaited = true;
  }

  disarm(): void {
    this.awaited = false;
  }

  read(name: string, file: Uint8Array, offset: number, length: number): Uint8Array {
    const right = file.slice(offset, offset + length);
    const elsewhere = this.awaited ? this.lastOffsets.get(name) : undefined;
    // At their beginnings files differ by name alone, and are read whole.
    if (offset > 0) this.lastOffsets.set(name, offset);
    if (elsewhere === undefined || elsewhere === offset) return right;
    this.awaited = false;
    this.count++;
    const stray = new Uint8Array(right.length);
    stray.set(file.subarray(elsewhere, elsewhere + right.length));
    return stray;
  }
}
