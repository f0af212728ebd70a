import { assert } from "../kernel/assert.ts";
import { crc32c } from "../kernel/crc32c.ts";

/** First byte of what the CRC covers. Append only, never renumber. */
export const frameTypes = { hello: 1, welcome: 2, refusal: 3, payload: 4, ping: 5, pong: 6 } as const;

export type FrameType = (typeof frameTypes)[keyof typeof frameTypes];

/** [u32 length of type and body][u32 CRC32C of type and body], then [u8 type][body]; little-endian. */
const PREFIX_BYTES = 8;
/** What a frame takes on the wire beyond its body. */
export const FRAME_OVERHEAD_BYTES = PREFIX_BYTES + 1;

const INITIAL_STORE_BYTES = 64 * 1024;
/** A larger store is given back after the frame that needed it. */
const KEPT_STORE_BYTES = 1024 * 1024;

/** Writes one frame at the start of `target`, which must have room, and returns its size. */
export function writeFrame(target: Uint8Array, type: FrameType, body: Uint8Array): number {
  const size = FRAME_OVERHEAD_BYTES + body.length;
  assert(target.length >= size, "a frame needs room for its overhead and its body");
  target[PREFIX_BYTES] = type;
  target.set(body, FRAME_OVERHEAD_BYTES);
  writeU32(target, 0, size - PREFIX_BYTES);
  writeU32(target, 4, crc32c(target, PREFIX_BYTES, size));
  return size;
}

/** Why a connection cannot go on: `length` out of bounds, `checksum` wrong, or the receiver `rejected` a frame. */
export type FrameFault = "length" | "checksum" | "rejected";

/** @returns false when the frame is not acceptable */
export type FrameReceiver = (type: number, body: Uint8Array) => boolean;

/**
 * Finds the frames in a stream that arrives in arbitrary pieces. A frame that lies whole in a piece is
 * handed out as a view of it; only one that is split is copied together.
 */
export class FrameDecoder {
  private store = new Uint8Array(0);
  /** Bytes of the split frame that are in `store`. Invariant: held < needed. */
  private held = 0;
  /** Bytes that `store` must hold before the next step: the prefix, then the whole frame. */
  private needed = PREFIX_BYTES;
  private fault: FrameFault | undefined;

  /** @param maxBodyBytes bound on a body, checked before memory is taken for it; may be raised later */
  constructor(public maxBodyBytes: number) {}

  /**
   * Hands out every frame that `chunk` completes; the bodies are valid only during the call.
   *
   * @returns what is wrong with the stream: nothing behind it is handed out, then or later
   */
  push(chunk: Uint8Array, receive: FrameReceiver): FrameFault | undefined {
    this.fault ??= this.decode(chunk, receive);
    return this.fault;
  }

  private decode(chunk: Uint8Array, receive: FrameReceiver): FrameFault | undefined {
    let at = 0;
    while (this.held > 0) {
      at += this.hold(chunk, at);
      if (this.held < this.needed) return undefined;
      const fault = this.step(receive);
      if (fault !== undefined) return fault;
    }
    while (chunk.length - at >= PREFIX_BYTES) {
      const length = readU32(chunk, at);
      if (!this.acceptable(length)) return "length";
      const end = at + PREFIX_BYTES + length;
      if (end > chunk.length) break;
      const fault = deliver(chunk, at, end, receive);
      if (fault !== undefined) return fault;
      at = end;
    }
    if (at < chunk.length) this.holdTail(chunk, at);
    return undefined;
  }

  /** The prefix or the whole of a split frame is complete. */
  private step(receive: FrameReceiver): FrameFault | undefined {
    if (this.needed === PREFIX_BYTES) {
      const length = readU32(this.store, 0);
      if (!this.acceptable(length)) return "length";
      this.needed = PREFIX_BYTES + length;
      return undefined;
    }
    const end = this.needed;
    this.held = 0;
    this.needed = PREFIX_BYTES;
    const fault = deliver(this.store, 0, end, receive);
    if (this.store.length > KEPT_STORE_BYTES) this.store = new Uint8Array(0);
    return fault;
  }

  private holdTail(chunk: Uint8Array, from: number): void {
    if (chunk.length - from >= PREFIX_BYTES) this.needed = PREFIX_BYTES + readU32(chunk, from);
    this.hold(chunk, from);
  }

  /** Copies what the split frame still needs, and returns how much that was. */
  private hold(chunk: Uint8Array, from: number): number {
    const size = Math.min(this.needed - this.held, chunk.length - from);
    const total = this.held + size;
    if (total > this.store.length) {
      // Grows with what arrived, not with what was announced: a length alone costs nothing.
      const grown = new Uint8Array(Math.max(total, Math.min(this.needed, this.store.length * 2), INITIAL_STORE_BYTES));
      grown.set(this.store.subarray(0, this.held));
      this.store = grown;
    }
    this.store.set(chunk.subarray(from, from + size), this.held);
    this.held = total;
    return size;
  }

  private acceptable(length: number): boolean {
    return length >= 1 && length <= this.maxBodyBytes + 1;
  }
}

function deliver(source: Uint8Array, start: number, end: number, receive: FrameReceiver): FrameFault | undefined {
  if (crc32c(source, start + PREFIX_BYTES, end) !== readU32(source, start + 4)) return "checksum";
  const body = source.subarray(start + FRAME_OVERHEAD_BYTES, end);
  return receive(source[start + PREFIX_BYTES] ?? 0, body) ? undefined : "rejected";
}

function readU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)) >>> 0
  );
}

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
