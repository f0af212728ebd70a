import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FrameDecoder, frameTypes } from "../../../src/io/peer-frames.ts";
import { frameOf } from "../../support/peer-nodes.ts";

const BOUND = 100_000;

function bodyOf(size: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 31 + seed) & 0xff);
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** Pushes the chunks and returns what came out. */
function decodeAll(chunks: readonly Uint8Array[], bound = BOUND) {
  const decoder = new FrameDecoder(bound);
  const bodies: Uint8Array[] = [];
  let fault: string | undefined;
  for (const chunk of chunks) fault = decoder.push(chunk, (_type, body) => bodies.push(body.slice()) > 0);
  return { bodies, fault };
}

describe("the decoder of peer frames", () => {
  const bodies = [bodyOf(0), bodyOf(1), bodyOf(40, 7), bodyOf(9, 3)];
  const stream = join(bodies.map((body) => frameOf(frameTypes.payload, body)));

  test("finds the same frames wherever the stream is split in two", () => {
    for (let at = 0; at <= stream.length; at++) {
      const outcome = decodeAll([stream.subarray(0, at), stream.subarray(at)]);
      expect(outcome).toEqual({ bodies, fault: undefined });
    }
  });

  test("finds the same frames byte by byte", () => {
    expect(decodeAll([...stream].map((byte) => Uint8Array.of(byte)))).toEqual({ bodies, fault: undefined });
  });

  test("hands out a frame that lies whole in a chunk without a copy", () => {
    const chunk = join([frameOf(frameTypes.payload, bodyOf(10)), frameOf(frameTypes.ping, bodyOf(3))]);
    const seen: [number, boolean][] = [];
    new FrameDecoder(BOUND).push(chunk, (type, body) => seen.push([type, body.buffer === chunk.buffer]) > 0);
    expect(seen).toEqual([
      [frameTypes.payload, true],
      [frameTypes.ping, true],
    ]);
  });

  test("takes a body of exactly the bound and refuses one byte more before it has arrived", () => {
    expect(decodeAll([frameOf(frameTypes.payload, bodyOf(100))], 100).bodies).toHaveLength(1);
    const head = frameOf(frameTypes.payload, bodyOf(101)).subarray(0, 8);
    expect(decodeAll([head], 100).fault).toBe("length");
    expect(decodeAll([head.subarray(0, 3), head.subarray(3)], 100).fault).toBe("length");
  });

  test("refuses a frame without a type", () => {
    expect(decodeAll([new Uint8Array(8)]).fault).toBe("length");
  });

  test("never hands out a body with a flipped bit", () => {
    const frame = frameOf(frameTypes.payload, bodyOf(20));
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const broken = frame.slice();
      broken[bit >> 3]! ^= 1 << (bit & 7);
      // A flipped length may still wait for the bytes that it announces.
      expect(decodeAll([broken]).bodies).toEqual([]);
      if (bit >= 32) expect(decodeAll([broken]).fault).toBe("checksum");
    }
  });

  test("hands out nothing behind a frame that the receiver rejected, then or later", () => {
    const decoder = new FrameDecoder(BOUND);
    let calls = 0;
    const reject = () => ++calls < 0;
    expect(decoder.push(stream, reject)).toBe("rejected");
    expect(decoder.push(stream, reject)).toBe("rejected");
    expect(calls).toBe(1);
  });

  test("takes memory for what arrived, not for what was announced", () => {
    const big = frameOf(frameTypes.payload, bodyOf(1024));
    const decoder = new FrameDecoder(1 << 30);
    const head = big.slice(0, 8);
    new DataView(head.buffer).setUint32(0, 1 << 29, true);
    expect(decoder.push(head, () => true)).toBeUndefined();
    expect(Reflect.get(decoder, "store").length).toBeLessThan(1 << 20);
  });

  test("finds any frames in any pieces", () => {
    const property = fc.property(
      fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 40 }),
      (given, sizes) => {
        const bytes = join(given.map((body) => frameOf(frameTypes.payload, body)));
        const chunks: Uint8Array[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = sizes[i % sizes.length]!;
          chunks.push(bytes.slice(at, at + size));
          at += size;
        }
        expect(decodeAll(chunks).bodies).toEqual(given.map((body) => Uint8Array.from(body)));
      },
    );
    fc.assert(property, { numRuns: 300 });
  });

  test("never throws, whatever arrives", () => {
    const property = fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 12 }), (chunks) => {
      decodeAll(chunks, 1000);
    });
    fc.assert(property, { numRuns: 500 });
  });

  test("never throws for a valid stream with damage in it", () => {
    const property = fc.property(fc.nat(stream.length - 1), fc.nat(255), fc.nat(stream.length), (at, value, cut) => {
      const damaged = stream.slice();
      damaged[at] = value;
      decodeAll([damaged.subarray(0, cut), damaged.subarray(cut)]);
    });
    fc.assert(property, { numRuns: 500 });
  });
});
