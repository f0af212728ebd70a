import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FrameDecoder, frameTypes } from "../../../src/io/peer-frames.ts";
import { type ByteSink, FrameWriter } from "../../../src/io/peer-writer.ts";

/** A kernel that takes as many bytes as the test allows. */
class Kernel implements ByteSink {
  readonly bodies: Uint8Array[] = [];
  room = 0;
  writes = 0;
  closed = false;
  private readonly decoder = new FrameDecoder(1 << 24);

  write(bytes: Uint8Array, offset: number, size: number): number {
    if (this.closed) return -1;
    this.writes++;
    const taken = Math.min(size, this.room);
    this.room -= taken;
    const chunk = bytes.slice(offset, offset + taken);
    expect(this.decoder.push(chunk, (_type, body) => this.bodies.push(body.slice()) > 0)).toBeUndefined();
    return taken;
  }
}

describe("the writer of peer frames", () => {
  test("sends a frame at once, in one write, when nothing waits", () => {
    const kernel = new Kernel();
    kernel.room = 1 << 20;
    const writer = new FrameWriter(kernel, 1000);
    expect(writer.send(frameTypes.payload, new Uint8Array(500).fill(7))).toBe(true);
    expect(kernel.writes).toBe(1);
    expect(kernel.bodies).toEqual([new Uint8Array(500).fill(7)]);
    expect(writer.bufferedBytes).toBe(0);
  });

  test("goes on in the middle of a frame when there is room again", () => {
    const kernel = new Kernel();
    const writer = new FrameWriter(kernel, 10_000);
    kernel.room = 5;
    writer.send(frameTypes.payload, Uint8Array.of(1, 2, 3));
    writer.send(frameTypes.payload, Uint8Array.of(4));
    expect(kernel.bodies).toEqual([]);
    kernel.room = 100;
    writer.drain();
    expect(kernel.bodies).toEqual([Uint8Array.of(1, 2, 3), Uint8Array.of(4)]);
    expect(writer.bufferedBytes).toBe(0);
  });

  test("drops whole frames beyond its bound and delivers the others intact", () => {
    const kernel = new Kernel();
    const writer = new FrameWriter(kernel, 1000);
    const taken: number[] = [];
    for (let i = 0; i < 50; i++) if (writer.send(frameTypes.payload, new Uint8Array(91).fill(i))) taken.push(i);
    expect(taken).toHaveLength(10);
    expect(writer.bufferedBytes).toBe(1000);
    kernel.room = 1 << 20;
    writer.drain();
    expect(kernel.bodies.map((body) => body[0] ?? -1)).toEqual(taken);
    expect(writer.send(frameTypes.payload, new Uint8Array(91))).toBe(true);
  });

  test("takes one frame larger than its bound when nothing waits: half a frame cannot be dropped", () => {
    const kernel = new Kernel();
    kernel.room = 10;
    const writer = new FrameWriter(kernel, 1000);
    expect(writer.send(frameTypes.payload, new Uint8Array(700_000).fill(3))).toBe(true);
    kernel.room = 1 << 20;
    writer.drain();
    expect(kernel.bodies.map((body) => body.length)).toEqual([700_000]);
  });

  test("reports a closed socket", () => {
    const kernel = new Kernel();
    kernel.closed = true;
    expect(new FrameWriter(kernel, 1000).send(frameTypes.payload, new Uint8Array(1))).toBe(false);
  });

  test("keeps order and content under any pattern of partial writes", () => {
    const step = fc.oneof(
      fc.record({ size: fc.integer({ min: 0, max: 300_000 }) }),
      fc.record({ room: fc.integer({ min: 0, max: 400_000 }) }),
    );
    const property = fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const kernel = new Kernel();
      const writer = new FrameWriter(kernel, 1_000_000);
      const expected: [number, number][] = [];
      steps.forEach((action, i) => {
        if ("room" in action) {
          kernel.room += action.room;
          writer.drain();
        } else if (writer.send(frameTypes.payload, new Uint8Array(action.size).fill(i))) {
          expected.push([action.size, action.size === 0 ? -1 : i]);
        }
        expect(writer.bufferedBytes).toBeLessThanOrEqual(1_000_000);
      });
      kernel.room = Number.MAX_SAFE_INTEGER;
      writer.drain();
      expect(kernel.bodies.map((body) => [body.length, body.at(-1) ?? -1])).toEqual(expected);
    });
    fc.assert(property, { numRuns: 40 });
  });
});
