import { assert } from "./assert.ts";
import { readUtf8, utf8Length, writeUtf8 } from "./utf8.ts";

/** Bytes from a peer or a file that are not what they claim to be. Caught at the decoding boundary. */
export class DecodeError extends Error {
  override name = "DecodeError";
}

/** @throws {DecodeError} unless it holds: bytes that claim what cannot be are refused before anybody acts on them */
export function demand(condition: boolean, message: string): asserts condition {
  if (!condition) throw new DecodeError(message);
}

const EMPTY = new Uint8Array(0);

/** Encodes into one growing buffer. Little-endian; a varint is LEB128 of an integer in 0…2⁵³−1. */
export class ByteWriter {
  private bytes: Uint8Array;
  private view: DataView;
  /** Bytes written. Invariant: 0 ≤ length ≤ capacity. */
  length = 0;

  constructor(capacity = 256) {
    this.bytes = new Uint8Array(capacity);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Forgets what was written and keeps the memory. Views from {@link view} become invalid. */
  reset(): void {
    this.length = 0;
  }

  /** What was written, without a copy: valid until the next write or reset. */
  written(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  /** What was written, as a copy of its own. */
  copy(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }

  /** Makes room for `size` bytes to be filled in later with a `patch…`, and returns their offset. */
  skip(size: number): number {
    this.reserve(size);
    const at = this.length;
    this.bytes.fill(0, at, at + size);
    this.length += size;
    return at;
  }

  patchU32(offset: number, value: number): void {
    this.view.setUint32(offset, value, true);
  }

  u8(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  u32(value: number): void {
    this.reserve(4);
    this.view.setUint32(this.length, value, true);
    this.length += 4;
  }

  /** @param value an integer in 0…2⁵³−1 */
  varint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, "a varint holds an integer in 0…2^53-1");
    this.reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.bytes[this.length++] = (rest % 128) | 0x80;
      rest = rest < 0x80000000 ? rest >>> 7 : Math.floor(rest / 128);
    }
    this.bytes[this.length++] = rest;
  }

  /** The bytes as they are, no length before them. */
  raw(value: Uint8Array): void {
    this.reserve(value.length);
    this.bytes.set(value, this.length);
    this.length += value.length;
  }

  /** A varint of the length, then the bytes. */
  blob(value: Uint8Array): void {
    this.varint(value.length);
    this.raw(value);
  }

  /** A varint of the length in bytes, then UTF-8. */
  string(value: string): void {
    const size = utf8Length(value);
    this.varint(size);
    this.reserve(size);
    this.length = writeUtf8(this.bytes, this.length, value);
  }

  private reserve(size: number): void {
    const needed = this.length + size;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }
}

/** Decodes what {@link ByteWriter} wrote. Every method throws {@link DecodeError} at the first byte that does not fit. */
export class ByteReader {
  constructor(
    private readonly bytes: Uint8Array,
    private offset = 0,
    private readonly end = bytes.length,
  ) {}

  get position(): number {
    return this.offset;
  }

  get remaining(): number {
    return this.end - this.offset;
  }

  u8(): number {
    this.need(1);
    return this.bytes[this.offset++] ?? 0;
  }

  u32(): number {
    // By hand: a DataView for each reader would cost more than the whole decoding of a command.
    let value = 0;
    for (let i = 0; i < 4; i++) value += this.u8() * 2 ** (8 * i);
    return value;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) throw new DecodeError("a varint is beyond 2^53-1");
        return value;
      }
      scale *= 128;
    }
    throw new DecodeError("a varint is longer than 8 bytes");
  }

  /** A view on `size` bytes, without a copy. */
  raw(size: number): Uint8Array {
    this.need(size);
    const value = this.bytes.subarray(this.offset, this.offset + size);
    this.offset += size;
    return value;
  }

  /** A view, without a copy. */
  blob(): Uint8Array {
    const size = this.varint();
    return size === 0 ? EMPTY : this.raw(size);
  }

  string(): string {
    const size = this.varint();
    this.need(size);
    const text = readUtf8(this.bytes, this.offset, this.offset + size);
    if (text === undefined) throw new DecodeError("text is not UTF-8");
    this.offset += size;
    return text;
  }

  /** @throws {DecodeError} when bytes are left over: an unknown field is refused, not skipped */
  finish(): void {
    if (this.remaining !== 0) throw new DecodeError(`${this.remaining} bytes too many`);
  }

  private need(size: number): void {
    if (size > this.end - this.offset) throw new DecodeError("cut short");
  }
}
