import { ByteReader, ByteWriter, demand } from "./bytes.ts";
import { limits } from "./limits.ts";

/**
 * Content is a row of blocks, each of a length (four bytes) and whole *elements*: a session, a hold, one name of a list. So
 * both sides stop between two elements alone, and a long list, whatever it belongs to, is never one long turn (PROTOCOLS D10).
 */
const LENGTH_BYTES = 4;
/** A block ends with the element that reaches this. No element has a tenth of that: names and values are short, lists are cut. */
const FULL_BYTES = limits.maxSnapshotChunkBytes / 4;

/** What a writer gives out as it goes. */
export type Pieces = Generator<Uint8Array, void>;
/** A reader that stops where it needs the next block. */
export type Steps<Value = void> = Generator<undefined, Value>;

/** Where elements are written. Before each: `if (out.isFull) yield out.take();` */
export class BlockWriter {
  readonly bytes = new ByteWriter(limits.maxSnapshotChunkBytes);

  constructor() {
    this.bytes.skip(LENGTH_BYTES);
  }

  get isFull(): boolean {
    return this.bytes.length >= FULL_BYTES;
  }

  /** The block so far; the next one begins. */
  take(): Uint8Array {
    const { bytes } = this;
    bytes.patchU32(0, bytes.length - LENGTH_BYTES);
    const block = bytes.copy();
    bytes.reset();
    bytes.skip(LENGTH_BYTES);
    return block;
  }
}

/** Where elements are read from. Before each: `if (input.isEmpty) yield;` */
export class BlockReader {
  /** The block at hand: another one after each `yield`. */
  bytes = new ByteReader(new Uint8Array(0));

  get isEmpty(): boolean {
    return this.bytes.remaining === 0;
  }
}

/** @returns undefined while the block at `offset` is not all there */
export function readBlock(bytes: Uint8Array, offset: number): { block: ByteReader; end: number } | undefined {
  if (bytes.length - offset < LENGTH_BYTES) return undefined;
  const size = new ByteReader(bytes, offset).u32();
  demand(size > 0 && size <= limits.maxSnapshotChunkBytes - LENGTH_BYTES, `a block of ${size} bytes`);
  const end = offset + LENGTH_BYTES + size;
  if (end > bytes.length) return undefined;
  return { block: new ByteReader(bytes, offset + LENGTH_BYTES, end), end };
}

export function* writeList<Item>(
  out: BlockWriter,
  items: readonly Item[],
  write: (bytes: ByteWriter, item: Item) => void,
): Pieces {
  out.bytes.varint(items.length);
  for (const item of items) {
    if (out.isFull) yield out.take();
    write(out.bytes, item);
  }
}

/** @param read takes one byte at least, so that a forged count allocates nothing */
export function* readList<Item>(input: BlockReader, read: (bytes: ByteReader) => Item): Steps<Item[]> {
  const count = input.bytes.varint();
  const items: Item[] = [];
  for (let i = 0; i < count; i++) {
    if (input.isEmpty) yield;
    items.push(read(input.bytes));
  }
  return items;
}
