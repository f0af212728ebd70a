/** New positions are noted at least this far apart: a reader walks the frames between, and memory stays small. */
const STRIDE_BYTES = 32 * 1024;

/** A place in the log from which a reader that walks on meets the entry. */
export interface Position {
  /** Number of the segment. */
  readonly segment: number;
  /** Of the unit. */
  readonly offset: number;
  /** The last index that may be read from here on. */
  readonly lastIndex: number;
}

/**
 * Where the entries of one group stand. A row covers the indexes from its first one to the next row's; these
 * stand in one segment, in order, without a truncation between: 20 bytes for some 32 KiB of log.
 */
export class PositionIndex {
  /** Invariant: strictly ascending in 0…rows−1. */
  private firstIndexes = new Float64Array(16);
  private segments = new Uint32Array(16);
  private offsets = new Uint32Array(16);
  private rows = 0;
  private truncated = false;
  private end = 0;

  /** Of the last entry, or where the log begins. */
  get lastIndex(): number {
    return this.end;
  }

  /** All entries from here to the last have a position; lastIndex + 1 when none has. */
  get firstIndex(): number {
    return this.rows === 0 ? this.end + 1 : (this.firstIndexes[0] ?? 0);
  }

  /** No entry has a position, and the next one is behind `index`. */
  restart(index: number): void {
    this.rows = 0;
    this.end = index;
  }

  /** Forgets positions that entries behind `index` do not need. */
  compact(index: number): void {
    let drop = 0;
    while (drop < this.rows && this.lastIndexOf(drop) <= index) drop++;
    if (drop === 0) return;
    for (const column of [this.firstIndexes, this.segments, this.offsets]) column.copyWithin(0, drop, this.rows);
    this.rows -= drop;
  }

  /** Notes entries `firstIndex`…`lastIndex` in the unit at `offset`. */
  append(firstIndex: number, lastIndex: number, segment: number, offset: number): void {
    this.end = lastIndex;
    const last = this.rows - 1;
    const near = last >= 0 && this.segments[last] === segment && offset - (this.offsets[last] ?? 0) < STRIDE_BYTES;
    if (near && !this.truncated) return;
    this.truncated = false;
    if (this.rows === this.offsets.length) this.grow();
    this.firstIndexes[this.rows] = firstIndex;
    this.segments[this.rows] = segment;
    this.offsets[this.rows] = offset;
    this.rows++;
  }

  truncate(fromIndex: number): void {
    while (this.rows > 0 && (this.firstIndexes[this.rows - 1] ?? 0) >= fromIndex) this.rows--;
    this.end = Math.min(this.end, fromIndex - 1);
    this.truncated = true;
  }

  /** @returns undefined for an index that is not in the log */
  find(index: number): Position | undefined {
    if (index > this.end) return undefined;
    let low = 0;
    let high = this.rows;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.firstIndexes[middle] ?? 0) <= index) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return undefined;
    return this.row(low - 1);
  }

  /** In order, for entries `from`…`to`. */
  range(from: number, to: number): Position[] {
    const found: Position[] = [];
    for (let next = from; next <= to;) {
      const position = this.find(next);
      if (position === undefined) break;
      found.push(position);
      next = position.lastIndex + 1;
    }
    return found;
  }

  private row(row: number): Position {
    return {
      segment: this.segments[row] ?? 0,
      offset: this.offsets[row] ?? 0,
      lastIndex: this.lastIndexOf(row),
    };
  }

  private lastIndexOf(row: number): number {
    return row + 1 < this.rows ? (this.firstIndexes[row + 1] ?? 0) - 1 : this.end;
  }

  private grow(): void {
    const firstIndexes = new Float64Array(this.rows * 2);
    const segments = new Uint32Array(this.rows * 2);
    const offsets = new Uint32Array(this.rows * 2);
    firstIndexes.set(this.firstIndexes);
    segments.set(this.segments);
    offsets.set(this.offsets);
    this.firstIndexes = firstIndexes;
    this.segments = segments;
    this.offsets = offsets;
  }
}
