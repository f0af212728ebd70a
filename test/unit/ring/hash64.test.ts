import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { hash64, murmur3 } from "../../../src/ring/hash64.ts";

/** Of a key without the zeros that `murmur3` wants behind it. */
function digest(key: Uint8Array, seed: number): Uint8Array {
  const padded = new Uint8Array(Math.ceil(key.length / 16) * 16);
  padded.set(key);
  const lanes = new DataView(new ArrayBuffer(16));
  for (const [i, lane] of murmur3(padded, key.length, seed).entries()) lanes.setUint32(4 * i, lane, true);
  return new Uint8Array(lanes.buffer);
}

describe("murmur3", () => {
  // SMHasher's VerificationTest: keys {}, {0}, {0, 1}, … with seeds 256, 255, …; then the hash of all those hashes.
  test("is MurmurHash3_x86_128 by the figure that its author published", () => {
    const all = new Uint8Array(256 * 16);
    for (let length = 0; length < 256; length++) {
      all.set(
        digest(
          Uint8Array.from({ length }, (_, i) => i),
          256 - length,
        ),
        length * 16,
      );
    }
    expect(new DataView(digest(all, 0).buffer).getUint32(0, true)).toBe(0xb3ece62a);
  });
});

describe("hash64", () => {
  test("is an integer that a double holds exactly, made of the first two lanes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 2_000 }), (text) => {
        const [first, second] = murmur3Of(text);
        expect(hash64(text)).toBe((second & 0x1f_ffff) * 2 ** 32 + first);
        expect(Number.isSafeInteger(hash64(text))).toBe(true);
      }),
    );
  });

  test("does not depend on what was hashed before", () => {
    const before = hash64("orders");
    hash64("x".repeat(5_000));
    expect(hash64("orders")).toBe(before);
  });
});

function murmur3Of(text: string): readonly [number, number] {
  const bytes = digest(new TextEncoder().encode(text.toWellFormed()), 0);
  const lanes = new DataView(bytes.buffer);
  return [lanes.getUint32(0, true), lanes.getUint32(4, true)];
}
