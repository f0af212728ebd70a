import { FRAME_OVERHEAD_BYTES, type FrameType, writeFrame } from "./peer-frames.ts";

/** The part of a socket that is written to: takes what the kernel has room for, and buffers nothing itself. */
export interface ByteSink {
  /** @returns bytes taken, or a negative number when the socket is closed */
  write(bytes: Uint8Array, offset: number, size: number): number;
}

const CHUNK_BYTES = 256 * 1024;

/** One frame is laid out here, header and body together, so that it leaves in one system call. */
let scratch = new Uint8Array(CHUNK_BYTES);

/**
 * Sends frames over one socket: at once while the kernel takes them, and from a bounded buffer after that.
 * The engine coalesces what it sends in a turn, so holding a frame back would only add latency.
 */
export class FrameWriter {
  /** What the kernel did not take yet, in order. The first chunk starts at `head`, the last ends at `tail`. */
  private readonly chunks: Uint8Array[] = [];
  private head = 0;
  private tail = 0;
  /** Invariant: 0 ≤ bufferedBytes ≤ max(maxBufferBytes, the rest of one frame). */
  bufferedBytes = 0;

  constructor(
    private readonly sink: ByteSink,
    private readonly maxBufferBytes: number,
  ) {}

  /** @returns false when the frame was dropped, whole: the buffer is full or the socket is closed */
  send(type: FrameType, body: Uint8Array): boolean {
    const size = FRAME_OVERHEAD_BYTES + body.length;
    if (this.bufferedBytes > 0 && this.bufferedBytes + size > this.maxBufferBytes) return false;
    if (size > scratch.length) scratch = new Uint8Array(Math.max(size, scratch.length * 2));
    writeFrame(scratch, type, body);
    let written = 0;
    if (this.bufferedBytes === 0) {
      written = this.sink.write(scratch, 0, size);
      if (written < 0) return false;
    }
    this.hold(scratch, written, size);
    return true;
  }

  /** Goes on where the kernel stopped. To be called when the socket drains. */
  drain(): void {
    for (let chunk = this.chunks[0]; chunk !== undefined; chunk = this.chunks[0]) {
      const end = this.chunks.length === 1 ? this.tail : chunk.length;
      const written = this.sink.write(chunk, this.head, end - this.head);
      if (written <= 0) return;
      this.bufferedBytes -= written;
      this.head += written;
      if (this.head < end) return;
      this.chunks.shift();
      this.head = 0;
    }
  }

  private hold(bytes: Uint8Array, from: number, to: number): void {
    let at = from;
    while (at < to) {
      let last = this.chunks.at(-1);
      if (last === undefined || this.tail === last.length) {
        last = new Uint8Array(CHUNK_BYTES);
        this.chunks.push(last);
        this.tail = 0;
      }
      const size = Math.min(to - at, last.length - this.tail);
      last.set(bytes.subarray(at, at + size), this.tail);
      this.tail += size;
      at += size;
    }
    this.bufferedBytes += to - from;
  }
}
