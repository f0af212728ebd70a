import { demand } from "../../kernel/bytes.ts";
import type { BlockReader, BlockWriter, Pieces, Steps } from "../../kernel/snapshot-blocks.ts";

/** Of one element of a block: bodies and pages are larger than a block may be. */
const PIECE_BYTES = 32 * 1024;

export function* writeBytes(out: BlockWriter, bytes: Uint8Array): Pieces {
  out.bytes.varint(bytes.length);
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    if (out.isFull) yield out.take();
    out.bytes.raw(bytes.subarray(at, at + PIECE_BYTES));
  }
}

/** A copy: the block is not kept for it. */
export function* readBytes(input: BlockReader, maxBytes: number): Steps<Uint8Array> {
  const size = input.bytes.varint();
  demand(size <= maxBytes, "more bytes than there may be");
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += PIECE_BYTES) {
    if (input.isEmpty) yield;
    bytes.set(input.bytes.raw(Math.min(PIECE_BYTES, size - at)), at);
  }
  return bytes;
}
